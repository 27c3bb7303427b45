"""Kafka, PostgreSQL and Consul that one test has for itself: it may stop, kill and pause them, and put a bad network
in between. The fixtures are `own_kafka`, `own_postgres` and `own_consul`; a module that shares one among its tests
makes it with `kafka_in`, `postgres_in` or `consul_in` on block 1.
"""

import asyncio
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from deploy.local.consul import Consul
from deploy.local.environment import consul_addresses, ports_shift, postgres_addresses
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.server import HOST, Server
from tests.lab.tcp_proxy import TcpProxy

S = TypeVar("S", bound=Server)

# Below the ports that systems give to outgoing connections; block 1 is 1,000 higher. Runs of the tests at the same time
# differ by `BRIDGE_TEST_BLOCK`.
SHIFT = ports_shift(os.environ)
KAFKA_PORTS = {"port": 23092 + SHIFT, "controller_port": 23093 + SHIFT}
KAFKA_PROXIED_LISTENER = 23094 + SHIFT
KAFKA_PROXY = 23095 + SHIFT
POSTGRES_PORT = 23432 + SHIFT
POSTGRES_PROXY = 23433 + SHIFT
CONSUL_PORTS = {"port": 23500 + SHIFT, "rpc_port": 23300 + SHIFT, "serf_port": 23301 + SHIFT}
CONSUL_PROXY = 23501 + SHIFT
BLOCK = 1_000


class OwnServer(Generic[S]):
    """A server, not started yet, and the way to it through a proxy.

    `environ` are the variables with which a worker finds it directly, `proxied_environ` those with which it goes
    through `proxy()`. Both are complete once the server was started.
    """

    def __init__(self, server: S, *, addresses: Callable[[S, int], dict[str, str]], proxy: int, behind: int) -> None:
        self.server = server
        self._addresses = addresses
        self._proxy = proxy
        self._behind = behind

    @property
    def environ(self) -> dict[str, str]:
        return self._addresses(self.server, next(iter(self.server.ports.values())))

    @property
    def proxied_environ(self) -> dict[str, str]:
        return self._addresses(self.server, self._proxy)

    @asynccontextmanager
    async def proxy(self, rng: random.Random | None = None) -> AsyncIterator[TcpProxy]:
        """Run the proxy; it takes connections whether the server runs or not."""
        async with TcpProxy(port=self._proxy, target=self._behind, rng=rng).running() as proxy:
            yield proxy

    async def start(self) -> None:
        """Return when it is ready; its data are those it was stopped with."""
        await asyncio.to_thread(self.server.start)

    async def stop(self) -> None:
        """End it in order."""
        await asyncio.to_thread(self.server.stop)

    async def kill(self) -> None:
        """SIGKILL: a crash."""
        await asyncio.to_thread(self.server.kill)

    async def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        await asyncio.to_thread(self.server.pause)

    async def resume(self) -> None:
        await asyncio.to_thread(self.server.resume)


class ProxiedKafka(Kafka):
    """A broker with one more listener, which sends its clients to the proxy: they stay behind it for good."""

    def __init__(self, folder: Path, *, port: int, controller_port: int, listener: int, proxy: int) -> None:
        super().__init__(folder, port=port, controller_port=controller_port)
        self.ports["proxied clients"] = listener
        self._proxy = proxy

    def properties(self) -> dict[str, object]:
        plain = super().properties()
        return {
            **plain,
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},PROXIED:PLAINTEXT",
            "listeners": f"{plain['listeners']},PROXIED://{HOST}:{self.ports['proxied clients']}",
            "advertised.listeners": f"{plain['advertised.listeners']},PROXIED://{HOST}:{self._proxy}",
        }


@contextmanager
def kafka_in(folder: Path, *, block: int = 0) -> Iterator[OwnServer[ProxiedKafka]]:
    """Yield a broker whose files are in `folder`; it is killed at the end."""
    ports = {name: port + block * BLOCK for name, port in KAFKA_PORTS.items()}
    proxy, listener = KAFKA_PROXY + block * BLOCK, KAFKA_PROXIED_LISTENER + block * BLOCK
    server = ProxiedKafka(folder, **ports, listener=listener, proxy=proxy)
    with _killed(server):
        yield OwnServer(server, addresses=_kafka_addresses, proxy=proxy, behind=listener)


@contextmanager
def postgres_in(folder: Path, *, block: int = 0) -> Iterator[OwnServer[Postgres]]:
    """Yield a PostgreSQL whose files are in `folder`, which another user must be able to reach: `open_folder`."""
    port = POSTGRES_PORT + block * BLOCK
    with _killed(Postgres(folder, port=port)) as server:
        yield OwnServer(server, addresses=_postgres_addresses, proxy=POSTGRES_PROXY + block * BLOCK, behind=port)


@contextmanager
def consul_in(folder: Path, *, block: int = 0) -> Iterator[OwnServer[Consul]]:
    """Yield a Consul whose files are in `folder`; its program is found or built at the first start."""
    ports = {name: port + block * BLOCK for name, port in CONSUL_PORTS.items()}
    with _killed(Consul(folder, **ports)) as server:
        yield OwnServer(server, addresses=_consul_addresses, proxy=CONSUL_PROXY + block * BLOCK, behind=ports["port"])


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a folder outside pytest's own: every pytest that starts closes the folder above those to other users, and
    with it to a PostgreSQL that root runs as somebody else.
    """
    with tempfile.TemporaryDirectory(prefix="bridge-own-") as folder:
        yield Path(folder)


@contextmanager
def _killed(server: S) -> Iterator[S]:
    try:
        yield server
    finally:
        server.kill()


def _kafka_addresses(_server: Kafka, port: int) -> dict[str, str]:
    return {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{port}"}


def _postgres_addresses(server: Postgres, port: int) -> dict[str, str]:
    return postgres_addresses(
        host=HOST, port=port, database=server.database, user=server.user, password=server.password
    )


def _consul_addresses(_server: Consul, port: int) -> dict[str, str]:
    return consul_addresses(HOST, port)
