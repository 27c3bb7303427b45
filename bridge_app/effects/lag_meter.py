"""Asks the broker how far behind the consumer groups are; Faust's own figures also count commits that failed."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from mode import Service

from bridge_app.broker_clients import BrokerClients
from bridge_app.domain.lag import Lag, PartitionLag
from bridge_app.metrics import Metrics
from bridge_app.runtime.catalogue import partition_counts
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
REQUEST_MS = 5000


class Group(NamedTuple):
    """A consumer group: its name in the metrics, its id, and a pattern of the topics it reads."""

    label: str
    group_id: str
    pattern: str


class LagMeter(Service):
    """Sets the gauges of lag every 10 s, of all partitions and not only of this worker's.

    A partition without a committed offset counts from the beginning. While Kafka is away the gauges keep their values.
    """

    def __init__(
        self,
        settings: Settings,
        groups: Callable[[], list[Group]],
        metrics: Metrics,
        monotonic: Callable[[], float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._groups = groups
        self._metrics = metrics
        self._monotonic = monotonic
        self._clients = BrokerClients(
            settings, "lag-meter", client_id=f"{settings.node_id}-lag", request_timeout_ms=REQUEST_MS
        )
        self._located: set[str] = set()
        self._lags: dict[tuple[str, TopicPartition], PartitionLag] = {}
        self._last: dict[tuple[str, TopicPartition], Lag] = {}

    def lags(self, label: str) -> dict[str, Lag]:
        """Return by topic how far a group was behind at the last look: records of all partitions, the longest wait."""
        found: dict[str, Lag] = {}
        for (group, tp), lag in self._last.items():
            if group == label:
                known = found.get(tp.topic, Lag(0, 0.0))
                found[tp.topic] = Lag(known.records + lag.records, max(known.seconds, lag.seconds))
        return found

    @Service.task
    async def _measure(self) -> None:
        try:
            while not self.should_stop:
                try:
                    await self._clients.ask(partial(self._look_at_all, self._groups()))
                except (KafkaError, OSError) as error:
                    log.info("lag_unknown", error=repr(error))
                    await self._clients.close()
                    self._located.clear()
                await self.sleep(EVERY_SECONDS)
        finally:  # here and not in on_stop, which comes while a look may still need its clients
            await self._clients.close()

    async def _look_at_all(
        self, groups: Iterable[Group], admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
    ) -> None:
        for group in groups:
            await self._look(group, admin, consumer)

    async def _look(self, group: Group, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        wanted = re.compile(group.pattern)
        names = [name for name in await admin.list_topics() if wanted.fullmatch(name)]
        counts = await partition_counts(admin, names)
        await self._locate(consumer, counts)
        partitions = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        found = await admin.list_consumer_group_offsets(group.group_id)
        committed = {tp: meta.offset for tp, meta in found.items() if meta.offset >= 0}
        fresh = [tp for tp in partitions if tp not in committed]
        committed |= await consumer.beginning_offsets(fresh) if fresh else {}
        self._set(group, committed, await consumer.end_offsets(partitions) if partitions else {})

    async def _locate(self, consumer: AIOKafkaConsumer, names: Iterable[str]) -> None:
        """Let the client find the leaders of new topics: it takes 0.1 s for each, and many at once are too late."""
        for name in set(names) - self._located:
            await consumer.end_offsets([TopicPartition(name, 0)])
            self._located.add(name)

    def _set(self, group: Group, committed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        now = self._monotonic()
        prefix = self._settings.kafka_topic_prefix
        last = dict(self._last)
        for tp, end in ends.items():
            lag = self._lags.setdefault((group.label, tp), PartitionLag()).look(now, committed[tp], end)
            last[group.label, tp] = lag
            labels = (group.label, tp.topic.removeprefix(prefix), str(tp.partition))
            self._metrics.lag_records.labels(*labels).set(lag.records)
            self._metrics.lag_seconds.labels(*labels).set(lag.seconds)
        self._last = last  # another thread reads it
