"""The bridge of the demo: the one that runs, else one of its own, which ends with the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.demo.client import BridgeError, Client
from deploy.local.environment import HOST, Profile, load_profile, read_addresses
from deploy.local.lock import Lock
from deploy.local.terminal import say
from deploy.local.toolchain import PROJECT

READY_SECONDS = 120.0


@contextmanager
def bridge(url: str | None) -> Iterator[Client]:
    """Yield a bridge that is ready: that of a URL, that of `make run`, or a new one.

    Raises:
        BridgeError: there is none, and none can be started.
    """
    profile = load_profile("local", os.environ)
    known = url or read_addresses(profile.address_file).get("BRIDGE_URL") or f"http://{HOST}:{profile.web_port(0)}"
    client = Client(known)
    if client.is_ready():
        yield client
    elif url is not None or Lock(profile).holder() is not None:
        raise BridgeError(f"no worker is ready at {client.url}")
    else:
        with _own(profile, client):
            yield client


@contextmanager
def _own(profile: Profile, client: Client) -> Iterator[None]:
    log = profile.folder / "log" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    say("demo", f"nothing runs at {client.url}: starting a stack and a worker, their output is in {log}")
    command = [sys.executable, "-m", "deploy.local", "run", "--workers", "1"]
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:  # it shows the password
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=PROJECT)
    try:
        _await_ready(client, process)
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait()


def _await_ready(client: Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not client.is_ready():
        if process.poll() is not None:
            raise BridgeError(f"the stack ended with exit code {process.returncode}")
        if time.monotonic() > deadline:
            raise BridgeError(f"no worker was ready at {client.url} within {READY_SECONDS:g} s")
        time.sleep(0.5)
