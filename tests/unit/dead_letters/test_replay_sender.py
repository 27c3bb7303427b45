"""A replay waits for Kafka, and says when it is away: there is no outbox behind it (hooks §10)."""

from collections.abc import Callable

import pytest

from bridge_app.domain.breaker import BreakerState
from bridge_app.domain.dead_letters import ReplayedRecord
from bridge_app.effects.replay_sender import ReplaySender
from bridge_app.errors import ServiceUnavailable
from bridge_app.settings import Settings
from tests.unit.breaker.test_breaker import Bench

RECORD = ReplayedRecord("topic", b"key", b"value", 0, [])


def well() -> bool:
    return True


async def test_resilience_4_a_replay_without_kafka_is_refused_and_counts_as_a_failure(
    make_settings: Callable[..., Settings],
) -> None:
    bench = Bench()
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", KAFKA_TIMEOUT_SECONDS=1)
    sender = ReplaySender(settings, bench.breaker, well)
    with pytest.raises(ServiceUnavailable, match="Kafka is away"):
        await sender.send([RECORD])
    assert bench.breaker.snapshot().failure_count == 1


async def test_resilience_1_a_replay_is_refused_at_once_while_the_breaker_is_open(
    make_settings: Callable[..., Settings],
) -> None:
    bench = Bench()
    bench.fail(5)
    assert bench.state is BreakerState.OPEN
    with pytest.raises(ServiceUnavailable, match="is open"):
        await ReplaySender(make_settings(), bench.breaker, well).send([RECORD])


async def test_resilience_4_without_records_only_what_is_known_counts(
    make_settings: Callable[..., Settings],
) -> None:
    bench, probes = Bench(), [True]
    sender = ReplaySender(make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9"), bench.breaker, lambda: probes[-1])
    assert await sender.send([]) == []
    probes.append(False)
    with pytest.raises(ServiceUnavailable, match="Kafka is away"):
        await sender.send([])
    probes.append(True)
    bench.fail(5)
    with pytest.raises(ServiceUnavailable, match="Kafka is away"):
        await sender.send([])
