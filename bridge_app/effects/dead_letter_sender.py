"""Dead letters on their way to Kafka: each is acknowledged before its record counts as done."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    TopicAlreadyExistsError,
    for_code,
)

from bridge_app.backoff import SEND, Backoff
from bridge_app.domain.database_adapter.letters import Letter
from bridge_app.effects.spare_producer import SpareProducer
from bridge_app.kafka_clients import client_options
from bridge_app.runtime.catalogue import DEAD_LETTER_BYTES, new_topic
from bridge_app.settings import Settings
from bridge_app.topics import Topic, dead_letter_topic

log = structlog.get_logger(__name__)

#: After it a letter whose topic was deleted is tried anew, and its topic created again.
REQUEST_MS = 10_000


class DeadLetterSender:
    """Sends dead letters with an idempotent producer, which is started when the first one is there.

    `partitions_of` gives the partition count of the topic a letter comes from: its `.dlq` topic is created with the
    same when it does not exist, which is so only for topics outside of the catalogue. `retried` is called when letters
    are going to be sent again.
    """

    def __init__(
        self, settings: Settings, partitions_of: Callable[[str], int], retried: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._partitions_of = partitions_of
        self._retried = retried
        self._producer = SpareProducer(
            settings,
            f"{settings.node_id}-dead-letters",
            max_request_size=DEAD_LETTER_BYTES,
            request_timeout_ms=REQUEST_MS,
        )
        self._existing: set[str] = set()

    async def send(self, letters: Sequence[Letter]) -> None:
        """Send letters and wait until all are acknowledged; while Kafka is away, without limit.

        Raises:
            KafkaError: Kafka refuses them for good.
        """
        backoff = Backoff(*SEND)
        while True:
            try:
                letters, error = await self._send(letters)
            except KafkaError as failure:
                if not failure.retriable:
                    raise
                error = failure
            if error is None:
                return
            self._existing.clear()  # one may have been deleted
            await self._producer.give_up()
            log.warning("dead_letters_retried", count=len(letters), error=repr(error))
            self._retried()
            await asyncio.sleep(backoff.next())

    async def prepare(self, sources: Iterable[str]) -> None:
        """Create the dead-letter topics of topics that have none, so that letters find readers at once.

        What fails is logged, and left to the first letter.
        """
        try:
            await self._ensure_topics({source + self._settings.kafka_dlq_suffix: source for source in sources})
        except (KafkaError, OSError) as error:
            log.warning("dead_letter_topics_not_created", error=repr(error))

    async def close(self) -> None:
        """Disconnect: a letter that nobody waits for any more is written again when its record comes again."""
        await self._producer.give_up()

    async def _send(self, letters: Sequence[Letter]) -> tuple[Sequence[Letter], KafkaError | None]:
        """Return the letters that are still to be sent, and why; raises as `send`."""
        producer = await self._producer.get()
        await self._ensure_topics({letter.topic: letter.source for letter in letters})
        sent = [await _enqueue(producer, letter) for letter in letters]
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not _may_be_repeated(failure):
                raise failure
        left = [letter for letter, outcome in zip(letters, outcomes, strict=True) if isinstance(outcome, KafkaError)]
        return left, next((failure for failure in failures if isinstance(failure, KafkaError)), None)

    async def _ensure_topics(self, sources: dict[str, str]) -> None:
        unknown = {name: source for name, source in sources.items() if name not in self._existing}
        if not unknown:
            return
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            await admin.start()
            existing = set(await admin.list_topics())
            response = await admin.create_topics(
                [self._new_topic(name, source) for name, source in unknown.items() if name not in existing]
            )
            for name, code, *_rest in response.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise for_code(code)(f"cannot create topic {name}")
        finally:
            await admin.close()
        self._existing.update(unknown)

    def _new_topic(self, name: str, source: str) -> object:
        topic = dead_letter_topic(Topic(source, None), self._settings.kafka_dlq_suffix)
        return new_topic(name, topic, self._partitions_of(source), self._settings.kafka_replication_factor)


def _may_be_repeated(error: BaseException) -> bool:
    """Tell whether a letter may be sent again: also behind one that the client gave up, which leaves a gap."""
    return isinstance(error, OutOfOrderSequenceNumber) or (isinstance(error, KafkaError) and error.retriable)


async def _enqueue(producer: AIOKafkaProducer, letter: Letter) -> "asyncio.Future[Any]":
    """Give a letter to the client when it has room for it, which it has when those before it have been sent.

    The client gives that up after a request timeout, with an error that is not retriable; it still holds the letters
    before this one, so nothing is sent anew. Where it waits for a topic that is gone, it says so.
    """
    while True:
        try:
            acknowledged: asyncio.Future[Any] = await producer.send(
                letter.topic,
                key=letter.key,
                value=letter.value,
                timestamp_ms=letter.timestamp_ms,
                headers=letter.headers,
            )
        except KafkaTimeoutError:
            log.warning("dead_letters_wait_for_room", topic=letter.topic)
        else:
            return acknowledged
