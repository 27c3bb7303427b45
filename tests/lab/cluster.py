"""What the broker says of topics and groups, and what only an operator does to them."""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import GroupCoordinatorNotAvailableError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from tests.lab.waiting import eventually


class Cluster:
    """One broker, seen from outside. `start` before use, `stop` afterwards."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self._admin = AIOKafkaAdminClient(bootstrap_servers=servers)

    async def start(self) -> None:
        await self._admin.start()

    async def stop(self) -> None:
        await self._admin.close()

    async def create(self, topic: str, partitions: int, **config: str) -> None:
        configs = {name.replace("_", "."): value for name, value in config.items()}
        response = await self._admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
        for name, code, *_rest in response.topic_errors:
            if code:
                raise for_code(code)(name)
        await eventually(lambda: self._has(topic, partitions), f"{topic} exists")

    async def delete(self, topic: str) -> None:
        await self._admin.delete_topics([topic])
        await eventually(lambda: self._has(topic, 0), f"{topic} is gone")

    async def delete_before(self, tp: TopicPartition, offset: int) -> None:
        """Drop the records of a partition before an offset, as retention does."""
        await self._admin.delete_records({tp: RecordsToDelete(before_offset=offset)})

    async def clear(self, prefix: str) -> None:
        """Order the deletion of every topic under a prefix."""
        topics = [topic for topic in await self._admin.list_topics() if topic.startswith(prefix)]
        if topics:
            await self._admin.delete_topics(topics)

    async def _has(self, topic: str, partitions: int) -> bool:
        return len(await self.partitions(topic)) == partitions

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """Return the partitions of a topic, none when it does not exist."""
        (described,) = await self._admin.describe_topics([topic])
        if described["error_code"] == UnknownTopicOrPartitionError.errno:
            return []
        return [TopicPartition(topic, partition["partition"]) for partition in described["partitions"]]

    async def send(self, topic: str, key: bytes | None, *values: bytes | None) -> None:
        """Send records of one key; all are acknowledged."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(topic, value, key=key)
        finally:
            await producer.stop()

    async def send_transaction(self, topic: str, key: bytes, value: bytes) -> None:
        """Send one record in a transaction, which leaves a mark behind it."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, transactional_id=f"{topic}-lab")
        await producer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait(topic, value, key=key)
        finally:
            await producer.stop()

    async def read(self, topic: str) -> list[Any]:
        """Return every record of a topic, partition by partition, up to its present end."""
        partitions = await self.partitions(topic)
        consumer = self._consumer()
        await consumer.start()
        try:
            consumer.assign(partitions)
            found: dict[TopicPartition, list[Any]] = {tp: [] for tp in partitions}
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning(*partitions)
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp] += records
        finally:
            await consumer.stop()
        return [record for tp in partitions for record in found[tp]]

    async def ends(self, *topics: str) -> dict[TopicPartition, int]:
        """Return the end offset of every partition of topics."""
        partitions = [tp for topic in topics for tp in await self.partitions(topic)]
        consumer = self._consumer()
        await consumer.start()
        try:
            consumer.assign(partitions)
            found: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        finally:
            await consumer.stop()
        return found

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """Return the committed offset of every partition that has one."""
        try:
            found: Mapping[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # the broker is new, and makes its topic of groups when first asked
            return {}
        return {tp: committed.offset for tp, committed in found.items() if committed.offset >= 0}

    async def members(self, group: str) -> dict[str, str]:
        """Return the member id of every client id of a group."""
        try:
            (response,) = await self._admin.describe_consumer_groups([group])
        except GroupCoordinatorNotAvailableError:  # as above
            return {}
        return {member[1]: member[0] for member in response.groups[0][5]}

    async def expel(self, group: str, client_id: str) -> None:
        """Take a dead member out of its group, as the broker does when its session is over. Saves that wait."""
        member_id = (await self.members(group)).get(client_id)
        if member_id is not None:
            node = await self._admin.find_coordinator(group)
            await self._admin._send_request(LeaveGroupRequest(group, member_id), node)

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.servers, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
