"""Poison of every kind of conventions §1 among good events: each is set aside once, with its reason and its place, the
good ones take effect, the partition goes on.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.lab.laboratory import READING, Laboratory
from tests.lab.load import Event
from tests.lab.waiting import eventually

MIB = 1024 * 1024
LONG = "x" * (19 * MIB // 10)
KEY = b"k"

POISON: dict[str, tuple[str, bytes | None]] = {
    "null": ("NULL_VALUE", None),
    "bad UTF-8": ("INVALID_UTF8", b'{"event_type":"\xff\xfe"}'),
    "bad JSON": ("INVALID_JSON", b'{"event_type":'),
    "not an object": ("NOT_AN_OBJECT", b"[1]"),
    "no event type": ("MISSING_EVENT_TYPE", b'{"payload":{"n":1}}'),
    "U+0000": ("UNSUPPORTED_VALUE", rb'{"event_type":"lab.bad","payload":{"name":"a\u0000b"}}'),
    "depth 500": ("UNSUPPORTED_VALUE", b'{"event_type":"lab.bad","payload":' + b'{"a":' * 500 + b"1" + b"}" * 501),
    "1.9 MiB": ("INVALID_JSON", LONG.encode()),
    "rejected payload": ("INVALID_PAYLOAD", b'{"event_type":"lab.bad","payload":{"refuse":true}}'),
    "rejected payload of 1.9 MiB": (
        "INVALID_PAYLOAD",
        orjson.dumps({"event_type": "lab.bad", "payload": {"refuse": LONG}}),
    ),
}


def good(number: int) -> Event:
    return Event(KEY, orjson.dumps({"event_type": "lab.good", "payload": {"n": number}}))


def among_good_ones() -> Iterator[Event]:
    """Yield every poison with a good event before and behind it: offsets of poison are 1, 3, 5, …"""
    yield good(0)
    for number, (_reason, value) in enumerate(POISON.values(), start=1):
        yield Event(KEY, value)
        yield good(number)


async def read_poison(lab: Laboratory, **environ: int) -> tuple[dict[str, Any], list[Any]]:
    """Let a worker read the poison; return what it counted, and the dead letters."""
    worker = lab.worker().start(**environ)
    await eventually(lambda: "Worker ready" in worker.log, "the worker has created the topics")
    await lab.send(among_good_ones())
    await lab.until_committed()
    assert await worker.terminate() == 0
    letters = [orjson.loads(record.value) for record in await lab.cluster.read(f"{lab.topics[0]}.dlq")]
    return worker.report["read"], letters


async def test_conventions_01_poison_of_every_kind_is_dead_lettered_once_with_its_reason_and_its_place(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, module=READING, partitions=1) as lab:
        counts, letters = await read_poison(lab, LAB_ADAPTER_READS=0)

        payloads = [letter["payload"] for letter in letters]
        places = [(payload["original_topic"], payload["original_offset"]) for payload in payloads]
        assert places == [(lab.topics[0], 2 * number + 1) for number in range(len(POISON))]
        assert [payload["error_type"] for payload in payloads] == [reason for reason, _value in POISON.values()]
        assert all(payload["error_message"] and payload["agent"] == "read" for payload in payloads)
        assert len({letter["event_id"] for letter in letters}) == len(POISON)
        assert (counts["applied"], counts["poison"]) == (len(POISON) + 1, len(POISON))
        assert await lab.states() == {KEY: len(POISON) + 1}
        (await lab.audit()).assert_sound()


async def test_conventions_01_poison_that_the_adapter_dead_letters_is_counted_and_what_the_domain_rejects_is_not_lost(
    kafka: str, tmp_path: Path
) -> None:
    async with Laboratory(kafka, tmp_path, module=READING, partitions=1) as lab:
        counts, letters = await read_poison(lab, LAB_ADAPTER_READS=1)

        rejected = [number for number, (reason, _) in enumerate(POISON.values()) if reason == "INVALID_PAYLOAD"]
        assert [letter["payload"]["original_offset"] for letter in letters] == [2 * number + 1 for number in rejected]
        assert {letter["payload"]["error_type"] for letter in letters} == {"INVALID_PAYLOAD"}
        assert (counts["applied"], counts["poison"]) == (len(POISON) + 1, len(POISON))
        (await lab.audit()).assert_sound()
