"""Consul's key-value store: whole paths are read, with or without waiting for a change, and written in transactions."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from consul.callback import CB

from bridge_app.domain.configuration.requests import Operation
from bridge_app.domain.configuration.tree import Entry
from bridge_app.effects.consul_client import CLIENT_ERRORS, REFUSALS, REQUEST_SECONDS, ConsulClient, away
from bridge_app.errors import Conflict, ServiceUnavailable
from bridge_app.settings import Settings

#: Consul adds up to this share of the wait, so that not all who wait are answered at once.
SPREAD = 1 / 16
CONFLICT = 409


class Reading(NamedTuple):
    """What is below a path, by whole path, and as of which index: the next change can be waited for from there."""

    entries: Mapping[str, Entry]
    as_of: int


class ConsulKv:
    """One client. `open` before use and `close` afterwards, in the loop in which it is used.

    Every method raises ServiceUnavailable when Consul is away or does not answer like Consul, and one of REFUSALS when
    it refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: ConsulClient | None = None

    def open(self) -> None:
        self._client = ConsulClient(self._settings)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def read(self, prefix: str, *, index: int = 0, wait: float = 0.0, consistent: bool = False) -> Reading:
        """Return what is below a path.

        With an index it is returned as soon as something has changed since, at the latest after `wait` seconds and
        what Consul adds. A `consistent` answer is that of a leader which has made sure that it still is one.
        """
        limit = longest(wait) if index else REQUEST_SECONDS
        try:
            found, rows = await self._opened().kv.get(
                prefix,
                index=index or None,
                wait=f"{max(1, round(wait * 1000))}ms",
                recurse=True,
                consistency="consistent" if consistent else None,
                connections_timeout=limit,
            )
            entries = {row["Key"]: Entry(row["Value"] or b"", row["ModifyIndex"]) for row in rows or ()}
            return Reading(entries, int(found))
        except REFUSALS:
            raise
        except (*CLIENT_ERRORS, KeyError, TypeError) as error:
            raise away(error) from error

    async def transact(self, operations: Sequence[Operation]) -> int | None:
        """Do all of the operations or none; return the index of what was written, None when nothing was to be.

        Raises:
            Conflict: a key is not as an operation expects it.
        """
        client = self._opened()
        data = orjson.dumps([{"KV": _rendered(one)} for one in operations])
        try:
            results = await client.http.put(_results, "/v1/txn", headers=client.prepare_headers(), data=data)
            return max((one["KV"]["ModifyIndex"] for one in results), default=None)
        except (*REFUSALS, Conflict):
            raise
        except (*CLIENT_ERRORS, KeyError, TypeError) as error:
            raise away(error) from error

    def _opened(self) -> ConsulClient:
        if self._client is None:
            raise ServiceUnavailable("Consul is not used: CONSUL_ENABLED=false")
        return self._client


def longest(wait: float) -> float:
    """Return how long a query that waits for so many seconds may take."""
    return wait * (1 + SPREAD) + REQUEST_SECONDS


def _rendered(operation: Operation) -> dict[str, Any]:
    verb, path, value, expected = operation
    rendered: dict[str, Any] = {"Verb": verb, "Key": path}
    if value is not None:
        rendered["Value"] = base64.b64encode(value).decode()
    if expected is not None:
        rendered["Index"] = expected
    return rendered


def _results(response: Any) -> list[dict[str, Any]]:
    if response.code == CONFLICT:
        raise Conflict("Somebody else has just changed one of the keys; try again")
    return CB.json(allow_404=False)(response)["Results"] or []
