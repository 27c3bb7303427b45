"""The watch on the real Consul (configuration §4, §6)."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from bridge_app.clock import SystemClock
from bridge_app.domain.configuration.keys import BY_DOTTED
from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.configuration.notes import Author
from bridge_app.domain.configuration.precedence import effective
from bridge_app.domain.configuration.requests import read_request
from bridge_app.effects.configuration import ENVIRONMENT, Configuration
from bridge_app.effects.configuration_writer import ConfigurationWriter
from bridge_app.effects.consul_kv import ConsulKv, Reading
from bridge_app.effects.consul_watch import GAP_SECONDS, ConsulWatch
from bridge_app.errors import Conflict, ServiceUnavailable
from bridge_app.events.envelope import Event, Identity
from bridge_app.metrics import Metrics
from bridge_app.settings import Settings
from deploy.local.consul import Consul
from tests.lab.consul_store import ConsulStore
from tests.lab.denying_consul import denying
from tests.lab.guards import new_breaker
from tests.lab.services import OwnServer
from tests.lab.waiting import eventually

WORKERS, TTL = "hook-receiver/workers", "tool-capture-proxy/cache_ttl"
AUTHOR = Author("anonymous", "because", "c-1", "4bf92f3577b34da6a3ce929d0e0e4736", 1_705_314_600_500_000)
#: How soon a change is in force.
SOON = 2.0


class RecordingKv(ConsulKv):
    """Notes when it is asked, and may answer something else once."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.asked: dict[str, list[float]] = {}
        self.consistent = 0
        self.instead: list[Reading] = []

    async def read(self, prefix: str, *, index: int = 0, wait: float = 0.0, consistent: bool = False) -> Reading:
        self.asked.setdefault(prefix, []).append(time.monotonic())
        self.consistent += consistent
        found = await super().read(prefix, index=index, wait=wait, consistent=consistent)
        if self.instead and index and not consistent and self.instead[0].as_of != found.as_of:
            return self.instead.pop()
        return found


class Part:
    """What of a worker has to do with the configuration."""

    def __init__(self, settings: Settings) -> None:
        self.live = LiveSettings(settings)
        self.told: list[Event] = []
        identity = Identity("omninode-bridge", "0", settings.instance_id, settings.node_id, settings.environment)
        self.configuration = Configuration(
            self.live,
            tell=lambda _topic, event: self.told.append(event),
            identity=identity,
            clock=SystemClock(),
            metrics=Metrics(),
        )
        self.kv = RecordingKv(settings)
        self.breaker = new_breaker("consul")
        self.watch = ConsulWatch(
            settings, self.kv, self.breaker, self.configuration, clock=SystemClock(), jitter=lambda: 1.0
        )
        self.writer = ConfigurationWriter(self.kv, self.breaker, self.configuration, self.watch)

    @property
    def workers(self) -> int:
        return self.live.now.hook_workers

    def source(self, dotted: str) -> str:
        return effective(BY_DOTTED[dotted], self.configuration.state.trees, self.configuration.state.base).source

    async def until_workers(self, count: int, seconds: float = SOON) -> None:
        await eventually(lambda: self.workers == count, f"{count} workers", seconds=seconds)

    async def write(self, body: dict[str, Any]) -> int:
        return await self.writer.write(read_request(body), AUTHOR)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Part]:
    part = Part(settings)
    await part.watch.start()
    await part.watch.until_first_read()
    try:
        yield part
    finally:
        started = time.monotonic()
        await part.watch.stop()
        assert time.monotonic() - started < 5  # not as long as a query waits


async def test_what_is_there_at_the_start_is_in_force_when_the_start_is_over(
    settings: Settings, store: ConsulStore
) -> None:
    await store.put(WORKERS, "2")
    async with running(settings) as part:
        assert (part.workers, part.source("hook-receiver.workers")) == (2, "consul")
        assert part.watch.is_connected
        assert [event.payload["change_info"]["new_value"] for event in part.told] == [2]


async def test_changes_are_in_force_soon_and_a_deletion_brings_the_next_source(
    settings: Settings, store: ConsulStore
) -> None:
    async with running(settings) as part:
        for value in (2, 3, 5):
            await store.put(WORKERS, str(value))
            await part.until_workers(value)
        await store.put(TTL, "60")
        await eventually(lambda: part.live.now.proxy_cache_ttl_seconds == 60, "the other key", seconds=SOON)
        await store.delete(WORKERS)
        await part.until_workers(4)
        changed = [event.payload["change_info"] for event in part.told]
        assert [info["new_value"] for info in changed] == [2, 3, 5, 60, 4]
        assert len({event.event_id for event in part.told}) == 5


