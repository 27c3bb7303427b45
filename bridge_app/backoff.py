"""How long to wait before the next try: one way for everything that is tried until it succeeds."""

from typing import Final

#: First and longest pause, in seconds, of a send or a transaction (resilience §5).
SEND: Final = (0.1, 5.0)
#: The same of what connects to a service, at the start and whenever it was away (resilience §7).
CONNECT: Final = (0.5, 5.0)


class Backoff:
    """Pauses in seconds: `first`, doubled each time up to `longest`, and `first` again after a `reset`."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first
        #: Whether there was no pause since the start or the last reset.
        self.is_fresh = True

    def next(self) -> float:
        """Return the pause before the next try."""
        pause, self.is_fresh = self._next, False
        self._next = min(pause * 2, self._longest)
        return pause

    def reset(self) -> None:
        """Begin anew: a try has succeeded."""
        self._next = self._first
        self.is_fresh = True
