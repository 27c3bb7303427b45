"""`python -m tests.load [PART …]`: the benchmark, on the services that the environment names; prints Markdown."""

import argparse
import logging
import os
import sys
import uuid
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from deploy.local.errors import StackError
from tests.load import workload
from tests.load.adapter import AdapterBench
from tests.load.broker import Broker
from tests.load.contest import ContestFailed
from tests.load.hooks import HookBench
from tests.load.outbox import OutboxBench
from tests.load.posts import Refused
from tests.load.report import machine
from tests.load.rows import RowBench
from tests.load.steps import StepBench

NEEDED = ("KAFKA_BOOTSTRAP_SERVERS", "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_DB")


class Options(argparse.Namespace):
    """What the command line asks for."""

    parts: list[str]
    rounds: int
    events: int


async def step(broker: Broker, mark: str, options: Options) -> str:
    bench = StepBench(broker, mark, options.events)
    await bench.prepare()
    for number in range(1, options.rounds + 1):
        _say(f"step: round {number} of {options.rounds}")
        await bench.round()
    return bench.report()


async def hooks(broker: Broker, mark: str, options: Options) -> str:
    bench = HookBench(broker, mark, os.environ)
    for number in range(1, options.rounds + 1):
        _say(f"hooks: round {number} of {options.rounds}")
        await bench.round(number)
    return bench.report()


async def rows(broker: Broker, mark: str, options: Options) -> str:
    bench = RowBench(mark, os.environ)
    await bench.run()
    return bench.report()


async def adapter(broker: Broker, mark: str, options: Options) -> str:
    bench = AdapterBench(broker, mark, os.environ)
    for number in range(1, options.rounds + 1):
        _say(f"adapter: round {number} of {options.rounds}")
        await bench.round(number)
    return bench.report()


async def outbox(broker: Broker, mark: str, options: Options) -> str:
    bench = OutboxBench(mark, os.environ)
    for number in range(1, options.rounds + 1):
        _say(f"outbox: round {number} of {options.rounds}")
        await bench.round(number)
    return bench.report()


PARTS: dict[str, Callable[[Broker, str, Options], Awaitable[str]]] = {
    "step": step, "hooks": hooks, "rows": rows, "outbox": outbox, "adapter": adapter,
}  # fmt: skip


async def bench(options: Options) -> None:
    """Run the parts that are asked for, one after the other; print the report of each when it is done."""
    print(f"Medians (least–most) of {options.rounds} rounds; {machine()}.\n", flush=True)
    mark = f"bench-{uuid.uuid4().hex[:8]}"
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    async with Broker(servers, mark=mark, partitions=workload.PARTITIONS) as broker:
        for name in options.parts or PARTS:
            print(f"### {name}\n\n{await PARTS[name](broker, mark, options)}\n", flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description="The bridge beside its peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=workload.EVENTS, help="of the step")
    options = parser.parse_args(namespace=Options())
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}, only {', '.join(PARTS)}")
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        _say(f"{missing[0]} is not set: `make bench` starts Kafka and PostgreSQL and sets it")
        return 2
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    # Standard output is the report's.
    structlog.configure(wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        uvloop.run(bench(options))
    except* (ContestFailed, Refused, StackError, AssertionError) as errors:
        _say(f"no number: {_first(errors)!r}")
        failed = True
    else:
        failed = False
    return int(failed)


def _first(errors: BaseException) -> BaseException:
    return _first(errors.exceptions[0]) if isinstance(errors, BaseExceptionGroup) else errors


if __name__ == "__main__":
    sys.exit(main())
