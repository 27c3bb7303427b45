"""How long and with which seeds a fault is run: short in `make test`, three times a minute in `make chaos`."""

import os
from typing import NamedTuple

import pytest

from tests.lab.laboratory import new_seed
from tests.lab.marks import LONG


class Run(NamedTuple):
    """W runs for so many seconds at least."""

    seconds: float
    is_full: bool

    def seed(self) -> int:
        return new_seed()


#: Far more than a short run takes, for a machine that has other things to do.
_SHORT = [pytest.param(Run(10.0, is_full=False), id="10 s", marks=pytest.mark.timeout(400))]
_FULL = [pytest.param(Run(60.0, is_full=True), id=f"60 s, {number}", marks=LONG) for number in ("1st", "2nd", "3rd")]
#: A given seed is run once.
LONG_RUNS = _FULL[:1] if os.environ.get("LAB_SEED") else _FULL
RUNS = _SHORT + LONG_RUNS
