"""Consul's key-value store as an operator uses it: over its own HTTP interface, without the client of the bridge."""

import aiohttp

from bridge_app.domain.configuration.tree import ROOT


class ConsulStore:
    """The keys of one environment. A key is given without the path of the environment: `hook-receiver/workers`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, environment: str) -> None:
        self._session = session
        self.url = url
        self._prefix = f"{ROOT}/{environment}/"

    def path(self, key: str) -> str:
        return self._prefix + key

    async def put(self, key: str, value: str | bytes) -> None:
        await self.put_path(self.path(key), value)

    async def put_path(self, path: str, value: str | bytes) -> None:
        """Set a key anywhere."""
        async with self._session.put(f"{self.url}/v1/kv/{path}", data=value) as response:
            assert (response.status, await response.text()) == (200, "true")

    async def get(self, key: str) -> str | None:
        async with self._session.get(f"{self.url}/v1/kv/{self.path(key)}?raw") as response:
            return await response.text() if response.status == 200 else None

    async def delete(self, key: str) -> None:
        await self.delete_path(self.path(key))

    async def clear(self) -> None:
        """Delete all keys of the environment."""
        await self.delete_path(f"{self._prefix}?recurse")

    async def delete_path(self, path: str) -> None:
        async with self._session.delete(f"{self.url}/v1/kv/{path}") as response:
            assert response.status == 200
