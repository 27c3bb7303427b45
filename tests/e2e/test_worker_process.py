"""The worker as a process: what it refuses, and how it ends (resilience §7, §8)."""

from pathlib import Path

from tests.e2e.bridge import Bridge
from tests.lab.worker import Worker


def refused(bridge: Bridge, folder: Path, **environ: str) -> Worker:
    """Start a worker beside the bridge's own, with something wrong."""
    worker = Worker(
        "refused", "bridge_app", folder, {**bridge.environ, "BRIDGE_WEB_PORT": str(bridge.port + 5)}, options=()
    )
    return worker.start(**environ)


async def test_conventions_17_a_wrong_setting_ends_the_start_with_one_line(bridge: Bridge, tmp_path: Path) -> None:
    worker = refused(bridge, tmp_path, POSTGRES_PORT="abc")
    assert await worker.exit_code() == 2
    (line,) = worker.log.splitlines()
    assert "POSTGRES_PORT=abc" in line


async def test_a_port_that_is_taken_ends_the_start_with_its_name(bridge: Bridge, tmp_path: Path) -> None:
    worker = refused(bridge, tmp_path, BRIDGE_WEB_PORT=str(bridge.port))
    assert await worker.exit_code() == 2
    assert f"BRIDGE_WEB_PORT={bridge.port}" in worker.log


async def test_a_data_folder_belongs_to_one_worker(bridge: Bridge, tmp_path: Path) -> None:
    worker = refused(bridge, tmp_path, BRIDGE_DATA_DIR=str(bridge.worker.data_folder))
    assert await worker.exit_code() == 2
    assert "another worker uses it" in worker.log


async def test_fausts_own_variables_have_no_effect(bridge: Bridge) -> None:
    own = {"WEB_PORT": "1", "BROKER_URL": "kafka://nowhere:1", "STREAM_WAIT_EMPTY": "false"}
    async with bridge.second_worker(**own, APP_ENV_PREFIX="", FAUST_STRICT="1") as worker:
        assert worker.is_running


async def test_the_worker_is_registered_in_consul_and_leaves_on_sigterm(bridge: Bridge) -> None:
    async with bridge.second_worker() as worker:
        found = await bridge.consul_service(f"omninode-bridge-{worker.name}")
        assert found is not None
        assert (found["Service"], found["Port"]) == ("omninode-bridge", bridge.port + 1)
    assert await bridge.consul_service(f"omninode-bridge-{worker.name}") is None
