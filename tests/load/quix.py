"""Quix Streams: a stateful dataframe, with its own defaults. Run as `python -m tests.load.quix`."""

from typing import Any

from quixstreams import Application, State
from quixstreams.models import Deserializer, SerializationContext, TopicConfig

from tests.load import workload
from tests.load.job import Job, Stopwatch

STATE_KEY = "total"


class EventDeserializer(Deserializer):
    """The same decoding as everybody's."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> workload.ToolExecution:
        return workload.decode(value)


class TimedApplication(Application):
    """Stop the watch after the last checkpoint, before the connections are closed."""

    def _run_dataframe(self, *args: Any, **kwargs: Any) -> None:
        super()._run_dataframe(*args, **kwargs)
        watch.finish()


job = Job.from_environ()
watch = Stopwatch(job)
app = TimedApplication(
    broker_address=job.servers,
    consumer_group=job.app_id,
    auto_offset_reset="earliest",
    state_dir=job.data_dir,
    producer_extra_config={"acks": "all"},
)


def total(event: workload.ToolExecution, state: State[str, Any]) -> None:
    done = watch.count()
    known = state.get_bytes(STATE_KEY)
    after = workload.add(None if known is None else workload.decode_total(known), event)
    state.set_bytes(STATE_KEY, workload.encode_total(after))
    if done:
        app.stop()


if __name__ == "__main__":
    source = app.topic(
        job.topic,
        key_deserializer="bytes",
        value_deserializer=EventDeserializer(),  # type: ignore[no-untyped-call]
        config=TopicConfig(num_partitions=job.partitions, replication_factor=1),
    )
    app.dataframe(source).update(total, stateful=True)
    app.run()
