"""What the contestants for rows read is the same for all, and what is said of them follows from what was measured."""

import uuid
from pathlib import Path

import orjson
import pytest

from bridge_app.domain.database_adapter.rows import EventRow
from deploy.local import toolchain
from deploy.local.errors import StackError
from tests.load import connect_jars
from tests.load.adapter_events import KEYS, event, records, row, row_schema
from tests.load.adapter_lag import Lag, lag_table
from tests.load.connect import connector_properties
from tests.load.connect_jars import CONNECT

DATABASE = {"POSTGRES_HOST": "h", "POSTGRES_PORT": "5", "POSTGRES_DB": "d", "POSTGRES_USER": "u"}


def test_bench_events_for_rows_are_as_big_as_they_are_said_to_be_and_each_has_an_id_of_its_own() -> None:
    made = [(key, value, orjson.loads(value)) for key, value in records(event, 0, 2 * KEYS)]

    assert all(230 <= len(value) <= 270 for _key, value, _event in made)
    assert len({uuid.UUID(one["event_id"]) for _key, _value, one in made}) == 2 * KEYS
    assert made[0][0] == made[KEYS][0]


def test_bench_row_says_the_same_as_its_event() -> None:
    (key, given), (same_key, ready) = event(1234), row(1234)
    one, flat = orjson.loads(given), orjson.loads(ready)

    assert key == same_key == flat["event_key"].encode()
    assert orjson.loads(flat["payload"]) == one["payload"]
    assert flat["session_id"] == one["payload"]["session_id"]
    assert all(flat[name] == one[name] for name in one if name != "payload")


def test_bench_rows_have_the_fields_of_their_schema_which_are_columns() -> None:
    fields = [field["field"] for field in row_schema()["fields"]]

    assert sorted(fields) == sorted(orjson.loads(row(0)[1]))
    assert set(fields) < set(EventRow._fields)


def test_bench_connect_fills_the_columns_that_say_where_a_record_is() -> None:
    properties = connector_properties("topic", "group", DATABASE)
    places = {value for key, value in properties.items() if key.startswith("transforms.") and key.endswith(".field")}

    assert places == {"topic", "partition", "offset", "kafka_timestamp"}
    assert places < set(EventRow._fields)
    assert properties["connection.url"].startswith("jdbc:postgresql://h:5/d?")


def test_bench_lag_has_the_median_of_the_rounds_and_its_ratio_to_the_base() -> None:
    lags = {"bridge": [Lag(10, 20, 30), Lag(14, 24, 90), Lag(12, 16, 40)], "plain": [Lag(4, 10, 80)]}

    lines = lag_table(lags, base="plain").splitlines()

    assert lines[0] == "| lag at 500 events/s | p50 ms | × plain | p95 ms | × plain | p99 ms | × plain |"
    assert lines[2] == "| bridge | 12.0 (10.0–14.0) | 3.0 | 20.0 (16.0–24.0) | 2.0 | 40.0 (30.0–90.0) | 0.5 |"


def test_bench_fetches_kafka_connect_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not connect_jars.are_cached()
    jar = tmp_path / "a.jar"
    jar.touch()
    (toolchain.cache_folder() / f"connect-{CONNECT.version}.classpath").write_text(f"{jar}\n")
    (toolchain.cache_folder() / f"debezium-connector-jdbc-{connect_jars.SINK_VERSION}").mkdir()

    assert connect_jars.are_cached()
    assert connect_jars.fetched().class_path == str(jar)


def test_bench_takes_only_the_pinned_sink_and_does_not_keep_another(tmp_path: Path) -> None:
    archive = tmp_path / "sink.tar.gz"
    archive.write_bytes(b"something else")

    with pytest.raises(StackError, match=r"sink\.tar\.gz"):
        connect_jars.check_sink(archive)
    assert not archive.exists()
