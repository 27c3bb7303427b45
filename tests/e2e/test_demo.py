"""`python -m deploy.demo` against a running bridge."""

import asyncio
import sys

from tests.e2e.bridge import Bridge


async def test_the_demo_finds_what_its_fleet_shows(bridge: Bridge) -> None:
    command = [sys.executable, "-m", "deploy.demo", "--url", bridge.url, "--pause", "0.3"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = (await asyncio.wait_for(process.communicate(), 90))[0].decode()

    assert process.returncode == 0, output
    for text in ("payment is slow", "performance_anomaly: resolved", "failure_pattern restart_loop", "recognised:"):
        assert text in output


async def test_a_demo_without_a_bridge_says_so(bridge: Bridge) -> None:
    command = [sys.executable, "-m", "deploy.demo", "--url", "http://127.0.0.1:9"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = (await asyncio.wait_for(process.communicate(), 60))[0].decode()

    assert process.returncode == 1
    assert "no worker is ready at http://127.0.0.1:9" in output
