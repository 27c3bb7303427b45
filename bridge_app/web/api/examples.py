"""What the documents show: services report what they do, and the bridge's own code says what becomes of it.

Nothing here is written by hand but the bodies of hooks, so an example is what the bridge would answer or publish.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from bridge_app import __version__, ids
from bridge_app.domain.alarms import Alarm, AlarmBook
from bridge_app.domain.configuration import events as configuration_events
from bridge_app.domain.configuration.changes import first_changes, rejections
from bridge_app.domain.configuration.precedence import Trees, base_of
from bridge_app.domain.configuration.report import State, report
from bridge_app.domain.configuration.tree import Entry, read_tree
from bridge_app.domain.database_adapter.letters import Failure, Letter, dead_letter
from bridge_app.domain.hooks import LIFECYCLE, TOOL_EXECUTION, Arrival, HookRoute, accept
from bridge_app.domain.intelligence.baselines import BaselineView
from bridge_app.domain.intelligence.detectors import DetectorConfig, Detectors, SeriesState
from bridge_app.domain.intelligence.immediate import Views, analyse
from bridge_app.domain.intelligence.patterns import PatternView
from bridge_app.domain.intelligence.queries import parse_query
from bridge_app.effects.breakers import TOLD
from bridge_app.errors import PoisonRecord
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Derived, Event, Identity, derive, encode
from bridge_app.health import SERVICE_NAME
from bridge_app.settings import Settings
from bridge_app.timestamps import format_us, parse_us
from bridge_app.topics import HOOKS_SERVICE_LIFECYCLE, INTELLIGENCE_BASELINES, PUBLIC
from bridge_app.web.api.hook_bodies import EXECUTION_BODIES, LIFECYCLE_BODIES

IDENTITY: Final = Identity(
    SERVICE_NAME, __version__, "bridge-1-6066", "omninode-bridge-bridge-1-6066", environment="development"
)
START_US: Final = parse_us("2024-01-15T10:30:00.5Z")
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
EXECUTION_TIMES_MS: Final = (150, 160, 170, 2500, 155, 160, 165)


class _Record(NamedTuple):
    """A record as a consumer reads it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def hook(body: dict[str, Any], number: int = 0, route: HookRoute = LIFECYCLE) -> Event:
    """Return the event of a hook; `number` makes its id and its time."""
    event_id = ids.name_based("example", number)
    arrival = Arrival(event_id, START_US + number * SECOND_US, TRACE_ID, None, f"example-{number}", IDENTITY)
    return accept(route, body, arrival)


@cache
def published() -> tuple[tuple[str, Event], ...]:
    """Return the public events that some executions and three starts lead to, each with its topic: at once, and
    because time passes.
    """
    public = {topic.name for topic in PUBLIC}
    return tuple((topic, event) for topic, event in _play() if topic in public)


def _play() -> Iterator[tuple[str, Event]]:
    detectors = Detectors(DetectorConfig(environment=IDENTITY.environment))
    states: dict[str, SeriesState | None] = {}
    for event in (*_executions(), *_starts()):
        for seen in detectors.observe(event):
            states[seen.key], derived = detectors.step(seen.key, states.get(seen.key), derive(seen, IDENTITY))
            yield from _derived(derived)
    for key, state in states.items():
        while state is not None and (due := detectors.due(state)) is not None and due < START_US + HOUR_US:
            state, derived = detectors.elapse(key, state, due)
            yield from _derived(derived)


def _executions() -> Iterator[Event]:
    """Yield executions of which one takes far longer than the others."""
    completed = EXECUTION_BODIES["completed"]
    for number, time_ms in enumerate(EXECUTION_TIMES_MS):
        info = {**completed["execution_info"], "execution_id": f"resize-{number}", "execution_time_ms": time_ms}
        yield hook({**completed, "execution_info": info}, number - len(EXECUTION_TIMES_MS), TOOL_EXECUTION)


def _starts() -> Iterator[Event]:
    started = LIFECYCLE_BODIES["started"]
    for number, service in enumerate(("billing", "cart", "shop")):
        info = {**started["service_info"], "name": service, "instance_id": f"{service}-1"}
        yield hook({**started, "service_info": info}, number)


