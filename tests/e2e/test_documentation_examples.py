"""What README and docs/ show of hooks, dead letters and intelligence does what it says, against a running worker."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.bridge import Bridge, execution, lifecycle
from tests.e2e.producing import produce_all

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE_URL = "localhost:6066"
EXAMPLE_UUID = "4f402fbd-56a9-556f-b871-1cc22a7af9dc"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str, start: str) -> list[str]:
    """Return the code blocks of a page in a language that begin with a word."""
    found = _BLOCK.findall((DOCS / page).read_text())
    return [text for kind, text in found if kind == language and text.startswith(start)]


async def run(program: list[str], text: str, bridge: Bridge, **environ: str) -> str:
    """Run an example against the bridge; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *program,
        text.replace(EXAMPLE_URL, bridge.url.removeprefix("http://")),
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", **environ},
    )
    output = (await asyncio.wait_for(process.communicate(), 30))[0].decode()
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize(("page", "least"), [("hooks.md", 3), ("dead-letters.md", 3), ("../README.md", 1)])
async def test_the_commands_of_a_page_succeed(bridge: Bridge, page: str, least: int) -> None:
    shown = blocks(page, "", "curl")
    assert len(shown) >= least
    message = await dead_hook(bridge, "documented-command")
    for block in shown:
        output = await run(["bash", "-euc"], block, bridge, MESSAGE_ID=message["id"])
        assert output.count('{"success":true,"data"') == block.count("curl "), output


async def dead_hook(bridge: Bridge, name: str) -> dict[str, Any]:
    """Produce a bare hook with a port that is text; return its dead letter as the list has it."""
    bad = lifecycle(name, instance_id="1", port="8000")
    await produce_all(bridge, "hooks.service_lifecycle", [(name.encode(), orjson.dumps(bad))])

    async def found() -> dict[str, Any] | None:
        _, answer = await bridge.get("/dlq/hooks.service_lifecycle?status=pending")
        return next((one for one in answer["data"]["messages"] if one["original_key"] == name), None)

    return await bridge.eventually(found, within=15)


async def test_the_python_of_dead_letters_mends_them(bridge: Bridge) -> None:
    message = await dead_hook(bridge, "documented-python")
    [program] = blocks("dead-letters.md", "python", "import")
    assert re.fullmatch(r"mended [1-9]\d*\n", await run([sys.executable, "-c"], program, bridge))
    _, answer = await bridge.get(f"/dlq/messages/{message['id']}")
    assert answer["data"]["status"] == "replayed"
    await bridge.eventually(lambda: mended_row(bridge), within=15)


async def mended_row(bridge: Bridge) -> bool:
    query = "SELECT payload->'service_info'->>'port' FROM event_logs WHERE event_key = 'documented-python'"
    return bool(await bridge.postgres.fetchval(query) == "8000")


async def test_the_python_of_hooks_runs(bridge: Bridge) -> None:
    [program] = blocks("hooks.md", "python", "import")
    output = await run([sys.executable, "-c"], program, bridge)
    assert re.fullmatch(r"hook_\S+ tool_\S+ hook_\S+ 2\n", output)


async def test_the_commands_about_patterns_succeed(bridge: Bridge) -> None:
    name = "documented-pattern"
    assert (await bridge.post("/hooks/service/lifecycle", lifecycle(name, instance_id="1")))[0] == 200

    async def found() -> dict[str, Any] | None:
        _, answer = await bridge.get(f"/intelligence/patterns?service={name}")
        return next(iter(answer["data"]["patterns"]), None)

    pattern = await bridge.eventually(found, within=15)
    for block in blocks("intelligence.md", "", "curl"):
        output = await run(["bash", "-euc"], block, bridge, PATTERN_ID=pattern["pattern_id"])
        assert '"success":true' in output, output


async def test_the_queries_about_patterns_find_something(bridge: Bridge) -> None:
    start = lifecycle("documented-query", instance_id="1", startup_time_ms=1000)
    spike = [execution("resize", ms, executor_service="documented-query") for ms in (150, 160, 170, 2500)]
    assert (await bridge.post("/hooks/batch", [start, *spike]))[0] == 200
    find = "SELECT pattern_id::text FROM intelligence_patterns WHERE pattern_data -> 'affected_services' ? $1"
    query = f"{find} AND pattern_type = 'performance_anomaly'"
    uuid = await bridge.eventually(lambda: bridge.postgres.fetchval(query, "documented-query"), within=15)
    [block] = blocks("intelligence.md", "sql", "--")
    queries = [query.strip() for query in block.split(";") if query.strip()]
    assert len(queries) == 6
    for query in queries:
        shown = query.replace(EXAMPLE_UUID, uuid)
        await bridge.eventually(lambda shown=shown: bridge.postgres.fetch(shown), within=15)  # type: ignore[misc]


def test_every_route_of_hooks_is_shown() -> None:
    text = "".join(blocks("hooks.md", "", "curl"))
    for route in ("service/lifecycle", "tool/registration", "tool/execution", "batch"):
        assert f"{EXAMPLE_URL}/hooks/{route}" in text
        assert f'"/hooks/{route}"' in blocks("hooks.md", "python", "import")[0]
