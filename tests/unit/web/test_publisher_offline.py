"""The publisher while Kafka is away."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from bridge_app.errors import PayloadTooLarge, ServiceUnavailable
from bridge_app.events.envelope import Event
from bridge_app.settings import Settings
from tests.lab.publishing import Publishing, publishing

TOPIC = "hooks.service_lifecycle"
MakeSettings = Callable[..., Settings]


def new_event(**payload: str) -> Event:
    return Event(
        event_id=str(uuid4()),
        event_type="t",
        time_us=0,
        correlation_id="c",
        trace_id="0" * 32,
        partition_key="k",
        payload=payload,
    )


async def test_without_kafka_events_go_to_the_outbox_and_stay_there(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", KAFKA_TIMEOUT_SECONDS="0.1")
    async with publishing(settings, tmp_path) as lab:
        assert await lab.publisher.publish([(TOPIC, new_event())]) is False
        assert await lab.publisher.publish([(TOPIC, new_event()), (TOPIC, new_event())]) is False
        with pytest.raises(ConnectionError):
            await lab.publisher.probe()
        assert lab.outbox.pending == 3

    async with publishing(settings, tmp_path) as lab:
        assert lab.outbox.pending == 3


async def test_with_the_breaker_open_nobody_waits_for_kafka(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", KAFKA_TIMEOUT_SECONDS="3600")
    async with publishing(settings, tmp_path) as lab:
        lab.breaker.open("for the test")
        assert await lab.publisher.publish([(TOPIC, new_event())]) is False


async def test_a_batch_that_does_not_fit_is_refused_as_a_whole(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", OUTBOX_MAX_EVENTS="2")
    async with publishing(settings, tmp_path) as lab:
        lab.breaker.open("for the test")
        with pytest.raises(ServiceUnavailable) as refused:
            await lab.publisher.publish([(TOPIC, new_event())] * 3)
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert lab.outbox.is_empty
        await lab.publisher.publish([(TOPIC, new_event())] * 2)
        await expect_full(lab)
        await lab.publisher.publish([(TOPIC, new_event())], is_extra=True)
        assert lab.outbox.pending == 3


async def expect_full(lab: Publishing) -> None:
    assert lab.outbox.full_reason is not None
    with pytest.raises(ServiceUnavailable, match="full"):
        await lab.publisher.probe_outbox()


async def test_what_kafka_would_never_take_is_refused_while_it_is_away(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    async with publishing(make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"), tmp_path) as lab:
        lab.breaker.open("for the test")
        with pytest.raises(PayloadTooLarge):
            await lab.publisher.publish([(TOPIC, new_event(text="x" * 3_000_000))])
        assert lab.outbox.is_empty
