"""What goes over the topics becomes rows (database-adapter, acceptance 1, 4, 5, 6, 7, 15)."""

import time
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer

from agents.database_adapter import DatabaseAdapter
from bridge_app import ids
from bridge_app.domain.database_adapter.tally import Status
from tests.integration.database_adapter.conftest import Bench, altered, run_adapter
from tests.lab.waiting import eventually


def event(event_type: str = "service.lifecycle.started", **fields: Any) -> dict[str, Any]:
    return {"event_id": str(uuid4()), "event_type": event_type, "payload": {"a": 1}, **fields}


async def test_database_adapter_01_bursts_are_stored_once(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = f"{bench.settings.kafka_topic_prefix}extra.bursts"
    await bench.create(topic)
    sent = [[event(payload={"burst": burst, "n": n}) for n in range(100)] for burst in range(15)]
    for burst in sent:
        await bench.send(topic, burst, key=None)
    await bench.until_rows(1500)
    stored = {str(row["event_id"]) for row in await bench.sql.fetch("SELECT event_id FROM event_logs")}
    assert stored == {item["event_id"] for burst in sent for item in burst}
    assert adapter.snapshot()["total_events"] == 1500


async def test_database_adapter_04_order_of_sending_is_kept(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(topic)
    times = [f"2024-01-15T10:30:{second:02}.5Z" for second in range(20)]
    await bench.send(topic, [event(correlation_id="c", timestamp=time, payload={"time": time}) for time in times])
    await bench.until_rows(20)
    for order in ("timestamp", '"partition", "offset"'):
        rows = await bench.sql.fetch(
            f"SELECT payload->>'time' AS t FROM event_logs WHERE correlation_id = 'c' ORDER BY {order}"
        )
        assert [row["t"] for row in rows] == times


async def test_database_adapter_05_copies_are_stored_once(bench: Bench) -> None:
    topic = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(topic)
    copy = event()
    async with run_adapter(bench.settings) as adapter:
        await bench.send(topic, [copy] * 3)
        await bench.until_committed(topic)
        assert adapter.snapshot()["duplicates_skipped"] == 2
    async with run_adapter(bench.settings) as adapter:
        await bench.send(topic, [copy, event(), copy])
        await bench.until_rows(2)
        await bench.until_committed(topic)
        assert adapter.snapshot()["total_events"] == 3
    first = await bench.sql.fetchrow('SELECT "offset" FROM event_logs WHERE event_id = $1', copy["event_id"])
    assert first is not None
    assert first["offset"] == 0


async def test_database_adapter_05_two_workers_and_a_key_that_moves(bench: Bench) -> None:
    topic = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(topic, partitions=4)
    copy = event()

    def shared(first: DatabaseAdapter, second: DatabaseAdapter) -> bool:
        return all(worker.snapshot()["total_events"] > 0 for worker in (first, second))

    async with run_adapter(bench.settings) as first:
        await bench.send(topic, [copy], partition=0)
        await bench.until_rows(1)
        async with run_adapter(bench.settings) as second:
            sent = 1

            async def both_store() -> bool:
                nonlocal sent
                for partition in range(4):
                    await bench.send(topic, [event()], partition=partition)
                sent += 4
                return shared(first, second)

            await eventually(both_store, "both workers store")
            for partition in range(4):
                await bench.send(topic, [copy], partition=partition)
            await bench.until_rows(sent)
            await bench.until_committed(topic, 4)
    assert await bench.count() == sent


BAD = {
    "NULL_VALUE": None,
    "INVALID_UTF8": b'{"event_type": "\xff\xfe"}',
    "NOT_AN_OBJECT": b"[1]",
    "INVALID_JSON": b'{"a":',
    "INVALID_PAYLOAD": b'{"event_type": "t", "payload": null}',
    "UNSUPPORTED_VALUE": b'{"event_type": "t", "payload": {"a": "x\\u0000y"}}',
    "MISSING_EVENT_TYPE": b'{"a": 1}',
}


async def dead_letters(bench: Bench, topic: str, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=list(bench.settings.kafka_bootstrap_servers), auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[Any] = []
        while len(found) < count:
            found += [record for records in (await consumer.getmany(timeout_ms=1000)).values() for record in records]
        return found
    finally:
        await consumer.stop()


async def test_database_adapter_06_bad_records_between_good_ones(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(topic, partitions=1)
    good = [event(payload={"n": n}) for n in range(len(BAD) * 2)]
    mixed: list[Any] = []
    for bad in BAD.values():
        mixed += [good[len(mixed) // 3 * 2], good[len(mixed) // 3 * 2 + 1], bad]
    await bench.send(topic, mixed, headers=[("x", b"y")])
    await bench.until_rows(len(good))
    await bench.until_rows(len(BAD), "dead_letters")
    stored = await bench.sql.fetch('SELECT event_id::text FROM event_logs ORDER BY "offset"')
    assert [row["event_id"] for row in stored] == [item["event_id"] for item in good]

    letters = await dead_letters(bench, f"{topic}.dlq", len(BAD))
    for (error_type, value), letter, offset in zip(BAD.items(), letters, range(2, 99, 3), strict=False):
        payload = orjson.loads(letter.value)["payload"]
        assert (payload["error_type"], payload["original_topic"]) == (error_type, topic)
        assert (payload["original_partition"], payload["original_offset"]) == (0, offset)
        assert (payload["original_headers"], payload["original_key"], letter.key) == ({"x": "y"}, "k", b"k")
        assert payload["agent"] == "database_adapter"
        assert dict(letter.headers)["error_type"] == error_type.encode()
        if error_type == "INVALID_UTF8":
            assert payload["original_message"] is None
            assert payload["original_message_base64"]
        else:
            assert payload["original_message"] == (value.decode() if value else None)

    rows = await bench.sql.fetch("SELECT * FROM dead_letters ORDER BY original_offset")
    for row, error_type in zip(rows, BAD, strict=True):
        assert (row["error_type"], row["original_topic"], row["status"]) == (error_type, topic, "pending")
        assert (row["dlq_topic"], row["dlq_partition"]) == (f"{topic}.dlq", 0)
        assert orjson.loads(row["letter"])["original_offset"] == row["original_offset"]
    assert adapter.snapshot()["dead_letters_by_error_type"] == dict.fromkeys(BAD, 1)
    await bench.until_committed(topic, 1)


async def test_database_adapter_06_dead_letter_topic_of_an_extra_topic_is_created(
    bench: Bench, adapter: DatabaseAdapter
) -> None:
    topic = f"{bench.settings.kafka_topic_prefix}extra.alone"
    await bench.create(topic, dead_letters=False)
    await bench.send(topic, [b"{", event()])
    await bench.until_rows(1)
    await bench.until_rows(1, "dead_letters")
    assert await bench.sql.fetchval("SELECT original_topic FROM dead_letters") == topic


async def test_database_adapter_21_the_first_dead_letter_of_an_extra_topic_is_a_row_at_once(
    bench: Bench, adapter: DatabaseAdapter
) -> None:
    topic = f"{bench.settings.kafka_topic_prefix}extra.early"
    await bench.create(topic, dead_letters=False)
    reads = partial(reads_topic, adapter, f"{topic}.dlq")
    await eventually(reads, "the adapter reads the dead letters, before there are any", seconds=20.0)
    await bench.send(topic, [b"{"])
    await bench.until_rows(1, "dead_letters", seconds=1.0)


def reads_topic(adapter: DatabaseAdapter, topic: str) -> bool:
    return any(one["topic"] == topic for one in adapter.report({})["topics"])


FORMS = {
    "upper case": {"event_type": "SERVICE.LIFECYCLE.STARTED", "event_id": "%s", "payload": {"a": 1}},
    "kebab": {"event_type": "node-heartbeat", "event_id": "%s", "payload": {"a": 1}},
    "BaseEvent": {
        "id": "%s", "type": "workflow_started", "timestamp": "2024-01-15T10:30:00Z", "version": "1.0",
        "source_service": "s", "payload": {"a": 1},
    },
    "OnexEnvelopeV1": {
        "event_id": "%s", "event_type": "NODE_HEARTBEAT", "envelope_version": "1.0", "correlation_id": "c",
        "source_node_id": "n", "event_timestamp": "2024-01-15T10:30:00Z", "payload": {"a": 1}, "metadata": {},
    },
    "CloudEvent": {"specversion": "1.0", "id": "%s", "type": "t.a", "source": "/s", "data": {"a": 1}},
    "flat": {"event_id": "%s", "event_type": "flat.event", "a": 1},
}  # fmt: skip


async def test_database_adapter_07_forms_of_an_event(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(topic)
    given = {name: str(uuid4()) for name in [*FORMS, "JSON in a string"]}
    values = {name: orjson.dumps(form).decode().replace("%s", given[name]) for name, form in FORMS.items()}
    values["JSON in a string"] = orjson.dumps(orjson.dumps(event(event_id=given["JSON in a string"])).decode()).decode()
    await bench.send(topic, [value.encode() for value in values.values()])
    await bench.until_rows(len(values))
    for name, event_id in given.items():
        row = await bench.sql.fetchrow("SELECT event_type, payload FROM event_logs WHERE event_id = $1", event_id)
        assert row is not None, name
        assert orjson.loads(row["payload"]) == {"a": 1}, name
    assert await bench.sql.fetchval("SELECT count(*) FROM event_logs WHERE event_type = 'NODE_HEARTBEAT'") == 1


async def test_database_adapter_15_minimal_insert(bench: Bench, adapter: DatabaseAdapter) -> None:
    async def migrated() -> bool:
        return await bench.sql.fetchval("SELECT to_regclass('dead_letters')") is not None

    await eventually(migrated, "migrations")
    await bench.sql.execute(
        "INSERT INTO event_logs (event_type, correlation_id, payload, metadata) VALUES ('test_event', 'c', '{}', '{}')"
    )
    row = await bench.sql.fetchrow("SELECT * FROM event_logs")
    assert row is not None
    assert (row["topic"], row["status"]) == ("", "completed")
    assert None not in (row["event_id"], row["session_id"], row["timestamp"], row["stored_at"])


async def test_patterns_keep_their_highest_revision(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = bench.settings.topic("intelligence.patterns")
    await bench.create(topic)
    pattern = str(uuid4())

    def discovered(revision: int, kind: str = "discovered") -> dict[str, Any]:
        info = {"pattern_id": f"pattern_{pattern}", "pattern_type": "t", "confidence_score": 0.5, "revision": revision}
        return event(f"intelligence.pattern.{kind}", payload={"pattern_info": info})

    await bench.send(topic, [discovered(1), discovered(3), discovered(2)], key=pattern.encode())
    await bench.until_rows(3)
    assert await bench.sql.fetchval("SELECT revision FROM intelligence_patterns") == 3
    await bench.send(topic, [discovered(2)], key=pattern.encode())
    await bench.until_rows(4)
    assert await bench.sql.fetchval("SELECT revision FROM intelligence_patterns") == 3
    await bench.send(topic, [discovered(4, "resolved")], key=pattern.encode())
    await bench.until_rows(5)
    row = await bench.sql.fetchrow("SELECT * FROM intelligence_patterns")
    assert row is not None
    assert (str(row["pattern_id"]), row["revision"], row["status"]) == (pattern, 4, "resolved")
    assert orjson.loads(row["pattern_data"])["pattern_id"] == f"pattern_{pattern}"


async def test_letter_ids_are_those_of_the_position(bench: Bench, adapter: DatabaseAdapter) -> None:
    topic = bench.settings.topic("hooks.service_lifecycle")
    await bench.create(topic, partitions=1)
    now_ms = time.time_ns() // 1_000_000
    await bench.send(topic, [b"{"], timestamp_ms=now_ms)
    await bench.until_rows(1, "dead_letters")
    expected = ids.dead_letter(topic, 0, 0, now_ms)
    assert str(await bench.sql.fetchval("SELECT event_id FROM dead_letters")) == expected


async def test_database_adapter_17_extra_topics_created_later_are_picked_up(bench: Bench) -> None:
    prefix = bench.settings.kafka_topic_prefix
    settings = altered(bench.settings, adapter_extra_topics=(f"{prefix}named", f"{prefix}test.*"))
    await bench.create(f"{prefix}test.first")
    async with run_adapter(settings) as adapter:
        await eventually(lambda: adapter.status is Status.RUNNING, "the adapter runs")
        for topic in (f"{prefix}named", f"{prefix}test.matching", f"{prefix}other"):
            await bench.create(topic)
            await bench.send(topic, [{"a": 1}])
        await bench.until_rows(2, seconds=12.0)
        rows = await bench.sql.fetch("SELECT topic, event_type FROM event_logs ORDER BY topic")
        assert [tuple(row) for row in rows] == [(f"{prefix}named", "unknown"), (f"{prefix}test.matching", "unknown")]


async def test_database_adapter_02_rows_are_there_soon_after_their_records(
    bench: Bench, adapter: DatabaseAdapter
) -> None:
    topic = f"{bench.settings.kafka_topic_prefix}extra.lag"
    await bench.create(topic)
    await bench.send(topic, [event()])
    await bench.until_rows(1)
    for _ in range(15):
        await bench.send(topic, [event() for _ in range(100)], key=None)
    await bench.until_rows(1501)
    lag = await bench.sql.fetchval(
        "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - kafka_timestamp)) "
        """FROM event_logs WHERE event_id <> (SELECT event_id FROM event_logs ORDER BY stored_at LIMIT 1)"""
    )
    assert lag < 1.0  # the goal of 0.1 s is for a machine that does nothing else
