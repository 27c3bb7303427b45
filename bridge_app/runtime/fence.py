"""A worker that may have lost a partition writes nothing.

Kafka gives a partition away when its owner is silent for a session, and the old owner may not have noticed yet. Before
every send and before every write to RocksDB the fence is asked. It is down when the group has a new generation, or when
this process was frozen for half a session. (Every changelog record of the old owner behind one of the new owner's would
undo work.) The rest is the broker's: producers are idempotent, commits carry the generation.
"""

from collections.abc import Callable

from bridge_app.errors import Fenced


class Fence:
    """Decide whether a batch that was delivered under a generation may still be written.

    `session_timeout` in seconds; `monotonic` is the clock; `generation` returns the group's current generation.
    """

    def __init__(
        self, *, session_timeout: float, monotonic: Callable[[], float], generation: Callable[[], int]
    ) -> None:
        self._limit = session_timeout / 2
        self._monotonic = monotonic
        self._generation = generation
        self._beat_at = monotonic()
        self._reason: str | None = None

    def beat(self) -> None:
        """Show that the process runs; call this several times per second from the event loop."""
        now = self._monotonic()
        silent = now - self._beat_at
        self._beat_at = now
        if silent > self._limit and self._reason is None:
            self._reason = f"process was frozen for {silent:.1f} s"

    @property
    def is_down(self) -> bool:
        """Whether the process was frozen: it must stop."""
        return self._reason is not None

    def check(self, generation_id: int) -> None:
        """Return when a batch of that generation may be written.

        Raises:
            Fenced: it may not; the process must stop without writing.
        """
        self.beat()
        if self._reason is not None:
            raise Fenced(self._reason)
        if generation_id != self._generation():
            raise Fenced(f"the group moved on from generation {generation_id} to {self._generation()}")
