"""What the process uses of the machine."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
_STATM = Path("/proc/self/statm")


def memory_mb() -> float:
    """Return the resident memory in MiB; where the system does not tell it, the most there was."""
    try:
        pages = int(_STATM.read_text().split()[1])
        return round(pages * resource.getpagesize() / MIB, 1)
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(most / (MIB if sys.platform == "darwin" else 1024), 1)


class CpuShare:
    """The share of one CPU that the process used since it was asked last, in percent."""

    def __init__(self, monotonic: Callable[[], float], used: Callable[[], float] = time.process_time) -> None:
        self._monotonic = monotonic
        self._used = used
        self._asked, self._before = monotonic(), used()

    def percent(self) -> float:
        """Return the share; 0 when no time has passed."""
        now, used = self._monotonic(), self._used()
        passed, spent = now - self._asked, used - self._before
        self._asked, self._before = now, used
        return round(100 * spent / passed, 1) if passed > 0 else 0.0