async def test_configuration_6_the_path_of_all_environments_counts_where_there_is_no_other(
    settings: Settings, store: ConsulStore
) -> None:
    shared = "omninode-bridge/services/service-registry/deregister_after_seconds"
    try:
        async with running(settings) as part:
            await store.put_path(shared, "77")
            await eventually(lambda: part.live.now.registry_deregister_after_seconds == 77, "shared", seconds=SOON)
            assert part.source("service-registry.deregister_after_seconds") == "consul_shared"
            await store.put("service-registry/deregister_after_seconds", "66")
            await eventually(lambda: part.live.now.registry_deregister_after_seconds == 66, "own", seconds=SOON)
            await store.delete("service-registry/deregister_after_seconds")
            await eventually(lambda: part.live.now.registry_deregister_after_seconds == 77, "shared", seconds=SOON)
    finally:
        await store.delete_path(shared)


async def test_no_tree_is_asked_for_more_often_than_it_may_be(settings: Settings, store: ConsulStore) -> None:
    async with running(settings) as part:
        for value in range(1, 40):
            await store.put(WORKERS, str(value))
        await part.until_workers(39)
    for asked in part.kv.asked.values():
        gaps = [after - before for before, after in pairwise(asked)]
        assert all(gap >= GAP_SECONDS * 0.99 for gap in gaps)


async def test_all_keys_gone_is_believed_after_a_second_consistent_look(settings: Settings, store: ConsulStore) -> None:
    await store.put(WORKERS, "2")
    async with running(settings) as part:
        await store.clear()
        await part.until_workers(4)
        assert part.kv.consistent == 1


async def test_an_empty_answer_that_is_not_confirmed_changes_nothing(settings: Settings, store: ConsulStore) -> None:
    await store.put(WORKERS, "2")
    async with running(settings) as part:
        tree = part.configuration.tree(ENVIRONMENT)
        part.kv.instead = [Reading({}, 2**62)]
        await store.put(TTL, "60")
        await eventually(lambda: part.live.now.proxy_cache_ttl_seconds == 60, "the change", seconds=SOON)
        assert (part.workers, part.kv.consistent, part.kv.instead) == (2, 1, [])
        assert tree.prefix in part.kv.asked


async def test_an_index_that_goes_down_begins_anew(settings: Settings, store: ConsulStore) -> None:
    await store.put(WORKERS, "2")
    async with running(settings) as part:
        part.kv.instead = [Reading({}, 1)]
        await store.put(WORKERS, "3")
        await part.until_workers(3)
        assert part.kv.instead == []
        assert [event.payload["change_info"]["new_value"] for event in part.told] == [2, 3]


