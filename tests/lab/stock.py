"""The control: what `tests.lab.counting` does, as an application of stock Faust with its usual settings does it."""

import os

import faust
import orjson
from faust.types import StreamT

from tests.lab.app import DERIVED, RAISE_AT, TOPICS
from tests.lab.oracle import derived_id

PREFIX = os.environ["KAFKA_TOPIC_PREFIX"]

app = faust.App(
    f"{PREFIX}omninode-bridge",
    broker=f"kafka://{os.environ['KAFKA_BOOTSTRAP_SERVERS']}",
    store="rocksdb://",
    datadir=os.environ["BRIDGE_DATA_DIR"],
    broker_client_id=os.environ["BRIDGE_INSTANCE_ID"],
    broker_commit_interval=1.0,
    topic_partitions=int(os.environ["KAFKA_TOPIC_PARTITIONS"]),
    topic_allow_declare=False,
    topic_disable_leader=True,
    table_standby_replicas=0,
    web_enabled=False,
)
source = app.topic(*(PREFIX + topic for topic in TOPICS), value_serializer="raw", value_type=bytes)
derived = app.topic(PREFIX + DERIVED, value_serializer="raw", value_type=bytes)
counts = app.Table("counts", default=int)


@app.agent(source)
async def count(events: StreamT[bytes]) -> None:
    """Count events by key and derive one of each."""
    async for event in events.events():
        cause, number = orjson.loads(event.value)
        if number == RAISE_AT:
            raise RuntimeError(f"told to raise at {number}")
        assert isinstance(event.key, bytes)
        counts[event.key.decode()] += 1
        value = orjson.dumps({"event_id": derived_id(cause, "lab.counted"), "causation_id": cause})
        await derived.send(key=event.key, value=value)
