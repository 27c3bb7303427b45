"""The replay against a broker that loses acknowledgements, refuses records and goes away."""

from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_app.effects.outbox.condition import Limits
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.outbox.replay import WINDOW, Refusal, Replayer
from bridge_app.events.envelope import Outgoing
from tests.unit.outbox.samples import numbers, records
from tests.unit.outbox.test_outbox import Told, opened
from tests.unit.web.http_worker import ManualClock


class Broker:
    """Keeps what it takes; `faults` are asked for each window how many records it takes and how many it acknowledges.

    `refused` numbers are never taken, and nothing of the window that comes behind one.
    """

    def __init__(self, *, refused: Sequence[int] = ()) -> None:
        self.log: list[int] = []
        self.windows: list[int] = []
        self.refused = set(refused)
        self.faults: list[tuple[int, int]] = []

    async def send(self, sent: Sequence[Outgoing]) -> list[Exception | None]:
        self.windows.append(len(sent))
        arriving = numbers(sent)
        bad = next((index for index, number in enumerate(arriving) if number in self.refused), len(arriving))
        taken, acknowledged = self.faults.pop(0) if self.faults else (len(sent), len(sent))
        taken = min(taken, bad)
        self.log += arriving[:taken]
        outcomes: list[Exception | None] = [None] * min(acknowledged, taken)
        outcomes += [TimeoutError("lost")] * (len(sent) - len(outcomes))
        if bad < len(arriving) and taken == bad:
            outcomes[bad] = Refusal("too large")
        return outcomes


def replayer(
    outbox: Outbox, broker: Broker, *, rate: float = 0.0, counted: Callable[[int], None] = lambda _: None
) -> Replayer:
    return Replayer(outbox, broker.send, rate=rate, clock=ManualClock(), replayed=counted)


async def replay(outbox: Outbox, broker: Broker) -> int:
    """Replay until nothing waits; return in how many steps failed."""
    replaying = replayer(outbox, broker)
    failed = 0
    while outbox.pending:
        try:
            await replaying.step()
        except TimeoutError:
            failed += 1
    return failed


async def test_windows_of_500_go_out_in_order(tmp_path: Path) -> None:
    broker, counts = Broker(), list[int]()
    async with opened(tmp_path, limits=Limits(2000, 10**9)) as outbox:
        await outbox.append(records(1200))
        assert await replayer(outbox, broker, counted=counts.append).run(10) == 3
        assert outbox.is_empty
    assert broker.windows == counts == [WINDOW, WINDOW, 200]
    assert broker.log == list(range(1, 1201))


async def test_a_window_is_sent_again_from_its_first_missing_record(tmp_path: Path) -> None:
    broker = Broker()
    broker.faults = [(10, 4), (0, 0), (6, 6)]
    async with opened(tmp_path) as outbox:
        await outbox.append(records(10))
        assert await replay(outbox, broker) == 2
    assert broker.log == [*range(1, 11), *range(5, 11)]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12),
    refused=st.sets(st.integers(1, 60), max_size=4),
    restarts=st.sets(st.integers(0, 10), max_size=3),
)
async def test_whatever_fails_every_record_arrives_in_order_or_is_set_aside(
    tmp_path_factory: pytest.TempPathFactory, faults: list[tuple[int, int]], refused: set[int], restarts: set[int]
) -> None:
    path = tmp_path_factory.mktemp("outbox")
    broker = Broker(refused=sorted(refused))
    broker.faults = list(faults)
    async with opened(path) as outbox:
        await outbox.append(records(60))
    pending, step = 60, 0
    while pending:
        async with opened(path) as outbox:  # a process that ends here and there
            replaying = replayer(outbox, broker)
            while outbox.pending and step not in restarts:
                step += 1
                try:
                    await replaying.step()
                except TimeoutError:
                    continue
            pending = outbox.pending
        step += 1

    assert list(dict.fromkeys(broker.log)) == [number for number in range(1, 61) if number not in refused]
    assert sorted(int(orjson.loads(file.read_bytes())["key"]) for file in rejected(path)) == sorted(refused)


async def test_a_record_refused_for_good_is_set_aside_readably_and_told_and_the_replay_goes_on(tmp_path: Path) -> None:
    told, broker = Told(), Broker(refused=[2, 3])
    async with opened(tmp_path, told=told) as outbox:
        await outbox.append(records(5))
        await replay(outbox, broker)

    assert list(dict.fromkeys(broker.log)) == [1, 4, 5]
    assert told.ever == ["outbox_record_rejected"]
    first = orjson.loads(rejected(tmp_path)[0].read_bytes())
    assert (first["topic"], first["key"], first["value"]) == ("hooks.x", "2", "x" * 10)
    assert (first["headers"], first["timestamp_ms"]) == ({"event_id": "id-2"}, 1_700_000_000_002)
    assert "too large" in first["reason"]


async def test_nothing_is_forgotten_before_it_is_acknowledged(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        await outbox.append(records(5))

        async def send(sent: Sequence[Outgoing]) -> list[Exception | None]:
            async with opened(tmp_path) as beside:  # what a process would find that starts now
                assert numbers(stored.record for stored in await beside.read(10)) == [1, 2, 3, 4, 5]
            return [None] * len(sent)

        await Replayer(outbox, send, rate=0, clock=ManualClock(), replayed=lambda _: None).step()
        assert outbox.is_empty


async def test_resilience_07_the_rate_is_kept_in_small_windows(tmp_path: Path) -> None:
    broker = Broker()
    async with opened(tmp_path) as outbox:
        await outbox.append(records(25))
        clock = ManualClock()
        replaying = Replayer(outbox, broker.send, rate=100, clock=clock, replayed=lambda _: None)
        await replaying.step()
        assert replaying.pause == pytest.approx(0.1)
        clock.seconds += 0.1
        assert replaying.pause == 0.0
    assert broker.windows == [10]


def rejected(path: Path) -> list[Path]:
    return sorted((path / "rejected").glob("*.json"))
