"""What a worker of the local stack gets told (docs/local-stack.md)."""

from pathlib import Path

from deploy.local.bridge import worker_environ, worker_grace
from deploy.local.environment import load_profile

LOCAL = load_profile("local", {})


def test_a_worker_has_a_folder_and_a_name_of_its_own() -> None:
    assert worker_environ({}, LOCAL, 1, 2) == {
        "BRIDGE_WEB_PORT": "6067",
        "BRIDGE_DATA_DIR": str(LOCAL.folder / "worker-1"),
        "BRIDGE_INSTANCE_ID": "local-1",
    }


def test_what_the_environment_says_of_folder_and_name_counts() -> None:
    given = {"BRIDGE_DATA_DIR": "/data", "BRIDGE_INSTANCE_ID": "here"}
    alone = worker_environ(given, LOCAL, 0, 1)
    assert (alone["BRIDGE_DATA_DIR"], alone["BRIDGE_INSTANCE_ID"]) == ("/data", "here")
    second = worker_environ(given, LOCAL, 1, 2)
    assert (second["BRIDGE_DATA_DIR"], second["BRIDGE_INSTANCE_ID"]) == (str(Path("/data/worker-1")), "here-1")


def test_a_worker_is_killed_only_after_its_own_grace() -> None:
    assert worker_grace({}) > 30
    assert worker_grace({"SHUTDOWN_GRACE_SECONDS": "60"}) > 60
    assert worker_grace({"SHUTDOWN_GRACE_SECONDS": "soon"}) > 30
