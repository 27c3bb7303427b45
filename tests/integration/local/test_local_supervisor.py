"""The supervisor as a process: what it starts, and that nothing is left of it however it ends.

Kafka and Consul are given by the environment here (nobody calls them), so that PostgreSQL alone is started.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.child import read_record, stop_recorded
from deploy.local.consul_build import built_program
from deploy.local.environment import read_addresses
from deploy.local.toolchain import PROJECT, locked
from deploy.local.waiting import wait_until

WEB_PORT, POSTGRES_PORT = 22066, 22435
ENVIRON = {
    "BRIDGE_WEB_PORT": str(WEB_PORT),
    "BRIDGE_LOCAL_POSTGRES_PORT": str(POSTGRES_PORT),
    "BRIDGE_TEST_POSTGRES_PORT": str(POSTGRES_PORT + 1),
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "CONSUL_HOST": "127.0.0.1",
    "CONSUL_PORT": "9",
}
# Stands in for a worker: writes what it was given, and answers GET /health.
STAND_IN = """
import http.server, json, os, signal, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps({"data": {"status": "healthy"}}).encode())
    def log_message(self, *args): pass
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.HTTPServer(("127.0.0.1", int(os.environ["BRIDGE_WEB_PORT"])), Health).serve_forever()
"""
RUN = """
import os, sys
from deploy.local.environment import load_profile
from deploy.local.errors import StackError
from deploy.local.supervisor import Supervisor
try:
    worker = [sys.executable, "-c", sys.argv[1]]
    code = Supervisor(load_profile("local", os.environ), os.environ, worker).run(int(sys.argv[2]))
except StackError as error:
    print(error)
    code = error.exit_code
