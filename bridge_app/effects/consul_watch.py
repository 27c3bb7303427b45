"""The watch: what operators write into Consul is in force on every worker at once (configuration §4)."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence

import structlog
from mode import Service

from bridge_app.backoff import Backoff
from bridge_app.clock import Clock
from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.domain.configuration.requests import Operation, written
from bridge_app.domain.configuration.tree import lost_all
from bridge_app.effects.configuration import ENVIRONMENT, SHARED, Configuration
from bridge_app.effects.consul_client import REFUSALS, REQUEST_SECONDS
from bridge_app.effects.consul_kv import ConsulKv, Reading, longest
from bridge_app.errors import CircuitOpenError, ServiceUnavailable
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

#: How long the agents wait for Consul when the worker starts.
FIRST_SECONDS = 2.0
#: From one query of a tree to its next.
GAP_SECONDS = 0.2
#: First and longest pause before the next try, in seconds, and the share by which it may be shorter.
RETRY = (1.0, 30.0)
JITTER = 0.25

#: Consul is away, or lets nobody read.
LOST = (ServiceUnavailable, CircuitOpenError, TimeoutError, *REFUSALS)


class _Watched:
    """One tree: how far it was read, how often it was taken, when it was asked for last, and whether it is in reach."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.index = 0
        self.version = 0
        self.asked: float | None = None
        self.is_connected = False


class ConsulWatch(Service):
    """Keeps the configuration as Consul has it, by one query per tree that waits for a change.

    Consul away: the last values stay in force; it is tried again after 1 s, then after up to 30 s, each time somewhat
    earlier by `jitter`, a number from 0 to 1, and at once when it has answered for the other tree. With
    `CONSUL_ENABLED=false` nothing happens.
    """

    def __init__(
        self,
        settings: Settings,
        kv: ConsulKv,
        breaker: CircuitBreaker,
        configuration: Configuration,
        *,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__()
        self.enabled = settings.consul_enabled
        self.last_error: str | None = None
        self._refusal: str | None = None
        self._wait_seconds = settings.consul_watch_wait_seconds
        self._kv = kv
        self._breaker = breaker
        self._configuration = configuration
        self._clock = clock
        self._jitter = jitter
        self._watched = {name: _Watched(configuration.tree(name).prefix) for name in (ENVIRONMENT, SHARED)}
        self._watching: asyncio.Future[None] | None = None
        self._is_first_over = asyncio.Event()
        #: Set when Consul has answered for a tree again.
        self._is_back = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether Consul answered what it was asked last."""
        return all(watched.is_connected for watched in self._watched.values())

    @property
    def refusal(self) -> str | None:
        """What Consul said when it last refused to be read; None since it has let somebody read."""
        return None if self.is_connected else self._refusal

    @property
    def last_index(self) -> int | None:
        """Consul's index as far as it was read, None before that."""
        return max(watched.index for watched in self._watched.values()) or None

    async def on_start(self) -> None:
        if not self.enabled:
            return
        self._kv.open()
        self._watching = self.add_future(self._keep_watching())
        await asyncio.sleep(0)  # it begins; cancelled before that it would never be awaited

    async def until_first_read(self) -> None:
        """Return when Consul was read, or could not be within 2 s of the start: what is known then is in force."""
        if self.enabled:
            await self._is_first_over.wait()

    async def on_stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._kv.close()

    async def begin(self) -> None:
        """Read both trees and put them in force, unless that was done.

        Raises:
            ServiceUnavailable, CircuitOpenError, TimeoutError, one of REFUSALS: Consul cannot be read.
        """
        if self._configuration.is_read:
            return
        environment, shared = [await self._read(watched) for watched in self._watched.values()]
        if self._configuration.is_read:
            return  # by somebody else, meanwhile
        self._configuration.begin(environment.entries, shared.entries)
        for watched, reading in zip(self._watched.values(), (environment, shared), strict=True):
            watched.index = max(watched.index, reading.as_of)

    def take_written(self, reading: Reading, operations: Sequence[Operation], index: int | None) -> None:
        """Put in force what was read of this environment, and what was then written into it at an index."""
        watched, tree = self._watched[ENVIRONMENT], self._configuration.tree(ENVIRONMENT)
        known = reading.entries if reading.as_of >= watched.index else tree.entries
        after = known if index is None else written(known, operations, index)
        watched.index = max(watched.index, reading.as_of, index or 0)
        watched.version += 1
        self._configuration.take(ENVIRONMENT, after)

    async def _read_first(self) -> None:
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                await self.begin()
        except LOST as error:
            self._lost(error, *self._watched.values())
        finally:
            self._is_first_over.set()

    async def _keep_watching(self) -> None:
        await self._read_first()
        backoff = Backoff(*RETRY)
        while not self._configuration.is_read:
            try:
                await self._pause(backoff)
                await self.begin()
            except LOST as error:
                self._lost(error, *self._watched.values())
        async with asyncio.TaskGroup() as group:
            for name in self._watched:
                group.create_task(self._follow(name))

    async def _follow(self, name: str) -> None:
        watched, backoff = self._watched[name], Backoff(*RETRY)
        index = watched.index
        while True:
            try:
                index = await self._next(name, watched, index)
                backoff.reset()
            except LOST as error:
                self._lost(error, watched)
                index = 0
                await self._pause(backoff)

    async def _next(self, name: str, watched: _Watched, index: int) -> int:
        """Wait for a change and take it; return the index from which the next is waited for, 0 to read at once."""
        version = watched.version
        reading = await self._read(watched, index)
        if reading.as_of < index:
            return 0
        if lost_all(self._configuration.tree(name), reading.entries):
            reading = await self._read(watched, consistent=True)
        if watched.version != version and reading.as_of < watched.index:
            return index  # what was written meanwhile is newer
        watched.index = reading.as_of
        watched.version += 1
        self._configuration.take(name, reading.entries)
        return reading.as_of

    async def _read(self, watched: _Watched, index: int = 0, *, consistent: bool = False) -> Reading:
        await self._pace(watched)
        wait = self._wait_seconds if index else 0.0

        async def read() -> Reading:
            return await self._kv.read(watched.prefix, index=index, wait=wait, consistent=consistent)

        reading = await self._breaker.call(read, timeout=longest(wait) + REQUEST_SECONDS)
        if not watched.is_connected:
            log.info("consul_watched", path=watched.prefix, index=reading.as_of)
            self._is_back.set()
        watched.is_connected = True
        return reading

    async def _pace(self, watched: _Watched) -> None:
        """Let some time pass between two queries of a tree."""
        now = self._clock.monotonic()
        if watched.asked is not None and now < watched.asked + GAP_SECONDS:
            await asyncio.sleep(watched.asked + GAP_SECONDS - now)
        watched.asked = self._clock.monotonic()

    def _lost(self, error: Exception, *lost: _Watched) -> None:
        self.last_error = str(error) or type(error).__name__
        self._refusal = self.last_error if isinstance(error, REFUSALS) else None
        for watched in lost:
            if watched.is_connected or not self._configuration.is_read:
                log.warning("consul_not_watched", path=watched.prefix, error=self.last_error)
            watched.is_connected = False

    async def _pause(self, backoff: Backoff) -> None:
        """Let the pause before the next try pass; where Consul answers for the other tree, there is no need to."""
        self._is_back.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(backoff.next() * (1 - self._jitter() * JITTER)):
                await self._is_back.wait()
