"""Both stages over plain values: hooks go in, what is published comes out, as it would travel through Kafka."""

import sys
from collections.abc import Sequence
from itertools import count
from typing import Any
from uuid import UUID, uuid5

import msgspec
import orjson
from hypothesis import strategies as st

from bridge_app.domain.intelligence.detectors import DetectorConfig, Detectors, SeriesState
from bridge_app.events.envelope import Derived, Event, Identity, Position, derive
from bridge_app.events.intelligence import BASELINE, SUMMARY
from bridge_app.topics import INTELLIGENCE_OBSERVATIONS

ENVIRONMENT = "unit"
IDENTITY = Identity("omninode-bridge", "1.0.0", "here-1", "node-1", ENVIRONMENT)
START_US = 1_700_000_000_000_000
SECOND = 1_000_000
#: Quantities that a hook may have, too, and whose sum is none any more.
EXTREMES = st.sampled_from([5e-324, 1e308, sys.float_info.max])

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[SeriesState] = msgspec.msgpack.Decoder(SeriesState)


def lifecycle(
    change: str,
    service: str,
    *,
    n: int = 0,
    time_us: int = START_US,
    instance: str | None = None,
    startup_time_ms: float | None = None,
    steps: Sequence[dict[str, Any]] = (),
    correlation_id: str = "correlation",
    payload: dict[str, Any] | None = None,
) -> Event:
    """Return a lifecycle event; `n` makes its id, and its offset on partition 0."""
    body: dict[str, Any] = {
        "service_info": {"name": service, "version": "1.0.0", "instance_id": instance or f"{service}-1"},
        **(payload or {}),
    }
    if startup_time_ms is not None or steps:
        body["startup_info"] = {"startup_time_ms": startup_time_ms, "initialization_steps": list(steps)}
    return Event(
        event_id=str(uuid5(UUID(int=0), str(n))),
        event_type=f"service.lifecycle.{change}",
        time_us=time_us,
        correlation_id=correlation_id,
        trace_id="1" * 32,
        partition_key=service,
        environment=ENVIRONMENT,
        payload=body,
        position=Position("hooks.service_lifecycle", 0, n, time_us // 1000),
    )


def execution(
    tool: str,
    time_ms: float | None = None,
    *,
    n: int = 0,
    time_us: int = START_US,
    outcome: str = "success",
    executor: str | None = None,
    requester: str | None = None,
    session: str | None = None,
    cpu: float | None = None,
    memory: float | None = None,
) -> Event:
    """Return the event of a tool execution; `n` makes its id, and its offset on partition 0."""
    info = {"tool_name": tool, "execution_id": f"e-{n}", "executor_service": executor, "requester_service": requester}
    body: dict[str, Any] = {
        "execution_info": {**info, "execution_context": {"session_id": session}},
        "derived": {"execution_time_ms": time_ms, "outcome": outcome},
        "resource_usage": {"cpu_usage": {"peak_percent": cpu}, "memory_usage": {"peak_mb": memory}},
    }
    return _event(
        "hooks.tool_execution",
        n,
        time_us,
        namespace=1,
        event_type="tool.execution.failed" if outcome == "failure" else "tool.execution.completed",
        partition_key=tool,
        payload=body,
        metadata={"correlation_source": "generated"},
    )


def proxied(
    tool: str,
    target: str,
    time_ms: float | None = None,
    *,
    n: int = 0,
    time_us: int = START_US,
    failed: bool = False,
    source: str | None = None,
    payload: dict[str, Any] | None = None,
) -> Event:
    """Return the event of a proxied call; `n` makes its id, and its offset on partition 0; `payload` replaces parts."""
    body: dict[str, Any] = {
        "request_info": {"source_service": source, "target_service": target, "tool_name": tool},
        "routing_decision": {"selected_instance": f"{target}-1"},
        "caching_info": {"cache_hit": False},
        "outcome": {"execution_time_ms": time_ms, "attempts": 1},
        **(payload or {}),
    }
    return _event(
        "proxy.requests",
        n,
        time_us,
        namespace=2,
        event_type="proxy.request.failed" if failed else "proxy.request.routed",
        partition_key=target,
        payload=body,
    )


def _event(topic: str, n: int, time_us: int, *, namespace: int, **fields: Any) -> Event:
    return Event(
        event_id=str(uuid5(UUID(int=namespace), str(n))),
        time_us=time_us,
        correlation_id=f"correlation-{n}",
        trace_id="1" * 32,
        environment=ENVIRONMENT,
        position=Position(topic, 0, n, time_us // 1000),
        **fields,
    )


def through_kafka(derived: Derived) -> Event:
    """Return the event as its consumer reads it: nothing but JSON has survived."""
    event = derive(derived, IDENTITY)
    return msgspec.structs.replace(event, payload=orjson.loads(orjson.dumps(event.payload)))


class Pipeline:
    """An environment with a clock of its own; `published` holds all events of both topics, in order, but what series
    tell of themselves from time to time: that is in `told`, and the keys of baselines that are no more in `buried`.
    """

    def __init__(self, **config: Any) -> None:
        self.detectors = Detectors(DetectorConfig(environment=ENVIRONMENT, **config))
        self.states: dict[str, SeriesState] = {}
        self.published: list[Event] = []
        self.told: list[Event] = []
        self.buried: list[str] = []
        self.observed: list[tuple[str, Event]] = []
        self.now_us = START_US
        self._numbers = count()

    def start(self, service: str, startup_time_ms: float | None = None, **fields: Any) -> list[Event]:
        """Report a start; return what is published for it."""
        return self.report("started", service, startup_time_ms=startup_time_ms, **fields)

    def report(self, change: str, service: str, **fields: Any) -> list[Event]:
        """Report a change at the pipeline's time; return what is published for it."""
        event = lifecycle(change, service, n=next(self._numbers), **{"time_us": self.now_us, **fields})
        return self.take(event)

    def execute(self, tool: str, time_ms: float | None = None, **fields: Any) -> list[Event]:
        """Report an execution at the pipeline's time; return what is published for it."""
        return self.take(execution(tool, time_ms, n=next(self._numbers), **{"time_us": self.now_us, **fields}))

    def call(self, tool: str, target: str, time_ms: float | None = None, **fields: Any) -> list[Event]:
        """Report a proxied call at the pipeline's time; return what is published for it."""
        return self.take(proxied(tool, target, time_ms, n=next(self._numbers), **{"time_us": self.now_us, **fields}))

    def take(self, event: Event) -> list[Event]:
        """Run one event through both stages."""
        found: list[Event] = []
        for derived in self.detectors.observe(event):
            found += self._observe(derived)
        return found

    def _observe(self, derived: Derived) -> list[Event]:
        return self.apply(derived.key, self.through_kafka_now(derived))

    def through_kafka_now(self, derived: Derived) -> Event:
        """Return the event as its consumer reads it; no record is from the future, whatever its event says."""
        event = through_kafka(derived)
        time_ms = min(event.time_us, self.now_us) // 1000
        return msgspec.structs.replace(event, position=Position("intelligence.observations", 0, 0, time_ms))

    def apply(self, key: str, observation: Event) -> list[Event]:
        """Run one observation through stage 2."""
        self.observed.append((key, observation))
        state, derived = self.detectors.step(key, self.states.get(key), observation)
        return self._keep(key, state, derived)

    def wait(self, seconds: float, *, tick: bool = True) -> list[Event]:
        """Let time pass, with a tick at its end; return what is published because of it."""
        self.now_us += round(seconds * SECOND)
        return self.tick() if tick else []

    def tick(self) -> list[Event]:
        """Let every deadline that has come elapse, as the runtime does."""
        found: list[Event] = []
        for key in sorted(self.states):
            while (due := self.detectors.due(self.states[key])) is not None and due <= self.now_us:
                state, derived = self.detectors.elapse(key, self.states[key], self.now_us)
                assert state is None or self.detectors.due(state) != due, "the deadline must move on"
                found += self._keep(key, state, derived)
                if state is None:
                    break
        return found

    def drop(self, key: str) -> list[Event]:
        """Drop a series at the pipeline's time, as the runtime does with one that is too many."""
        return self._keep(key, *self.detectors.drop(key, self.states[key], self.now_us))

    def patterns(self, pattern_type: str) -> list[dict[str, Any]]:
        """Return what was published about patterns of a type: the `pattern_info` of each event."""
        infos = [event.payload["pattern_info"] for event in self.published if "pattern_info" in event.payload]
        return [info for info in infos if info["pattern_type"] == pattern_type]

    def _keep(self, key: str, state: SeriesState | None, derived: Sequence[Derived]) -> list[Event]:
        if state is None:
            self.states.pop(key, None)
        else:
            self.states[key] = _decoder.decode(_encoder.encode(state))
        events: list[Event] = []
        for one in derived:
            if one.topic == INTELLIGENCE_OBSERVATIONS.name:
                events += self._observe(one)
                continue
            event = through_kafka(one)
            if one.is_tombstone:
                self.buried.append(one.key)
            elif one.event_type in (BASELINE, SUMMARY):
                self.told.append(event)
            else:
                events.append(event)
                self.published.append(event)
        return events


def size(state: SeriesState) -> int:
    """Return the encoded size of a state, in bytes."""
    return len(_encoder.encode(state))
