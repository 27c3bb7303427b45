"""Alarms are told once when they begin and once when they end, and none is lost while Kafka is away (hooks §11)."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bridge_app.domain.alarms import ADVICE, Alarm, AlarmBook
from bridge_app.effects.alarms import Alarms
from bridge_app.errors import PayloadTooLarge, RequestError, ServiceUnavailable
from bridge_app.events.envelope import Event, Identity
from bridge_app.runtime.alarms import Alarm as Report
from tests.lab.waiting import eventually
from tests.unit.web.http_worker import ManualClock

IDENTITY = Identity("omninode-bridge", "0.1.0", "w1", "omninode-bridge-w1", "test")
FULL = Alarm("outbox", "OUTBOX_FULL", "the outbox is full", "Hooks are refused.", ("Bring Kafka back",), {"events": 10})
NOW_US = 1_705_314_600_000_000


def test_an_alarm_says_what_is_wrong_what_it_means_and_what_to_do() -> None:
    event = AlarmBook(IDENTITY).raise_(FULL, NOW_US)

    assert event is not None
    error_id = event.payload["error_info"].pop("error_id")
    assert (event.event_type, event.partition_key, event.time_us) == (
        "error.service.critical",
        "omninode-bridge",
        NOW_US,
    )
    assert event.correlation_id == error_id
    assert event.payload == {
        "error_info": {
            "service_name": "omninode-bridge",
            "instance_id": "w1",
            "error_type": "OUTBOX_FULL",
            "severity": "critical",
            "message": "the outbox is full",
            "first_occurrence": "2024-01-15T10:30:00.000000Z",
            "occurrence_count": 1,
        },
        "context_info": {"alarm": "outbox", "events": 10},
        "impact_assessment": {"description": "Hooks are refused."},
        "recovery_actions": ["Bring Kafka back"],
    }


def test_an_alarm_is_told_once_until_it_is_over() -> None:
    book = AlarmBook(IDENTITY)
    first = book.raise_(FULL, NOW_US)
    assert book.raise_(FULL._replace(message="still full"), NOW_US + 1) is None
    assert book.active == {"outbox": "the outbox is full"}

    over = book.clear("outbox", NOW_US + 2_500_000)
    assert first is not None
    assert over is not None
    assert (over.event_type, over.causation_id) == ("error.service.recovered", first.event_id)
    assert over.payload["error_info"] == first.payload["error_info"]
    assert over.payload["context_info"]["lasted_seconds"] == 2.5
    assert book.clear("outbox", NOW_US) is None
    assert book.active == {}


def test_each_occurrence_is_one_of_its_own_and_counted() -> None:
    book = AlarmBook(IDENTITY)
    first, _ = book.raise_(FULL, NOW_US), book.clear("outbox", NOW_US + 1)
    second = book.raise_(FULL, NOW_US + 2)
    assert first is not None
    assert second is not None
    assert first.event_id != second.event_id
    info = second.payload["error_info"]
    assert (info["occurrence_count"], info["first_occurrence"]) == (2, "2024-01-15T10:30:00.000000Z")


def test_the_same_occurrence_told_again_is_the_same_event() -> None:
    assert AlarmBook(IDENTITY).raise_(FULL, NOW_US) == AlarmBook(IDENTITY).raise_(FULL, NOW_US)


def test_without_impact_and_actions_those_of_its_kind_are_told() -> None:
    event = AlarmBook(IDENTITY).raise_(Alarm("x", "TOPIC_STOPPED", "stopped"), NOW_US)
    assert event is not None
    advice = ADVICE["TOPIC_STOPPED"]
    assert event.payload["impact_assessment"] == {"description": advice.impact}
    assert event.payload["recovery_actions"] == list(advice.actions)


class Kafka:
    """Takes events, or refuses them."""

    def __init__(self) -> None:
        self.refusal: RequestError | None = None
        self.tried = 0
        self.taken: list[Event] = []

    async def publish(self, events: Sequence[tuple[str, Event]]) -> None:
        self.tried += 1
        if self.refusal is not None:
            raise self.refusal
        assert {topic for topic, _ in events} == {"system.errors"}
        self.taken += [event for _, event in events]

    @property
    def types(self) -> list[str]:
        return [event.event_type.rpartition(".")[2] for event in self.taken]


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
async def alarms(kafka: Kafka) -> AsyncIterator[Alarms]:
    alarms = Alarms(kafka.publish, IDENTITY, ManualClock())
    await alarms.start()
    yield alarms
    await alarms.stop()


async def test_alarms_wait_for_kafka_and_keep_their_order(kafka: Kafka, alarms: Alarms) -> None:
    kafka.refusal = ServiceUnavailable("away")
    alarms.raise_(Alarm("breaker.kafka", "CIRCUIT_BREAKER_OPEN", "away"))
    await eventually(lambda: kafka.tried > 0, "a try")
    alarms.clear("breaker.kafka")
    alarms.raise_(Alarm("breaker.consul", "CIRCUIT_BREAKER_OPEN", "away"))
    assert kafka.taken == []

    kafka.refusal = None
    await eventually(lambda: len(kafka.taken) == 3, "three events")
    assert kafka.types == ["critical", "recovered", "critical"]


async def test_an_event_that_is_refused_for_good_does_not_hold_up_the_others(kafka: Kafka, alarms: Alarms) -> None:
    kafka.refusal = PayloadTooLarge("too large")
    alarms.raise_(Alarm("a", "X", "refused for good"))
    await eventually(lambda: kafka.tried == 1, "the try")
    kafka.refusal = None
    alarms.raise_(Alarm("b", "X", "taken"))
    await eventually(lambda: len(kafka.taken) == 1, "the other one")
    assert kafka.taken[0].payload["error_info"]["message"] == "taken"


async def test_what_waits_is_told_when_the_worker_stops(kafka: Kafka) -> None:
    alarms = Alarms(kafka.publish, IDENTITY, ManualClock())
    kafka.refusal = ServiceUnavailable("away")
    await alarms.start()
    alarms.raise_(Alarm("a", "X", "wrong"))
    await eventually(lambda: kafka.tried > 0, "a try")
    kafka.refusal = None
    await alarms.stop()
    assert "critical" in kafka.types


async def test_a_report_of_the_runtime_returns_when_it_is_published(kafka: Kafka, alarms: Alarms) -> None:
    report = Report("COMMITS_STALLED", "no progress", {"topic": "t", "partition": 3, "committed": 7})
    await alarms.report(report)
    await alarms.report(report)
    await alarms.report(report._replace(context={"topic": "t", "partition": 4}))
    assert [event.payload["context_info"]["alarm"] for event in kafka.taken] == [
        "commits_stalled.t.3",
        "commits_stalled.t.4",
    ]
    assert kafka.taken[0].payload["context_info"]["committed"] == 7


async def test_a_report_that_is_over_is_told_once_and_may_come_again(kafka: Kafka, alarms: Alarms) -> None:
    report = Report("TOPIC_STOPPED", "a stopped topic t", {"agent": "a", "topic": "t"})
    alarms.over("TOPIC_STOPPED", report.context)
    await alarms.report(report)
    alarms.over("TOPIC_STOPPED", report.context)
    alarms.over("TOPIC_STOPPED", report.context)
    await alarms.report(report)
    assert kafka.types == ["critical", "recovered", "critical"]


async def test_after_a_crash_what_waits_is_told_at_the_stop_though_kafka_refuses_at_first(kafka: Kafka) -> None:
    """A crash of the worker ends the delivery at once, and Kafka may need more than one try."""
    alarms = Alarms(kafka.publish, IDENTITY, ManualClock())
    await alarms.start()
    await alarms.crash(RuntimeError("a step failed"))
    alarms.raise_(Alarm("agent_stopped.a", "AGENT_STOPPED", "a stopped"))
    kafka.refusal = ServiceUnavailable("away for a moment")
    stopping = asyncio.create_task(alarms.stop())
    await eventually(lambda: kafka.tried > 0, "a try")
    kafka.refusal = None
    await stopping
    assert kafka.types == ["critical"]


async def test_a_stop_waits_for_the_last_alarms_no_longer_than_it_may(kafka: Kafka) -> None:
    alarms = Alarms(kafka.publish, IDENTITY, ManualClock(), stop_seconds=0.05)
    await alarms.start()
    kafka.refusal = ServiceUnavailable("away")
    alarms.raise_(Alarm("a", "X", "wrong"))
    async with asyncio.timeout(5):
        await alarms.stop()
    assert kafka.taken == []
