"""`python -m deploy.local COMMAND`: see docs/local-stack.md, or `--help`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from . import toolchain
from .consul_build import consul_program
from .environment import PROFILES, Profile, load_profile, read_addresses
from .errors import StackError, UsageError
from .lock import Lock, stop_everything
from .status import report
from .supervisor import Supervisor
from .terminal import say
from .waiting import wait_until


def run(profile: Profile, options: argparse.Namespace) -> int:
    return Supervisor(profile, os.environ).run(options.workers, wait_for_consul=options.wait_for_consul)


def up(profile: Profile, options: argparse.Namespace) -> int:
    """Start a detached supervisor without workers, and show what it says until it is ready."""
    holder = Lock(profile).holder()
    if holder is not None:
        say("stack", f"runs already (pid {holder}); its addresses are in {profile.address_file}")
        return 0
    log = profile.folder / "log" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    ready = profile.run_folder / "ready"
    ready.unlink(missing_ok=True)
    arguments = ["run", "--profile", profile.name, "--workers", "0"]
    if options.wait_for_consul:
        arguments.append("--wait-for-consul")
    log.unlink(missing_ok=True)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:  # it shows the password
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=toolchain.PROJECT,
            start_new_session=True,
        )
    with log.open() as lines:

        def done() -> bool:
            ended = process.poll() is not None or ready.exists()
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            return ended

        wait_until(done, float("inf"))
    return process.poll() or 0


def down(profile: Profile, options: argparse.Namespace) -> int:
    """Stop the supervisor of the profile, in whatever way it was started, and anything that a crash left."""
    say("stack", "stopped" if stop_everything(profile) else "nothing ran")
    return 0


def status(profile: Profile, options: argparse.Namespace) -> int:
    """Say what runs; exit code 0 when Kafka, PostgreSQL and Consul answer."""
    lines, healthy = report(profile)
    for line in lines:
        say("stack", line)
    return 0 if healthy else 1


def psql(profile: Profile, options: argparse.Namespace) -> int:
    """Replace this process by psql on the stack's database."""
    addresses = read_addresses(profile.address_file)
    if not addresses:
        raise UsageError("the stack does not run: `make up` or `make run` first")
    program = shutil.which("psql") or str(toolchain.postgres_folder() / "psql")
    variables = {
        "PGHOST": addresses["POSTGRES_HOST"],
        "PGPORT": addresses["POSTGRES_PORT"],
        "PGUSER": addresses["POSTGRES_USER"],
        "PGDATABASE": addresses["POSTGRES_DB"],
        "PGPASSWORD": addresses["POSTGRES_PASSWORD"],
    }
    os.execve(program, [program, *options.arguments], {**os.environ, **variables})  # noqa: S606 (no shell, as intended)


def execute(profile: Profile, options: argparse.Namespace) -> int:
    """Start the stack, run a command on it, stop it. In the profile `test` everything is new."""
    if not options.arguments:
        raise UsageError("exec: a command is missing, as in `exec -- pytest`")
    supervisor = Supervisor(profile, os.environ)
    return supervisor.execute(options.arguments, wait_for_consul=options.wait_for_consul, wipe=profile.name == "test")


def clean(profile: Profile, options: argparse.Namespace) -> int:
    """Stop both profiles and delete their data. What was fetched or built for all checkouts stays."""
    folder = load_profile(PROFILES[0], os.environ).folder
    for name in PROFILES:
        stop_everything(load_profile(name, os.environ))
    shutil.rmtree(folder, ignore_errors=True)
    say("stack", f"{folder} is deleted")
    return 0


def build_consul(profile: Profile, options: argparse.Namespace) -> int:
    """Find Consul, or build it, and do nothing else. A signal interrupts the build; the next one goes on from there."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    say("consul", str(consul_program(profile.folder, stop)))
    return 0


COMMANDS = {
    "run": (run, "run the stack and workers in the foreground"),
    "up": (up, "run the stack alone, in the background; returns when it is ready"),
    "down": (down, "stop what runs"),
    "status": (status, "say what runs, and where"),
    "psql": (psql, "open psql on the stack's database; arguments after --"),
    "exec": (execute, "run a command, given after --, on a stack of its own"),
    "clean": (clean, "stop everything and delete the data"),
    "consul": (build_consul, "build Consul, if that has not been done"),
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="The local stack of the bridge.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--profile", choices=PROFILES, default=PROFILES[0], help="which block of ports, which folder"
        )
        if name in ("run", "up", "exec"):
            command.add_argument("--wait-for-consul", action="store_true", help="be ready only when Consul is")
        if name == "run":
            command.add_argument("--workers", type=int, default=1, metavar="N")
        if name in ("psql", "exec"):
            command.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    if getattr(options, "arguments", [])[:1] == ["--"]:
        options.arguments.pop(0)
    return options


def main(argv: Sequence[str]) -> int:
    options = parse(argv)
    action, _ = COMMANDS[options.command]
    try:
        return action(load_profile(options.profile, os.environ), options)
    except StackError as error:
        say("stack", str(error))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