def _derived(found: Iterable[Derived]) -> Iterator[tuple[str, Event]]:
    """Yield events as their consumers read them."""
    for one in found:
        sent = encode(one.topic, derive(one, IDENTITY))
        yield one.topic, decode(_Record(sent.topic, 3, 42, sent.timestamp_ms, sent.key, sent.value, sent.headers))


def event(event_type: str) -> Event:
    """Return the last event of a type among those published."""
    return next(event for _, event in reversed(published()) if event.event_type == event_type)


@cache
def _view() -> PatternView:
    view = PatternView()
    for _, one in published():
        view.apply(one)
    return view


def pattern_page() -> tuple[list[dict[str, Any]], int]:
    """Return the patterns as the list shows them, and their number."""
    page = _view().page(parse_query({"service": "shop"}, START_US + HOUR_US))
    return [pattern.as_dict() for pattern in page.patterns], page.total


def pattern_with_history() -> dict[str, Any]:
    """Return one pattern as its own route shows it."""
    known = _view().find(ids.pattern("service_initialization", IDENTITY.environment, "shop"))
    assert known is not None
    return {**known.pattern.as_dict(), "history": [revision.as_dict() for revision in known.history]}


def baselines() -> dict[str, Any]:
    """Return what is usual for the tool of the executions."""
    view = BaselineView()
    for topic, one in _play():
        if topic == INTELLIGENCE_BASELINES.name:
            view.apply(one)
    return {"baselines": view.list("resize", None)}


def analysis() -> dict[str, Any]:
    """Return the first word on a start of a service that is known."""
    return analyse(hook(LIFECYCLE_BODIES["started"], 3), Views(_view(), BaselineView()))


def alarm(event_type: str) -> Event:
    """Return what is told when Kafka is away, or is back after a minute."""
    book = AlarmBook(IDENTITY)
    wrong = Alarm(
        "breaker.kafka",
        "circuit_breaker_open",
        "Calls of kafka failed: 5 failures in a row",
        TOLD["kafka"],
        ("Bring kafka back; the breaker then closes by itself",),
        {"breaker": "kafka"},
    )
    events = [book.raise_(wrong, START_US), book.clear(wrong.name, START_US + 60 * SECOND_US)]
    return next(event for event in events if event is not None and event.event_type == event_type)


def _configured() -> tuple[Trees, State]:
    """Return what Consul holds before and after an operator has written two values, one of them bad."""
    settings = Settings.from_environ({"BRIDGE_INSTANCE_ID": IDENTITY.instance_id})
    before = Trees.unread(IDENTITY.environment)
    prefix = before.environment.prefix
    values = {"tool-capture-proxy/cache_ttl": Entry(b"120", 4711), "hook-receiver/workers": Entry(b"many", 4712)}
    entries = {prefix + path: entry for path, entry in values.items()}
    after = before._replace(environment=read_tree(before.environment, entries))
    return before, State(settings, after, base_of(settings))


def configuration() -> dict[str, Any]:
    """Return what `GET /admin/config` shows."""
    return {
        **report(_configured()[1], IDENTITY),
        "last_updated": format_us(START_US),
        "consul": {"connected": True, "last_index": 4712, "last_error": None},
    }


def configuration_change(event_type: str) -> Event:
    """Return what is told of the two values."""
    before, after = _configured()
    if event_type == configuration_events.UPDATED:
        (change,) = first_changes(after.trees, after.base)
        return configuration_events.updated(change, IDENTITY, START_US)
    (rejection,) = rejections(before, after.trees, after.base)
    return configuration_events.rejected(rejection, IDENTITY, START_US)


def letter() -> Letter:
    """Return the dead letter of a record that is no JSON."""
    record = _Record(HOOKS_SERVICE_LIFECYCLE.name, 3, 42, START_US // 1000, b"shop", b"service shop started")
    try:
        decode(record)
    except PoisonRecord as error:
        return dead_letter(record, Failure(error, START_US + SECOND_US), IDENTITY, ".dlq")
    raise AssertionError("the record is JSON")
