from __future__ import annotations

import threading
import time

import pytest

from deploy.local.errors import Stopped
from deploy.local.waiting import Backoff, wait_until


def test_the_pauses_double_from_half_a_second_to_ten_seconds() -> None:
    backoff = Backoff()

    assert [backoff.after(1.0) for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_minute_of_running_starts_the_pauses_anew() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(59.9)

    assert backoff.after(59.9) == 10.0
    assert backoff.after(60.0) == 0.5
    assert backoff.after(0.0) == 1.0


def test_waiting_ends_with_the_condition_or_with_the_deadline() -> None:
    answers = iter([False, False, True])

    assert wait_until(lambda: next(answers), 10.0, every=0.001)
    before = time.monotonic()
    assert not wait_until(lambda: False, 0.01, every=0.001)
    assert time.monotonic() - before < 5
    assert wait_until(lambda: True, 0.0)


def test_a_stop_ends_the_waiting_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.01, stop.set).start()

    with pytest.raises(Stopped):
        wait_until(lambda: False, float("inf"), every=60.0, stop=stop)
