"""A worker that may have lost a partition writes nothing.

Kafka gives a partition away when its owner is silent for a session, and the old owner may not have noticed yet. Before
every send and before every write to RocksDB the fence is asked. It is down when the group has a new generation, or when
this process was frozen for half a session. (Every changelog record of the old owner behind one of the new owner's would
undo work.) The rest is the broker's: producers are idempotent, commits carry the generation.

What passed the fence may still wait in the Kafka client while the network is away. So each request with records is held
back unless a heartbeat shows that the group still counts this worker among its members: a heartbeat that it has
confirmed is good for most of a session, counted from when it was sent.
"""

from collections.abc import Callable

from bridge_app.errors import Fenced

#: The share of a session for which a confirmed heartbeat is good; the rest is for a request on its way to the broker.
MEMBERSHIP_SHARE = 0.8


class Fence:
    """Decide whether a batch that was delivered under a generation may still be written.

    `session_timeout` in seconds; `monotonic` is the clock; `generation` returns the group's current generation.
    """

    def __init__(
        self, *, session_timeout: float, monotonic: Callable[[], float], generation: Callable[[], int]
    ) -> None:
        self._limit = session_timeout / 2
        self._good_for = MEMBERSHIP_SHARE * session_timeout
        self._member_until = float("inf")
        self._expelled = False
        self._monotonic = monotonic
        self._generation = generation
        self._beat_at: float | None = None
        self._reason: str | None = None

    def now(self) -> float:
        """Return the time of the monotonic clock."""
        return self._monotonic()

    def beat(self) -> None:
        """Show that the process runs; call this several times per second from the event loop.

        The first call is the beginning: what comes before it, such as slow imports, is no silence.
        """
        now = self._monotonic()
        silent = 0.0 if self._beat_at is None else now - self._beat_at
        self._beat_at = now
        if silent > self._limit and self._reason is None:
            self._reason = f"process was frozen for {silent:.1f} s"

    @property
    def is_down(self) -> bool:
        """Whether the process was frozen: it must stop."""
        return self._reason is not None

    def confirm_membership(self, asked_at: float) -> None:
        """Note that the group confirmed a heartbeat that was sent at this time of the monotonic clock."""
        self._member_until = asked_at + self._good_for
        self._expelled = False

    def expel(self) -> None:
        """Note that the group has forgotten this worker; until it has joined again, nothing may be sent."""
        self._expelled = True

    def holds_back(self) -> bool:
        """Tell whether a request with records must wait for a heartbeat.

        Raises:
            Fenced: no heartbeat will come for it: the records are of partitions that others have now.
        """
        if self._expelled:
            raise Fenced("the group has forgotten this worker, which had records to send")
        return self._monotonic() > self._member_until

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
