"""Run tests in a tree, and tell a failure from an error."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

#: The seed of all that is random, so that a trial can be repeated.
SEED = "1"
LONGEST_SECONDS = 900.0
TESTS_FAILED = 1


class Outcome(Enum):
    """PASSED and FAILED tests ran; all else is an ERROR: collection, setup, a crash, a trial without end."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


class Trial(NamedTuple):
    """What became of some tests: FAILED when one did, PASSED when all did. `said` is what the failures say."""

    outcome: Outcome
    said: str
    seconds: float


def run_tests(root: Path, tests: Sequence[str]) -> Trial:
    """Run tests, by their pytest ids, in a tree of their own; the services are those that the environment names."""
    report = root / "report.xml"
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", f"--junitxml={report}", f"--hypothesis-seed={SEED}"]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=root,
        env={**os.environ, "LAB_SEED": SEED},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that it can be ended with the workers it started
    )
    try:
        output, _ = process.communicate(timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Trial(Outcome.ERROR, f"no end within {LONGEST_SECONDS:g} s", time.monotonic() - began)
    seconds = time.monotonic() - began
    if process.returncode == 0:
        return Trial(Outcome.PASSED, "", seconds)
    failures = _failures(report) if process.returncode == TESTS_FAILED else []
    if failures:
        return Trial(Outcome.FAILED, "\n".join(failures), seconds)
    return Trial(Outcome.ERROR, output, seconds)


def collected(root: Path, tests: Sequence[str]) -> str:
    """Return an empty text when pytest finds all tests, else what it says."""
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *tests],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if found.returncode == 0 else found.stdout + found.stderr


def _failures(report: Path) -> list[str]:
    """Return the message of every failure, without source lines; errors of setup and collection are none."""
    failures = ElementTree.parse(report).iter("failure")  # noqa: S314 (pytest wrote it just now)
    return [failure.get("message") or "" for failure in failures]