async def test_a_worker_starts_without_consul_and_says_so(make_settings: Callable[..., Settings]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        started = time.monotonic()
        address = taken.getsockname()
        async with running(make_settings(CONSUL_HOST=address[0], CONSUL_PORT=address[1], HOOK_WORKERS=7)) as part:
            assert time.monotonic() - started < 4
            assert (part.workers, part.watch.is_connected, part.watch.last_index) == (7, False, None)
            assert part.watch.last_error
            with pytest.raises(ServiceUnavailable):
                await part.write({"hook-receiver.workers": 2})


async def test_a_start_does_not_wait_for_a_consul_that_does_not_answer(make_settings: Callable[..., Settings]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = silent.getsockname()
        part = Part(make_settings(CONSUL_HOST=address[0], CONSUL_PORT=address[1], HOOK_WORKERS=7))
        await part.watch.start()
        read = asyncio.create_task(part.watch.until_first_read())
        await asyncio.sleep(0)
        assert not read.done()  # what waits for it are the agents
        await asyncio.wait_for(read, 10)
        assert (part.workers, part.watch.is_connected) == (7, False)
        await part.watch.stop()


async def test_a_consul_that_lets_nobody_read_says_so_until_it_does(
    own_consul: OwnServer[Consul], make_settings: Callable[..., Settings]
) -> None:
    # A read without a token is answered with what it may see, which is nothing.
    unknown = "5f2c1c5e-0000-4000-8000-000000000000"
    part = Part(make_settings(**own_consul.environ, ENVIRONMENT="denied", CONSUL_TOKEN=unknown))
    async with denying(own_consul):
        await part.watch.start()
        await part.watch.until_first_read()
        assert "ACL not found" in (part.watch.refusal or "")
    await own_consul.start()
    await eventually(lambda: part.watch.is_connected, "the watch", seconds=30)
    assert part.watch.refusal is None
    await part.watch.stop()


async def test_without_consul_nothing_is_asked_or_written(
    make_settings: Callable[..., Settings], settings: Settings
) -> None:
    async with running(make_settings(CONSUL_ENABLED="false", CONSUL_PORT=settings.consul_port)) as part:
        assert part.kv.asked == {}
        with pytest.raises(ServiceUnavailable, match="CONSUL_ENABLED=false"):
            await part.write({"hook-receiver.workers": 2})


async def test_consul_away_leaves_the_values_and_what_changed_is_applied_afterwards(
    own_consul: OwnServer[Consul], make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(**own_consul.environ, ENVIRONMENT="away")
    await own_consul.start()
    async with aiohttp.ClientSession() as session, running(settings) as part:
        store = ConsulStore(session, f"http://{settings.consul_host}:{settings.consul_port}", "away")
        await store.put(WORKERS, "2")
        await part.until_workers(2)
        await own_consul.stop()
        await eventually(lambda: not part.watch.is_connected, "the loss is noticed", seconds=5)
        assert part.workers == 2
        assert part.watch.last_error
        with pytest.raises(ServiceUnavailable):
            await part.write({"hook-receiver.workers": 3})
        assert part.workers == 2
        part.breaker.probe_failed("as a worker's probes do")
        await own_consul.start()
        await store.put(WORKERS, "5")
        part.breaker.probe_succeeded()
        await part.until_workers(5, seconds=35)
        assert len(part.told) == 2


async def test_what_is_written_is_in_force_at_once_and_told_once(settings: Settings, store: ConsulStore) -> None:
    async with running(settings) as writing, running(settings) as other:
        index = await writing.write({"hook-receiver.workers": 2, TTL.replace("/", "."): 60, "change_reason": "x"})
        assert (writing.workers, await store.get(WORKERS), await store.get(TTL)) == (2, "2", "60")
        await other.until_workers(2)
        infos = [event.payload["change_info"] for event in writing.told]
        assert [(info["change_source"], info["modify_index"]) for info in infos] == [("admin_api", index)] * 2
        assert [event.event_id for event in other.told] == [event.event_id for event in writing.told]
        assert {event.correlation_id for event in other.told} == {"c-1"}

        again = await writing.write({"hook-receiver.workers": 2})
        assert again >= index
        await writing.write({"hook-receiver.workers": None})
        assert (writing.workers, await store.get(WORKERS)) == (4, None)
        await other.until_workers(4)
        assert other.told[-1].payload["change_info"]["change_source"] == "admin_api"
        await store.put(WORKERS, "6")  # behind both: whatever comes late was dealt with before
        await other.until_workers(6)
        await writing.until_workers(6)
        assert [event.event_id for event in other.told] == [event.event_id for event in writing.told]
        assert len(writing.told) == 4


async def test_a_key_that_somebody_else_changes_meanwhile_is_not_overwritten(
    settings: Settings, store: ConsulStore
) -> None:
    async with running(settings) as part:
        await store.put(WORKERS, "2")
        await part.until_workers(2)
        read = part.kv.read

        async def overtaken(prefix: str, **options: Any) -> Reading:
            found = await read(prefix, **options)
            await store.put(WORKERS, "3")
            return found

        part.kv.read = overtaken  # type: ignore[method-assign]
        with pytest.raises(Conflict):
            await part.write({"hook-receiver.workers": 5, TTL.replace("/", "."): 60})
        assert (await store.get(WORKERS), await store.get(TTL)) == ("3", None)


async def test_a_change_that_is_written_while_others_come_in_is_never_taken_back(
    settings: Settings, store: ConsulStore
) -> None:
    async with running(settings) as part:
        for value in range(1, 30):
            await asyncio.gather(
                part.write({"hook-receiver.workers": value}),
                store.put("hook-receiver/rate_limit_per_minute", str(value)),
            )
            assert part.workers == value
        await eventually(lambda: part.live.now.rate_limit_per_minute == 29, "the other key", seconds=SOON)
        values = [
            event.payload["change_info"]["new_value"]
            for event in part.told
            if event.partition_key == WORKERS
        ]  # fmt: skip
        assert values == sorted(set(values))
