"""A running worker and Consul's store, as an operator who changes settings sees both."""

from typing import Any

from tests.e2e.bridge import Bridge, Events, Tail
from tests.lab.consul_store import ConsulStore
from tests.lab.waiting import eventually

CHANGES = "configuration.changes"
#: How soon a change must be in force everywhere.
SOON = 2.0

Row = dict[str, Any]


class Operator:
    """Looks at a bridge's configuration and changes it."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        url = f"http://{bridge.environ['CONSUL_HOST']}:{bridge.environ['CONSUL_PORT']}"
        self.store = ConsulStore(bridge.session, url, bridge.environ["ENVIRONMENT"])

    async def report(self, port: int | None = None) -> dict[str, Any]:
        """Return the data of `GET /admin/config`, of the first worker when no port is given."""
        url = f"http://127.0.0.1:{port or self.bridge.port}/admin/config"
        async with self.bridge.session.get(url) as response:
            assert response.status == 200
            data: dict[str, Any] = (await response.json())["data"]
            return data

    async def setting(self, key: str, port: int | None = None) -> Row:
        """Return the row of a setting."""
        return next(row for row in (await self.report(port))["effective"] if row["key"] == key)

    async def until(self, key: str, value: Any, source: str, *, within: float = SOON, port: int | None = None) -> None:
        """Wait until a worker shows a value from a source."""

        async def shown() -> bool:
            row = await self.setting(key, port)
            return (row["value"], row["source"]) == (value, source)

        await eventually(shown, f"{key} is {value!r} from {source}", seconds=within)

    async def clean(self) -> None:
        """Delete all keys, and wait until that has its effect."""
        await self.store.clear()

        async def nothing() -> bool:
            return all(row["source"] != "consul" for row in (await self.report())["effective"])

        await eventually(nothing, "no value of Consul is in force", seconds=10)

    async def settle(self) -> None:
        """Wait until everything that has changed so far is told: a worker tells it in order."""
        key, path = "service-registry.self_preservation", "service-registry/self_preservation"
        async with self.bridge.tail(CHANGES) as tail:
            await self.store.put(path, "false")
            await next_change(tail, key, False)
            await self.store.delete(path)
            await next_change(tail, key, True)


def changes_of(seen: Events, key: str, event_type: str = "configuration.updated") -> list[dict[str, Any]]:
    """Return the events of a type about a key, each id once."""
    found = {
        event["event_id"]: event
        for _, event in seen
        if event["event_type"] == event_type and event["payload"]["change_info"]["configuration_key"] == key
    }
    return list(found.values())


async def next_change(tail: Tail, key: str, value: Any, within: float = 10) -> dict[str, Any]:
    """Return the event that puts a value in force."""

    def matches(event: dict[str, Any]) -> bool:
        info = event["payload"]["change_info"]
        return (event["event_type"], info["configuration_key"], info["new_value"]) == (
            "configuration.updated", key, value,
        )  # fmt: skip

    return await tail.first(matches, within)
