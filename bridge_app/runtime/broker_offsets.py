"""What the watchdog asks the broker: commits and ends of partitions, and whether there are records between them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP

from bridge_app.broker_clients import BrokerClients
from bridge_app.runtime.stalls import Offsets, Owned, Stall
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

#: How long it is looked whether there is any record between commit and end, of all stalls together.
PEEK_MS = 2000


def leaderless(wanted: Iterable[TP], described: Iterable[Mapping[str, Any]]) -> set[TP]:
    """Return the partitions that have no leader now, by what the broker says of their topics (a metadata answer).

    Their topic was deleted, or the only broker that has them is away. Nothing can be read of them or asked about them.
    """
    led = {
        TP(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
        if partition["leader"] >= 0
    }
    return set(wanted) - led


class BrokerOffsets:
    """Asks through clients of its own, which are made when they are first needed and after `disconnect`.

    The methods raise KafkaError, OSError or TimeoutError when no broker answers; only their caller bounds the wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._clients = BrokerClients(settings, "broker-offsets")
        self._leaderless: set[TP] = set()

    async def offsets(self, watched: Mapping[str, Iterable[TP]]) -> dict[Owned, Offsets]:
        """Return what the broker says of partitions by consumer group, but for those without a leader.

        One of those must not be asked for: the client would try until the caller's patience ends, every time, and say
        nothing of all the others.
        """
        wanted = {tp for tps in watched.values() for tp in tps}
        return await self._clients.ask(partial(self._offsets, watched, wanted)) if wanted else {}

    async def with_records(self, stalls: Iterable[Stall]) -> list[Stall]:
        """Return those whose commits stand still before a record: the marks of transactions take offsets, and nobody
        commits them. Records that came behind them later have had less time, and are for a later look.

        All are looked at together, in 2 s. One that has records may be missing beside others that are returned.
        """
        return await self._clients.ask(partial(self._with_records, list(stalls)))

    async def disconnect(self) -> None:
        """Close the clients, and end their thread."""
        await self._clients.close()

    async def _offsets(
        self,
        watched: Mapping[str, Iterable[TP]],
        wanted: set[TP],
        admin: AIOKafkaAdminClient,
        consumer: AIOKafkaConsumer,
    ) -> dict[Owned, Offsets]:
        self._tell(leaderless(wanted, await admin.describe_topics(sorted({tp.topic for tp in wanted}))))
        partitions = {TopicPartition(*tp) for tp in wanted - self._leaderless}
        if not partitions:
            return {}
        if consumer.assignment() != partitions:  # it learns of their leaders by that, all at once
            consumer.assign(list(partitions))
            consumer.pause(*partitions)
        ends = await consumer.end_offsets(partitions)
        found = {}
        for group, tps in watched.items():
            asked = [tp for tp in tps if tp not in self._leaderless]
            committed = await self._committed(admin, group, asked) if asked else {}
            for tp in asked:
                found[Owned(group, tp)] = Offsets(committed.get(tp, -1), ends[TopicPartition(*tp)])
        return found

    async def _with_records(
        self, asked: Sequence[Stall], _: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
    ) -> list[Stall]:
        first: dict[TopicPartition, int] = defaultdict(lambda: -1)
        for stall in asked:
            tp = TopicPartition(*stall.owned.tp)
            first[tp] = min(first.get(tp, stall.offsets.committed), stall.offsets.committed)
        consumer.assign(list(first))  # resumed by that; the next look assigns and pauses all of them again
        for tp, offset in first.items():
            if offset >= 0:
                consumer.seek(tp, offset)
        fresh = [tp for tp, offset in first.items() if offset < 0]
        if fresh:
            await consumer.seek_to_beginning(*fresh)
        fetched = await consumer.getmany(timeout_ms=PEEK_MS)
        offsets = {TP(*tp): [record.offset for record in records] for tp, records in fetched.items()}
        return [stall for stall in asked if any(map(stall.covers, offsets.get(stall.owned.tp, ())))]

    async def _committed(self, admin: AIOKafkaAdminClient, group: str, tps: Iterable[TP]) -> dict[TP, int]:
        found = await admin.list_consumer_group_offsets(group, partitions=[TopicPartition(*tp) for tp in tps])
        return {TP(*tp): known.offset for tp, known in found.items()}

    def _tell(self, without: set[TP]) -> None:
        if without != self._leaderless:
            log.warning("partitions_without_leader", partitions=sorted(map(str, without)))
        self._leaderless = without


__all__ = ["BrokerOffsets", "leaderless"]
