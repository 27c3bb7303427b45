"""A publisher as the worker builds it, with its outbox, its breaker, and a probe of Kafka every now and then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bridge_app.clock import SystemClock
from bridge_app.domain.alarms import NoAlarms
from bridge_app.domain.breaker import BreakerState, CircuitBreaker
from bridge_app.effects.breakers import verdict_of
from bridge_app.effects.outbox.condition import Limits
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.publisher import Publisher
from bridge_app.errors import StartError
from bridge_app.health import HEALTHY, Facts, Health
from bridge_app.metrics import Metrics
from bridge_app.settings import Settings
from tests.lab.waiting import eventually


class Publishing(NamedTuple):
    """The parts."""

    publisher: Publisher
    outbox: Outbox
    breaker: CircuitBreaker
    health: Health
    folder: Path

    def rejected(self) -> list[Path]:
        """Return the files of the records that Kafka refused for good."""
        return sorted((self.folder / "outbox" / "rejected").glob("*.json"))

    async def until_connected(self) -> None:
        """Return when Kafka has answered a probe."""
        await eventually(lambda: self.health.checks["kafka"].status == HEALTHY, "Kafka is reached")

    async def until_replayed(self) -> None:
        """Return when nothing waits any more and events go straight to Kafka."""
        await eventually(
            lambda: self.outbox.is_empty and self.breaker.snapshot().state is BreakerState.CLOSED,
            "the outbox is empty, and the breaker closed",
        )


@asynccontextmanager
async def publishing(settings: Settings, folder: Path) -> AsyncIterator[Publishing]:
    """Run a publisher whose outbox is in `folder`."""
    clock = SystemClock()
    breaker = CircuitBreaker("kafka", settings.breakers["kafka"], monotonic=clock.monotonic, classify=verdict_of)
    limits = Limits(settings.outbox_max_events, settings.outbox_max_bytes)
    outbox = Outbox(folder / "outbox", limits, clock=clock, alarms=NoAlarms())
    publisher = Publisher(
        settings, Metrics(), breaker=breaker, outbox=outbox, clock=clock, halt=_fail, restore_topics=_cannot_restore
    )
    facts = Facts(lambda: True, lambda: True, lambda: False, list)
    probes: dict[str, Any] = {"kafka": publisher.probe}
    health = Health(probes, facts, instance_id="i", clock=clock, breakers={"kafka": breaker})
    await publisher.start()
    await health.start()
    try:
        yield Publishing(publisher, outbox, breaker, health, folder)
    finally:
        await health.stop()
        await publisher.stop()


async def _cannot_restore() -> None:
    """Create nothing: topics are the test's."""


def _fail(error: StartError) -> None:
    raise AssertionError(str(error))
