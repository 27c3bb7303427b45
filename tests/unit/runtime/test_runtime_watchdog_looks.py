"""What the watchdog does about a broker that is slow, or does not answer."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from bridge_app.clock import SystemClock
from bridge_app.runtime import watchdog
from bridge_app.runtime.stalls import Offsets, Owned
from bridge_app.runtime.watchdog import Watchdog
from bridge_app.settings import Settings


class Broker:
    """Answers after some seconds, or fails; every answer is that nothing is behind."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.error: Exception | None = None
        self.connections = 1

    async def offsets(self, watched: Mapping[str, Any]) -> dict[Owned, Offsets]:
        if self.error is not None:
            raise self.error
        await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=self.seconds)
        return {}

    async def disconnect(self) -> None:
        self.connections += 1


def looking_at(broker: Broker, patience: float, monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    monkeypatch.setattr(watchdog, "ANSWER_SECONDS", patience)
    app = SimpleNamespace(settings=Settings.from_environ({}), clock=SystemClock(), watched=[])
    found = Watchdog(cast(Any, app))
    monkeypatch.setattr(found, "_broker", broker)
    return found


async def test_a_machine_that_is_too_slow_for_a_look_gets_more_time_until_it_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker(seconds=0.3)
    watching = looking_at(broker, 0.05, monkeypatch)
    with structlog.testing.capture_logs() as logs:
        for _ in range(10):
            await watching._look_patiently()
            if not watching._is_blind:
                break
    assert [line["event"] for line in logs] == ["watchdog_sees_nothing", "watchdog_sees_again"]
    assert broker.connections > 1, "what was cut is asked for on new connections"


async def test_while_the_broker_is_away_that_is_said_once_and_no_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(seconds=0)
    broker.error = KafkaConnectionError("no broker answers")
    watching = looking_at(broker, 5, monkeypatch)
    owned = Owned("g", TP("t", 0))
    watching._watch.look({owned: Offsets(0, 1)}, 0)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await watching._look_patiently()
    assert [line["event"] for line in logs] == ["watchdog_sees_nothing"]
    assert watching._watch.look({owned: Offsets(0, 1)}, 1000) == []
