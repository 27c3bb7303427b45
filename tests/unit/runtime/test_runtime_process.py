"""How the process ends."""

import os
import signal

import pytest

from bridge_app.runtime.process import BridgeWorker


def test_a_second_signal_ends_the_worker_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr("bridge_app.runtime.process.logging.shutdown", lambda: None)
    worker = BridgeWorker.__new__(BridgeWorker)
    worker._signal_stop_time = 1.0

    worker._schedule_shutdown(signal.SIGTERM)

    assert codes == [1]
