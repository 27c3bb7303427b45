"""What the stack says on the terminal: whole lines, each with the part it is about."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType


def say(part: str, text: str) -> None:
    """Write one line at once, so that lines of several threads do not mix. A closed terminal is ignored."""
    try:
        sys.stdout.write(f"[{part}] {text}\n")
        sys.stdout.flush()
    except (OSError, ValueError, RuntimeError):
        return


class Heartbeat:
    """While entered, says every `every` seconds what `describe()` returns: a long step is never silent.

    A text that did not change is not repeated.
    """

    def __init__(self, part: str, describe: Callable[[], str], every: float = 10.0) -> None:
        self._part = part
        self._describe = describe
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{part}", daemon=True)

    def _beat(self) -> None:
        last = ""
        while not self._done.wait(self._every):
            text = self._describe()
            if text != last:
                say(self._part, text)
            last = text

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
