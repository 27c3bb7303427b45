"""Workload W (resilience §10): hooks over HTTP and foreign events on an extra topic, and a journal of all of them.

The hooks of a service are sent one after the other, each when the one before was answered, so that their order is
known. A service has a worker it calls; when that one refuses the connection it calls the next.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.lab.foreign import Foreign, foreign, id_from_position
from tests.lab.lives import lives

HOOKS_PER_SECOND = 200
SERVICES = 50
FOREIGN_PER_SECOND = 100
FOREIGN_KEYS = 20
ANSWER_SECONDS = 15.0
#: A worker that is starting refuses connections: its callers wait so long before they try all workers again.
REFUSED_SECONDS = 0.2
#: How long a producer that finds no broker waits before it tries again.
ABSENT_SECONDS = 0.5


class Fate(Enum):
    """What the sender knows: accepted, clearly refused, or nothing at all."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass
class Sent:
    """One hook or foreign event, in the order of sending per key.

    `event_id` is known of accepted ones, and of foreign events that bring their own. `acknowledged`: Kafka had it when
    the answer came. `worker` is who answered, empty for foreign events. `detail` tells of a failure.
    """

    number: str
    key: str
    fate: Fate
    event_id: str | None = None
    acknowledged: bool = False
    worker: str = ""
    detail: str = ""
    seconds: float = 0.0


@dataclass
class Journal:
    """Everything that was sent."""

    seed: int
    hooks: list[Sent] = field(default_factory=list)
    foreign: list[Sent] = field(default_factory=list)

    def of(self, fate: Fate) -> list[Sent]:
        return [sent for sent in [*self.hooks, *self.foreign] if sent.fate is fate]


@dataclass(frozen=True)
class Targets:
    """Where W goes: the URLs of the workers, the brokers and the extra topic."""

    urls: Sequence[str]
    servers: str
    extra_topic: str


class Workload:
    """`async with workload.running(seconds)`: W runs for so long at least, and for as long as the body."""

    def __init__(
        self,
        targets: Targets,
        seed: int,
        *,
        hooks_per_second: float = HOOKS_PER_SECOND,
        foreign_per_second: float = FOREIGN_PER_SECOND,
    ) -> None:
        self.journal = Journal(seed)
        self._targets = targets
        self._rng = random.Random(seed)
        self._pause = SERVICES / hooks_per_second
        self._foreign_per_second = foreign_per_second
        self._stopped = asyncio.Event()

    @asynccontextmanager
    async def running(self, seconds: float) -> AsyncIterator[Journal]:
        began = time.monotonic()
        tasks = [asyncio.create_task(self._produce())]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session:
            tasks += [asyncio.create_task(self._live(session, number)) for number in range(SERVICES)]
            try:
                yield self.journal
                await self._until(began + seconds)
            finally:
                self._stopped.set()
                await asyncio.gather(*tasks)

    async def _until(self, moment: float) -> bool:
        """Wait until a moment, at least one turn of the loop; return whether W goes on."""
        try:
            await asyncio.wait_for(self._stopped.wait(), max(0.0, moment - time.monotonic()))
        except TimeoutError:
            return True
        return False

    # -- hooks

    async def _live(self, session: aiohttp.ClientSession, number: int) -> None:
        rng = random.Random(self._rng.getrandbits(64))
        service = f"w-{self.journal.seed}-{number}"
        urls = list(self._targets.urls)
        urls = urls[number % len(urls) :] + urls[: number % len(urls)]
        due = time.monotonic() + self._pause * number / SERVICES
        for count, body in enumerate(lives(rng, service)):
            if not await self._until(due):
                return
            body["service_info"]["w"] = f"h{number}-{count}"
            self.journal.hooks.append(sent := Sent(body["service_info"]["w"], service, Fate.UNKNOWN))
            await self._post(session, urls, sent, orjson.dumps(body))
            due = max(due + self._pause, time.monotonic())

    async def _post(self, session: aiohttp.ClientSession, urls: Sequence[str], sent: Sent, body: bytes) -> None:
        for url in urls:
            began = time.monotonic()
            try:
                async with session.post(
                    f"{url}/hooks/service/lifecycle", data=body, headers={"Content-Type": "application/json"}
                ) as response:
                    answer = orjson.loads(await response.read())
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
                sent.detail = repr(error)
                return
            finally:
                sent.seconds = time.monotonic() - began
            _note(sent, response.status, answer, url)
            return
        sent.fate, sent.detail = Fate.FAILED, "every worker refused the connection"
        await self._until(time.monotonic() + REFUSED_SECONDS)

    # -- foreign events

    async def _produce(self) -> None:
        rng = random.Random(self._rng.getrandbits(64))
        producer = AIOKafkaProducer(
            bootstrap_servers=self._targets.servers, enable_idempotence=True, linger_ms=5, request_timeout_ms=10_000
        )
        waiting: set[asyncio.Task[None]] = set()
        count = 0
        try:
            while not await self._started(producer):
                if not await self._until(time.monotonic() + ABSENT_SECONDS):
                    return
            began = time.monotonic()
            while await self._until(began + count / self._foreign_per_second):
                record, key = foreign(rng, f"f{count}"), f"k{rng.randrange(FOREIGN_KEYS)}"
                self.journal.foreign.append(sent := Sent(f"f{count}", key, Fate.UNKNOWN, record.event_id))
                count += 1
                # One after the other into the producer, which keeps their order; the answers may take their time.
                sent_ms = time.time_ns() // 1_000_000
                if (pending := await self._send(producer, sent, record, sent_ms)) is not None:
                    task = asyncio.create_task(self._settle(pending, sent, sent_ms))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
            await asyncio.gather(*waiting)
        finally:
            await producer.stop()

    async def _started(self, producer: AIOKafkaProducer) -> bool:
        try:
            await producer.start()
        except KafkaError:
            return False
        return True

    async def _send(
        self, producer: AIOKafkaProducer, sent: Sent, record: Foreign, sent_ms: int
    ) -> "asyncio.Future[Any] | None":
        topic = self._targets.extra_topic
        try:
            pending: asyncio.Future[Any] = await producer.send(
                topic, record.value, key=sent.key.encode(), headers=record.headers, timestamp_ms=sent_ms
            )
        except KafkaError as error:
            sent.detail = repr(error)
            return None
        return pending

    async def _settle(self, pending: "asyncio.Future[Any]", sent: Sent, sent_ms: int) -> None:
        try:
            done = await pending
        except KafkaError as error:
            sent.detail = repr(error)
            return
        sent.fate, sent.acknowledged = Fate.OK, True
        if sent.event_id is None:
            sent.event_id = id_from_position(done.topic, done.partition, done.offset, sent_ms)


def _note(sent: Sent, status: int, answer: dict[str, Any], url: str) -> None:
    """Write down an answer: 2xx accepts, everything else refuses."""
    sent.worker = url
    if 200 <= status < 300:
        sent.fate = Fate.OK
        sent.event_id = answer["data"]["hook_id"].removeprefix("hook_")
        sent.acknowledged = answer["data"]["event_published"]
    else:
        sent.fate = Fate.FAILED
        sent.detail = f"{status} {answer['error']['code']}: {answer['error']['message']}"
