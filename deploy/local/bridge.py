"""The bridge as its users meet it: the command of a worker, its health, and the first thing to try."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from .environment import HOST

_HOOK = (
    '{"hook_type":"service_started","service_info":{"name":"shop","version":"1.0.0",'
    '"instance_id":"shop-1","startup_time_ms":2500}}'
)


def worker_command() -> list[str]:
    """The worker of this environment, by its absolute path: the virtual environment need not be active."""
    return [str(Path(sys.executable).parent / "faust"), "-A", "bridge_app", "worker"]


def banner(addresses: Mapping[str, str], workers: int, file: str) -> list[str]:
    """The lines that end a start: the addresses and, last, something to try."""
    lines = [f"{key}={value}" for key, value in addresses.items() if workers or key != "BRIDGE_URL"]
    lines.append(f"these addresses are in {file}")
    if workers:
        url = addresses["BRIDGE_URL"].replace(HOST, "localhost").removeprefix("http://")
        lines.append(f"the bridge answers at {addresses['BRIDGE_URL']}; try")
        lines.append(f"  curl -s {url}/hooks/service/lifecycle -H 'content-type: application/json' -d '{_HOOK}'")
        lines.append(f"  curl -s {url}/intelligence/patterns")
    return lines


def is_started(port: int) -> bool:
    """True when the worker on this port answers GET /health with a status other than "starting"."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2.0)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return answer.status == 200 and body["data"]["status"] != "starting"
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False
    finally:
        connection.close()
