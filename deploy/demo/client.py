"""The bridge over HTTP, with the standard library alone: anybody can call it so."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

TIMEOUT_SECONDS = 15.0


class BridgeError(Exception):
    """The bridge does not answer, or refuses; the message says why."""


class Client:
    """Calls one worker, given by its URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def is_ready(self) -> bool:
        """Tell whether the worker answers and is ready."""
        try:
            return bool(self._call("/ready")["ready"])
        except BridgeError:
            return False

    def report(self, hooks: Sequence[dict[str, Any]]) -> int:
        """Post hooks as one batch; return how many were accepted.

        Raises:
            BridgeError: the batch, or one of its hooks, was refused.
        """
        answer = self._call("/hooks/batch", {"hooks": list(hooks)})
        for result in answer["results"]:
            if not result["success"]:
                raise BridgeError(result["error"]["message"])
        accepted: int = answer["accepted"]
        return accepted

    def patterns(self, tag: str) -> list[dict[str, Any]]:
        """Return the patterns of the last half hour that are about services or tools whose names end in `-<tag>`."""
        found = self._call("/intelligence/patterns?time_window=30m&status=all&limit=1000")["patterns"]
        return [one for one in found if _is_about(one, tag)]

    def _call(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self.url + path, headers={"Content-Type": "application/json"})  # noqa: S310
        if body is not None:
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 (the user's URL)
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise BridgeError(f"{path}: {error.code} {error.read().decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise BridgeError(f"{self.url} does not answer: {error}") from error


def _is_about(pattern: dict[str, Any], tag: str) -> bool:
    names = [*pattern["affected_services"], *pattern["affected_tools"]]
    return any(name.endswith(f"-{tag}") for name in names)
