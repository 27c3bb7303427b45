"""`python -m deploy.demo`, which `make demo` runs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import groupby
from random import Random
from uuid import uuid4

from deploy.demo.client import BridgeError, Client
from deploy.demo.findings import counted, missing, told
from deploy.demo.fleet import Fleet
from deploy.demo.host import bridge
from deploy.local.errors import StackError
from deploy.local.terminal import say

FINDING_SECONDS = 20.0


def show(client: Client, tag: str, pause: float) -> int:
    """Let the fleet report, and tell what was found; return 0 when that is all there is to find."""
    say("demo", f"the bridge answers at {client.url}; all names of this run end in -{tag}")
    sent = 0
    for text, rounds in groupby(Fleet(tag, Random(tag)).rounds(), key=lambda one: one.text):  # noqa: S311 (a play)
        before = sent
        for one in rounds:
            sent += client.report(one.hooks)
            time.sleep(pause)
        say("demo", f"{text} ({counted(sent - before)})")
    deadline = time.monotonic() + FINDING_SECONDS
    while (left := missing(client.patterns(tag))) and time.monotonic() < deadline:
        time.sleep(0.5)
    found = client.patterns(tag)
    say("demo", f"{sent} hooks, {len(found)} patterns:")
    for line in told(found):
        say("demo", line)
    say("demo", f"see them all: curl -s '{client.url}/intelligence/patterns?status=all'")
    for kind in left:
        say("demo", f"not found: {kind}")
    return 1 if left else 0


def main(argv: Sequence[str]) -> int:
    """Run the demo; exit code 1 when something that the fleet showed was not found."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description="A fleet reports, the bridge tells.")
    parser.add_argument("--url", help="a bridge; else the one of `make run`, else one is started")
    parser.add_argument("--pause", type=float, default=0.9, help="seconds between two rounds of the fleet")
    options = parser.parse_args(argv)
    try:
        with bridge(options.url) as client:
            return show(client, uuid4().hex[:6], options.pause)
    except (BridgeError, StackError) as error:
        say("demo", str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
