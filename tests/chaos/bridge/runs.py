"""How long and with which seeds a fault is run: short in `make test`, three times a minute in `make chaos`."""

import os
from typing import NamedTuple

import pytest

from tests.lab.laboratory import new_seed
from tests.lab.marks import LONG


class Run(NamedTuple):
    """W runs for so many seconds at least."""

    seconds: float

    def seed(self) -> int:
        return new_seed()


_SHORT = [pytest.param(Run(10.0), id="10 s")]
_LONG = [pytest.param(Run(60.0), id=f"60 s, {number}", marks=LONG) for number in ("1st", "2nd", "3rd")]
#: A given seed is run once.
LONG_RUNS = _LONG[:1] if os.environ.get("LAB_SEED") else _LONG
RUNS = _SHORT + LONG_RUNS
