"""The bridge as its users meet it: the command of a worker, its health, and the first thing to try."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from .environment import HOST, Profile

_HOOK = (
    '{"hook_type":"service_started","service_info":{"name":"shop","version":"1.0.0",'
    '"instance_id":"shop-1","startup_time_ms":2500}}'
)

#: Of `SHUTDOWN_GRACE_SECONDS`.
DEFAULT_GRACE_SECONDS = 30.0


def worker_command() -> list[str]:
    """The worker of this environment, by its absolute path: the virtual environment need not be active."""
    return [str(Path(sys.executable).parent / "faust"), "-A", "bridge_app", "worker"]


def worker_environ(environ: Mapping[str, str], profile: Profile, number: int, workers: int) -> dict[str, str]:
    """What tells one worker from the others: its port, its folder and its name, those of `environ` where it has some.

    Several workers share neither: each gets a folder in the given one, and the given name with its number.
    """
    name = f"worker-{number}"
    folder, instance = environ.get("BRIDGE_DATA_DIR"), environ.get("BRIDGE_INSTANCE_ID")
    if workers > 1:
        folder, instance = folder and str(Path(folder) / name), instance and f"{instance}-{number}"
    return {
        "BRIDGE_WEB_PORT": str(profile.web_port(number)),
        "BRIDGE_DATA_DIR": folder or str(profile.folder / name),
        "BRIDGE_INSTANCE_ID": instance or f"local-{number}",
    }


def worker_grace(environ: Mapping[str, str]) -> float:
    """How many seconds a worker may take to end: somewhat longer than it takes for itself."""
    try:
        own = float(environ.get("SHUTDOWN_GRACE_SECONDS") or DEFAULT_GRACE_SECONDS)
    except ValueError:  # the worker says so, and does not start
        own = DEFAULT_GRACE_SECONDS
    return own + 5.0


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
