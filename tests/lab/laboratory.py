"""One experiment: topics under a prefix of its own, a folder, a seed, and the workers that suffer in it."""

import asyncio
import itertools
import os
import random
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from aiokafka.errors import KafkaError

from tests.lab import load, oracle
from tests.lab.cluster import Cluster
from tests.lab.waiting import EVERY_SECONDS, eventually
from tests.lab.worker import Worker

COUNTING = "tests.lab.counting"
TIMING = "tests.lab.timing"
READING = "tests.lab.reading"
STOCK = "tests.lab.stock"
GROUP = "omninode-bridge"
SESSION_SECONDS = 6
_TABLES = {COUNTING: ("counts", oracle.count), TIMING: ("alarms", oracle.ring), READING: ("reads", oracle.read)}


def new_seed() -> int:
    """Return the seed to use: LAB_SEED, else a new one."""
    return int(os.environ.get("LAB_SEED") or random.randrange(1_000_000))


class Laboratory:
    """`async with Laboratory(servers, folder) as lab`. The workers end with it, and its topics.

    `like` continues another one's experiment on other servers.
    """

    def __init__(
        self,
        servers: str,
        folder: Path,
        *,
        module: str = COUNTING,
        topics: Iterable[str] = ("lab.in",),
        partitions: int = 4,
        like: "Laboratory | None" = None,
    ) -> None:
        self.seed = new_seed()
        self.rng = random.Random(self.seed)
        self.cluster = Cluster(servers)
        self.prefix: str = f"lab{uuid.uuid4().hex[:8]}." if like is None else like.prefix
        self.partitions = partitions
        self.topics = [self.prefix + topic for topic in topics]
        self.derived = self.prefix + "lab.out"
        self.group = self.prefix + GROUP
        self._folder = folder
        self._module = module
        self._workers: list[Worker] = [] if like is None else like._workers
        self._environ = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "KAFKA_TOPIC_PREFIX": self.prefix,
            "KAFKA_TOPIC_PARTITIONS": str(partitions),
            "LAB_TOPICS": ",".join(topics),
            "LAB_SESSION": str(SESSION_SECONDS),
        }

    async def __aenter__(self) -> "Laboratory":
        print(f"LAB_SEED={self.seed} prefix={self.prefix}")  # pytest shows it when the test fails
        await self.cluster.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.destroy()
        try:
            await self.cluster.clear(self.prefix)
        except KafkaError:
            if error is None:  # else the broker may be away because the experiment failed
                raise
        finally:
            await self.cluster.stop()

    # -- acting

    def worker(self, name: str = "a", **environ: str | int) -> Worker:
        """Return a new worker, not started."""
        texts = {variable: str(value) for variable, value in environ.items()}
        worker = Worker(name, self._module, self._folder, {**self._environ, **texts})
        self._workers.append(worker)
        return worker

    async def create_topics(self) -> None:
        """Create the source topics before any worker does."""
        for topic in self.topics:
            await self.cluster.create(topic, self.partitions)

    async def send(self, events: Iterable[load.Event], *, topic: int = 0, per_second: int | None = None) -> None:
        await load.send(self.cluster.servers, self.topics[topic], events, per_second=per_second)

    @asynccontextmanager
    async def under_load(self, *, keys: int, per_second: int, backlog: int = 0) -> AsyncIterator[None]:
        """Send a backlog at once to every topic, then so many events per second for as long as the body runs."""
        running = True

        def numbers() -> Iterable[int]:
            return itertools.takewhile(lambda _: running, itertools.count(backlog))

        for number, topic in enumerate(self.topics):
            await self.send(load.numbered(self.rng, range(backlog), keys=keys, name=topic), topic=number)
        sending = [
            asyncio.create_task(
                self.send(
                    load.numbered(self.rng, numbers(), keys=keys, name=topic),
                    topic=number,
                    per_second=per_second // len(self.topics),
                )
            )
            for number, topic in enumerate(self.topics)
        ]
        try:
            yield
        except BaseException:  # of the body, which may have left no broker that would take the rest
            for task in sending:
                task.cancel()
            raise
        running = False
        await asyncio.gather(*sending)

    async def kill(self, worker: Worker) -> None:
        """kill -9, and let the broker know at once instead of after the session."""
        await worker.kill()
        await self.cluster.expel(self.group, worker.name)

    @asynccontextmanager
    async def supervised(self, *workers: Worker) -> AsyncIterator[None]:
        """Start each of the workers again whenever it has ended, as whoever runs workers does, while the body runs."""

        async def supervise() -> None:
            while True:
                for worker in workers:
                    if not worker.is_running:
                        worker.start()
                await asyncio.sleep(EVERY_SECONDS)

        supervising = asyncio.create_task(supervise())
        try:
            yield
        finally:
            supervising.cancel()

    # -- waiting

    async def derived_count(self) -> int:
        """Return how many derived events there are, copies included."""
        if not await self.cluster.partitions(self.derived):
            return 0
        return sum((await self.cluster.ends(self.derived)).values())

    async def until_derived(self, more: int, *, seconds: float = 30.0) -> None:
        """Wait until there are so many derived events more than now."""
        goal = await self.derived_count() + more

        async def enough() -> bool:
            return await self.derived_count() >= goal

        await eventually(enough, f"{goal} derived events", seconds=seconds)

    async def until_derived_is(self, count: int, *, seconds: float = 30.0) -> None:
        """Wait until there are at least so many derived events."""

        async def enough() -> bool:
            return await self.derived_count() >= count

        await eventually(enough, f"{count} derived events", seconds=seconds)

    async def until_committed(self, *, seconds: float = 120.0, but: int | None = None) -> None:
        """Wait until the committed offsets are at the end of the source topics, `but` those of one partition number."""
        ends = {tp: end for tp, end in (await self.cluster.ends(*self.topics)).items() if tp.partition != but}

        async def all_committed() -> bool:
            committed = await self.cluster.committed(self.group)
            return all(committed.get(tp, 0) >= end for tp, end in ends.items())

        await eventually(all_committed, "committed offsets reach the end", seconds=seconds)

    async def until_members(self, *names: str, seconds: float = 30.0) -> None:
        """Wait until the group has exactly these members."""

        async def exactly() -> bool:
            return set(await self.cluster.members(self.group)) == set(names)

        await eventually(exactly, f"the group's members are {names}", seconds=seconds)

    # -- judging

    async def overtaken(self) -> list[str]:
        """Return the partitions whose committed offset is ahead of what the changelog says was applied.

        What was committed is asked first: the changelog may only be further by then.
        """
        committed = await self.cluster.committed(self.group)
        changelog = await self.cluster.read(f"{self.group}-{_TABLES[self._module][0]}-changelog")
        applied = oracle.watermarks(changelog)
        return [
            f"{tp} is committed up to {offset}, applied up to {applied.get((tp.topic, tp.partition), -1)}"
            for tp, offset in committed.items()
            if offset - 1 > applied.get((tp.topic, tp.partition), -1)
        ]

    async def states(self) -> dict[bytes, Any]:
        """Return the state of every key that the changelog knows and that is not forgotten."""
        changelog = await self.cluster.read(f"{self.group}-{_TABLES[self._module][0]}-changelog")
        return oracle.states(changelog)

    async def missing_derived(self) -> set[str]:
        """Return the ids of the events from which nothing was derived."""
        source = [record for topic in self.topics for record in await self.cluster.read(topic)]
        derived = await self.cluster.read(self.derived)
        return {orjson.loads(record.value)[0] for record in source} - {
            orjson.loads(record.value)["causation_id"] for record in derived
        }

    async def audit(self) -> oracle.Audit:
        """Recount everything. The workers must have stopped."""
        assert not any(worker.is_running for worker in self._workers)
        table, recount = _TABLES[self._module]
        folders = [worker.data_folder for worker in self._workers]
        experiment = oracle.Experiment(self.group, self.topics, self.derived, table, recount, folders)
        return await oracle.audit(self.cluster, experiment)
