"""A table that is read and written per step: the changelog is acknowledged before RocksDB is written.

Stock Faust writes RocksDB at once and buffers the changelog record, one by one. A kill in between leaves a value whose
changelog record never existed, and a replay that finds its offset applied never writes it. Here the local store never
runs ahead of the changelog: one write batch per step, after all acknowledgements, with the persisted changelog offset
in it. After a kill a step is either applied or not, and recovery brings exactly what was acknowledged.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import faust
import rocksdict
from faust.types import TP

from bridge_app.errors import Fenced, StateMismatch
from bridge_app.runtime import damage
from bridge_app.runtime.batches import BatchMessage, raw_batches
from bridge_app.runtime.producer import Send
from bridge_app.runtime.rows import RESERVED_PREFIX, WATERMARK_KEY, Row, RowCodec, Watermarks, is_past
from bridge_app.runtime.store import SharedStore

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

S = TypeVar("S")

#: Changelog batches that recovery applies in one RocksDB write.
RECOVERY_BATCHES = 8
_ESTIMATE = "rocksdb.estimate-num-keys"
#: Keys that one step searches for graves: about a millisecond.
SEARCHED_KEYS = 200


class StateTable(faust.Table[bytes, bytes], Generic[S]):
    """State by Kafka key, one RocksDB database per partition, made durable by a compacted changelog topic.

    `sources` are the topics (as named on the broker) whose events change it; they and the changelog have the same
    number of partitions. Only the owner of a partition touches it, from a step.
    """

    app: "BridgeApp"

    def __init__(
        self, app: "BridgeApp", *, name: str, state_type: Any, sources: tuple[str, ...], version: int = 1, help: str
    ) -> None:
        super().__init__(
            app,
            name=name,
            key_type=bytes,
            value_type=bytes,
            schema=raw_batches(),
            recovery_buffer_size=RECOVERY_BATCHES,
            help=help,
        )
        self.sources = sources
        self._codec: RowCodec[S] = RowCodec(state_type, table=name, version=version)
        self._watermarks: dict[int, Watermarks] = {}
        #: Forgotten keys whose tombstone is not in the changelog yet, with what was applied to them.
        self._graves: dict[int, dict[bytes, Watermarks]] = {}
        #: From which key on a partition is still to be searched for graves of an earlier owner; None: it has been.
        self._unsearched: dict[int, bytes | None] = {}

    # -- reading

    def read(self, partition: int, key: bytes) -> Row[S] | None:
        """Return a key's row, None when there is none. Blocks for one RocksDB look-up (about 3 µs)."""
        try:
            data = self._database(partition).get(key)
        except Exception as error:  # RocksDB's have no type of their own
            raise self._shared_store.damaged(partition, error) from error
        return None if data is None else self._codec.decode(data)

    def watermarks(self, partition: int) -> Watermarks:
        """Return the offset last applied to this partition, per source topic."""
        known = self._watermarks.get(partition)
        if known is None:
            row = self.read(partition, WATERMARK_KEY)
            known = self._watermarks[partition] = {} if row is None else row.watermarks
        return known

    def scan(self, partition: int) -> Iterator[tuple[bytes, Row[S]]]:
        """Yield every key and row of a partition, in key order. Blocks for about 6 µs per key.

        Raises:
            StateDamaged: there are more keys than can be read.
        """
        key = None
        for key, data in self._database(partition).items():
            if not key.startswith(RESERVED_PREFIX) and key != SharedStore.offset_key:
                yield key, self._codec.decode(data)
        try:
            damage.check_last(self._database(partition), key)
        except Exception as error:  # RocksDB's have no type of their own
            raise self._shared_store.damaged(partition, error) from error

    def set_aside(self, partition: int, reason: str) -> None:
        """Put the database of a partition out of the way: it contradicts its changelog, which is read anew."""
        self._shared_store.set_aside(partition, reason)
        self._watermarks.pop(partition, None)
        self._graves.pop(partition, None)
        self._unsearched.pop(partition, None)

    def survey(self, partition: int) -> Iterator[tuple[bytes, Row[S]]]:
        """Yield every key that has a state, as `scan`; graves left by an earlier owner are noted on the way."""
        for key, row in self.scan(partition):
            if row.state is None:
                self._graves.setdefault(partition, {})[key] = row.watermarks
            else:
                yield key, row
        self._unsearched[partition] = None

    def estimated_keys(self) -> int:
        """Return about how many keys the partitions of this worker hold; RocksDB estimates it without reading any."""
        databases = cast(SharedStore, self.data)._dbs.values() if self.data is not None else ()
        reserved = 2  # watermark and changelog offset
        return sum(max(0, (db.property_int_value(_ESTIMATE) or 0) - reserved) for db in databases)

    # -- writing

    async def write(
        self,
        message: BatchMessage,
        rows: Mapping[bytes, Row[S]],
        applied: int,
        *,
        allowed: Callable[[], None],
        retried: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the rows and the watermark of one step durable: changelog, acknowledgements, then one RocksDB batch.

        `applied` is the offset of the last record of the step in the topic of `message`. `allowed` raises when nothing
        may be written any more, `retried` is called before a failed send is tried again. A row whose state is None
        forgets its key.
        """
        partition = message.partition
        before = self.watermarks(partition)
        watermarks = {**before, message.topic: applied}
        self._search_graves(partition)
        graves = self._graves.setdefault(partition, {})
        tombstones = [key for key, its in graves.items() if key not in rows and is_past(its, before)]
        changes: list[tuple[bytes, bytes | None]] = [(key, None) for key in tombstones]
        encode = self._codec.encode
        changes += [(key, encode(row.watermarks, row.state)) for key, row in rows.items()]
        changes.append((WATERMARK_KEY, encode(watermarks, None)))
        last = await self.app.batch_producer.produce(
            self.changelog_topic_name,
            partition,
            [Send(key, value) for key, value in changes],
            allowed=allowed,
            retried=retried,
        )
        allowed()  # the database may have been given away and recovered meanwhile
        self._apply(partition, changes, last)
        self._watermarks[partition] = watermarks
        for key in (*tombstones, *rows):
            graves.pop(key, None)
        graves |= {key: dict(row.watermarks) for key, row in rows.items() if row.state is None}

    def _search_graves(self, partition: int) -> None:
        """Note the graves that an earlier owner left, some keys at a time: a worker that is killed buries nobody."""
        start = self._unsearched.get(partition, b"")
        if start is None:
            return
        graves = self._graves.setdefault(partition, {})
        iterator = self._database(partition).iter()
        try:
            iterator.seek(start)
            for _ in range(SEARCHED_KEYS):
                if not iterator.valid():
                    iterator.status()
                    self._unsearched[partition] = None
                    return
                key, data = iterator.key(), iterator.value()
                if not key.startswith(RESERVED_PREFIX) and key != SharedStore.offset_key:
                    row = self._codec.decode(data)
                    if row.state is None:
                        graves[key] = row.watermarks
                iterator.next()
            self._unsearched[partition] = iterator.key() if iterator.valid() else None
        except StateMismatch:
            raise
        except Exception as error:  # RocksDB's have no type of their own
            raise self._shared_store.damaged(partition, error) from error

    def _apply(self, partition: int, changes: Iterable[tuple[bytes, bytes | None]], changelog_offset: int) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(SharedStore.offset_key, b"%d" % changelog_offset)
        try:
            self._database(partition).write(batch)
        except Exception as error:  # RocksDB's have no type of their own
            raise self._shared_store.damaged(partition, error) from error

    def _database(self, partition: int) -> Any:
        return self._shared_store._db_for_partition(partition)

    @property
    def _shared_store(self) -> SharedStore:
        return cast(SharedStore, self.data)

    # -- what Faust calls

    def _new_store_by_url(self, url: Any) -> Any:
        return SharedStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_type=self.value_type,
            value_serializer=self.value_serializer,
            loop=self.loop,
        )

    async def on_start(self) -> None:
        """Open the store; the catalogue has created the changelog topic already."""
        await self.add_runtime_dependency(self.data)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        self._watermarks.clear()
        self._graves.clear()
        self._unsearched.clear()
        if alone := self.without_changelog(assigned):
            await self.app.crash(Fenced(f"assigned without the changelog of table {self.name}: {alone}"))
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def without_changelog(self, assigned: set[TP]) -> list[TP]:
        """Return the source partitions that are assigned without their changelog partition, sorted.

        Faust's assignor passes over a topic that the leader's metadata does not show yet. Nothing would be recovered
        then: every worker would go on with what it has on its own disk, and the state would fork.
        """
        changelog = self.changelog_topic_name
        return sorted(tp for tp in assigned if tp.topic in self.sources and TP(changelog, tp.partition) not in assigned)

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Apply changelog batches during recovery, one RocksDB write per partition."""
        changes: dict[int, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        offsets: dict[int, int] = {}
        for event in batch:
            message = cast(BatchMessage, event.message)
            changes[message.partition] += [(cast(bytes, record.key), record.value) for record in message.records]
            offsets[message.partition] = message.offset
        for partition, found in changes.items():
            self._apply(partition, found, offsets[partition])

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Check the recovered watermarks against the source topics, before anything is processed."""
        await super().on_recovery_completed(active_tps, standby_tps)
        try:
            await self._check_watermarks({tp.partition for tp in active_tps})
        except Exception as error:  # Faust discards whatever a table raises here, and would go on unchecked
            await self.app.crash(error)

    async def _check_watermarks(self, partitions: set[int]) -> None:
        marks = {
            TP(topic, partition): offset
            for partition in partitions
            for topic, offset in self.watermarks(partition).items()
            if topic in self.sources
        }
        ends = await self.app.consumer.highwaters(*marks) if marks else {}
        for tp, applied in marks.items():
            end = next((offset for found, offset in ends.items() if (found.topic, found.partition) == tp), None)
            if end is not None and applied >= end:
                raise StateMismatch(
                    f"table {self.name}: offset {applied} of {tp.topic}-{tp.partition} was applied, but the topic "
                    f"ends at {end}: it was recreated; delete the changelog topic {self.changelog_topic_name} and the "
                    f"folder {self.app.conf.tabledir} to start over"
                )
