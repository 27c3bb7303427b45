"""A Consul that lets nobody do anything without a token, though it answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from deploy.local.consul import Consul
from tests.lab.services import OwnServer


class DenyingConsul(Consul):
    """Consul with access control lists that allow nothing."""

    def command(self) -> list[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        rules = self.folder / "deny.json"
        rules.write_bytes(orjson.dumps({"acl": {"enabled": True, "default_policy": "deny"}}))
        return [*super().command(), f"-config-file={rules}"]


@asynccontextmanager
async def denying(consul: OwnServer[Consul]) -> AsyncIterator[None]:
    """Let a Consul that is stopped deny everything, at its own address, for the time of the block."""
    ports = consul.server.ports
    folder = consul.server.folder.parent
    server = DenyingConsul(folder, port=ports["http"], rpc_port=ports["rpc"], serf_port=ports["serf"])
    denier = OwnServer(server, addresses=lambda *_: {}, proxy=0, behind=0)
    await denier.start()
    try:
        yield
    finally:
        await denier.stop()