sys.exit(code)
"""

Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    cleared = {key: value for key, value in os.environ.items() if not key.startswith(("POSTGRES_", "BRIDGE_"))}
    return {**cleared, **ENVIRON, "BRIDGE_LOCAL_DIR": str(tmp_path)}


@pytest.fixture
def run(tmp_path: Path, environ: dict[str, str]) -> Iterator[Run]:
    """Start a supervisor; what tests leave running is ended by its pid files."""
    running = []

    def start(worker: str = STAND_IN, workers: int = 1) -> subprocess.Popen[str]:
        log = (tmp_path / "output").open("ab")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN, worker, str(workers)],
                cwd=PROJECT,
                env=environ,
                stdout=log,
                stderr=log,
                text=True,
            )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
    wait_until(lambda: not stop_recorded(tmp_path / "run") and not list((tmp_path / "run").glob("*.pid")), 60)


def command(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "deploy.local", *arguments]
    return subprocess.run(line, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False, timeout=120)


def ready(folder: Path) -> bool:
    return (folder / "run" / "ready").exists()


def wait_ready(folder: Path, process: subprocess.Popen[str]) -> None:
    assert wait_until(lambda: ready(folder) or process.poll() is not None, 90)
    assert process.poll() is None, output(folder)


def output(folder: Path) -> str:
    return (folder / "output").read_text()


def entry(folder: Path, name: str) -> processes.Entry:
    record = read_record(folder / "run" / f"{name}.pid")
    assert record is not None
    found = processes.lookup(record.pid)
    assert found is not None
    return found


def gone(entries: Sequence[processes.Entry]) -> bool:
    return not any(processes.send(each, 0) for each in entries)


def test_a_run_says_where_everything_is_and_leaves_nothing_behind(tmp_path: Path, run: Run) -> None:
    supervisor = run(workers=2)
    wait_ready(tmp_path, supervisor)
    parts = [entry(tmp_path, name) for name in ("postgres", "worker-0", "worker-1")]
    family = [one for part in parts for one in processes.tree(part.pid)] + processes.tree(supervisor.pid)

    addresses = read_addresses(tmp_path / "local.env")

    assert addresses["BRIDGE_URL"] == f"http://127.0.0.1:{WEB_PORT}"
    assert addresses["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:9"
    assert addresses["POSTGRES_PORT"] == str(POSTGRES_PORT)
    assert addresses["CONSUL_URL"] == "http://127.0.0.1:9"
    assert f"POSTGRES_DSN={addresses['POSTGRES_DSN']}" in output(tmp_path)
    assert f"curl -s localhost:{WEB_PORT}/hooks/service/lifecycle" in output(tmp_path)
    supervisor.terminate()
    assert supervisor.wait(60) == 0
    assert gone(family)
    assert not (tmp_path / "local.env").exists()
    assert not ready(tmp_path)
    assert not (tmp_path / "log" / "guard.log").exists(), "the guard had something left to stop"


def test_a_killed_supervisor_leaves_nothing_behind_and_the_data_is_there_at_the_next_start(
    tmp_path: Path, run: Run
) -> None:
    first = run()
    wait_ready(tmp_path, first)
    addresses = read_addresses(tmp_path / "local.env")
    parts = [entry(tmp_path, name) for name in ("postgres", "worker-0")]

    first.kill()
    first.wait()
    (tmp_path / "run" / "ready").unlink()
    second = run()

    wait_ready(tmp_path, second)
    assert gone(parts)
    assert read_addresses(tmp_path / "local.env") == addresses
    assert "stopped after a crash: worker-0, postgres" in (tmp_path / "log" / "guard.log").read_text()


def test_after_a_kill_of_supervisor_and_guard_the_next_start_takes_over(tmp_path: Path, run: Run) -> None:
    first = run()
    wait_ready(tmp_path, first)
    postgres, worker = entry(tmp_path, "postgres"), entry(tmp_path, "worker-0")
    family = processes.tree(first.pid)
    guards = [one for one in family if "guard" in command_line(one.pid)]
    assert len(guards) == 1

    processes.send(guards[0], signal.SIGKILL)
    first.kill()
    first.wait()
    (tmp_path / "run" / "ready").unlink()
    second = run()

    wait_ready(tmp_path, second)
    assert entry(tmp_path, "postgres") == postgres or entry(tmp_path, "postgres").started == postgres.started
    assert gone([worker])
    assert f"(pid {postgres.pid}), reused" in output(tmp_path)


def command_line(pid: int) -> str:
    listing = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listing.stdout


def test_a_second_supervisor_says_which_one_runs(tmp_path: Path, run: Run, environ: dict[str, str]) -> None:
    first = run()
    wait_ready(tmp_path, first)

    second = command(environ, "run")

    assert second.returncode == 2
    assert f"runs already (pid {first.pid})" in second.stdout
    assert first.poll() is None
    assert ready(tmp_path)


@pytest.mark.parametrize("code", [2, 3])
def test_a_worker_that_refuses_ends_everything_with_its_code(tmp_path: Path, run: Run, code: int) -> None:
    supervisor = run(worker=f"import sys; sys.exit({code})")

    assert supervisor.wait(90) == code
    assert f"worker-0 ended with exit code {code}" in output(tmp_path)
    assert list((tmp_path / "run").glob("*.pid")) == []


def test_a_server_that_ends_is_started_again(tmp_path: Path, run: Run) -> None:
    supervisor = run()
    wait_ready(tmp_path, supervisor)
    before = entry(tmp_path, "postgres")

    processes.send(before, signal.SIGKILL)

    assert wait_until(lambda: output(tmp_path).count("[postgres] ready on") == 2, 60)
    assert entry(tmp_path, "postgres").pid != before.pid


def test_a_taken_port_is_named_with_the_variable_that_changes_it(tmp_path: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", POSTGRES_PORT)):
        assert run().wait(60) == 2
        assert f"port {POSTGRES_PORT} on 127.0.0.1" in output(tmp_path)
        assert "BRIDGE_LOCAL_POSTGRES_PORT" in output(tmp_path)
    with socket.create_server(("127.0.0.1", WEB_PORT + 1)):
        assert run(workers=2).wait(60) == 2
        assert f"port {WEB_PORT + 1} on 127.0.0.1, which worker 1 needs" in output(tmp_path)
        assert "BRIDGE_WEB_PORT" in output(tmp_path)


def test_a_signal_during_the_start_ends_it(tmp_path: Path, run: Run) -> None:
    supervisor = run()
    assert wait_until((tmp_path / "postgres").exists, 60)

    supervisor.send_signal(signal.SIGINT)

    assert supervisor.wait(60) in (0, 130)
    assert list((tmp_path / "run").glob("*.pid")) == []


def test_a_signal_ends_the_waiting_for_what_another_process_builds(tmp_path: Path, environ: dict[str, str]) -> None:
    del environ["CONSUL_HOST"]
    environ |= {"POSTGRES_HOST": "127.0.0.1", "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path)}
    cache = tmp_path / "cache" / "omninode-bridge"
    cache.mkdir(parents=True)
    with locked(cache / f"{built_program().name}.lock", "test"), (tmp_path / "output").open("wb") as log:
        line = [sys.executable, "-m", "deploy.local", "run", "--workers", "0", "--wait-for-consul"]
        supervisor = subprocess.Popen(line, cwd=PROJECT, env=environ, stdout=log, stderr=log)
        try:
            assert wait_until(lambda: "another process" in output(tmp_path), 60)

            supervisor.send_signal(signal.SIGINT)

            assert supervisor.wait(30) == 130
        finally:
            supervisor.kill()
            supervisor.wait()


def test_a_command_runs_on_a_stack_of_its_own_and_its_exit_code_is_passed_on(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "test" / "postgres").mkdir(parents=True)
    stale = tmp_path / "test" / "postgres" / "stale"
    stale.write_text("from an earlier run")
    script = "import os, sys; print('dsn', os.environ['POSTGRES_DSN']); sys.exit(7)"

    done = command(environ, "exec", "--profile", "test", "--wait-for-consul", "--", sys.executable, "-c", script)

    assert done.returncode == 7, done.stdout + done.stderr
    assert f"@127.0.0.1:{POSTGRES_PORT + 1}/omninode_bridge" in done.stdout
    assert not stale.exists()
    assert list((tmp_path / "test" / "run").glob("*.pid")) == []


def test_a_command_that_cannot_be_run_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    done = command(environ, "exec", "--", str(tmp_path / "no-such-program"))

    assert done.returncode == 2
    assert "no-such-program cannot be run" in done.stdout
    assert list((tmp_path / "run").glob("*.pid")) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_supervisor_ends_the_command_that_it_runs(
    tmp_path: Path, environ: dict[str, str], number: int
) -> None:
    line = [sys.executable, "-m", "deploy.local", "exec", "--", sys.executable, "-c", "import signal; signal.pause()"]
    supervisor = subprocess.Popen(line, cwd=PROJECT, env=environ, stdout=subprocess.DEVNULL)
    try:
        assert wait_until((tmp_path / "run" / "command.pid").exists, 60)
        parts = [entry(tmp_path, "command"), entry(tmp_path, "postgres")]

        supervisor.send_signal(number)

        supervisor.wait(60)
        assert wait_until(lambda: gone(parts), 60)
        if number == signal.SIGTERM:
            assert not (tmp_path / "log" / "guard.log").exists(), "the guard had something left to stop"
    finally:
        supervisor.kill()
        supervisor.wait()
        assert wait_until(lambda: not list((tmp_path / "run").glob("*.pid")), 60)


def test_up_status_psql_down_and_clean(tmp_path: Path, environ: dict[str, str]) -> None:
    try:
        up = command(environ, "up")
        assert up.returncode == 0, up.stdout
        assert "POSTGRES_DSN=" in up.stdout
        again = command(environ, "up")
        assert (again.returncode, "runs already" in again.stdout) == (0, True)
        status = command(environ, "status")
        assert status.returncode == 0, status.stdout
        assert "answers" in status.stdout
        psql = command(environ, "psql", "--", "-Atc", "SELECT 6 * 7")
        assert psql.stdout.strip() == "42", psql.stderr
    finally:
        down = command(environ, "down")
    assert "stopped" in down.stdout
    assert "nothing ran" in command(environ, "down").stdout
    assert command(environ, "status").returncode == 1
    assert command(environ, "psql").returncode == 2
    assert command(environ, "clean").returncode == 0
    assert not tmp_path.exists()
