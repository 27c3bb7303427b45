"""The typed payloads of `intelligence.*`: observations, which connect the two stages, and the pattern (§1, §6).

Times inside are microseconds since the epoch; `as_dict` renders them as conventions §1 has it.
"""

from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from bridge_app import ids
from bridge_app.events.envelope import Event
from bridge_app.timestamps import format_us, parse_us

OBSERVATION = "intelligence.observation"
PATTERN_DISCOVERED = "intelligence.pattern.discovered"
PATTERN_RESOLVED = "intelligence.pattern.resolved"
STARTUP_MEASURED = "intelligence.performance.startup_measured"
ANOMALY_DETECTED = "intelligence.performance.anomaly_detected"
RECOVERED = "intelligence.performance.recovered"
SUMMARY = "intelligence.performance.summary"
BASELINE = "intelligence.baseline"
FEEDBACK = "intelligence.feedback"

SERVICE_INITIALIZATION = "service_initialization"
STARTUP_PERFORMANCE = "startup_performance"
PERFORMANCE_ANOMALY = "performance_anomaly"
PERFORMANCE_TREND = "performance_trend"
FAILURE_PATTERN = "failure_pattern"
SERVICE_COMMUNICATION = "service_communication"
TOOL_SEQUENCE = "tool_sequence"

STATUSES = ("active", "resolved", "dismissed")
SEVERITIES = ("low", "medium", "high", "critical")

#: Members of `affected_services` and `affected_tools` that a pattern lists; their number is in `…_total`.
LISTED = 100

#: A duration in milliseconds; whole numbers stay whole.
Millis = Annotated[int, msgspec.Meta(ge=0)] | Annotated[float, msgspec.Meta(ge=0)]
Outcome: TypeAlias = Literal["success", "failure", "cancelled"]
#: Any measured amount, in the unit of its name.
Quantity = Millis


class Origin(msgspec.Struct, frozen=True):
    """Where the cause of an observation stands in Kafka."""

    topic: str
    partition: int
    offset: int


class StepTime(msgspec.Struct, frozen=True):
    """One initialization step of a start."""

    step: str
    duration_ms: Millis
    status: str | None = None


class LifecycleObservation(msgspec.Struct, frozen=True, kw_only=True):
    """What one lifecycle event says about its service; `steps` are the first ones, in the order of the event."""

    cause_id: UUID
    origin: Origin | None
    change: Literal["started", "stopped", "health_changed"]
    service: str
    instance_id: str
    version: str
    startup_time_ms: Millis | None = None
    startup_time_source: str | None = None
    steps: tuple[StepTime, ...] = ()
    slowest_step: StepTime | None = None
    failed_steps: tuple[str, ...] = ()
    health: str | None = None


class CohortObservation(msgspec.Struct, frozen=True, kw_only=True):
    """A timed start as the others of its environment are compared with it; `steps` are its slowest."""

    cause_id: UUID
    origin: Origin | None
    service: str
    startup_time_ms: Millis
    steps: tuple[StepTime, ...] = ()


class ExecutionObservation(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a tool, as earlier ones of the same executor are compared with it."""

    cause_id: UUID
    origin: Origin | None
    tool: str
    executor: str
    outcome: Outcome
    execution_time_ms: Quantity | None = None
    cpu_peak_percent: Quantity | None = None
    memory_peak_mb: Quantity | None = None


class LinkObservation(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a service by another."""

    cause_id: UUID
    origin: Origin | None
    source: str
    target: str
    tool: str
    failed: bool
    time_ms: Quantity | None = None


class SessionObservation(msgspec.Struct, frozen=True, kw_only=True):
    """A tool was used in a session."""

    cause_id: UUID
    origin: Origin | None
    tool: str


class SuccessorObservation(msgspec.Struct, frozen=True, kw_only=True):
    """In some session a tool was used soon after another one."""

    cause_id: UUID
    origin: Origin | None
    next_tool: str
    gap_ms: Quantity


AnyObservation: TypeAlias = (
    LifecycleObservation
    | CohortObservation
    | ExecutionObservation
    | LinkObservation
    | SessionObservation
    | SuccessorObservation
)


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody thinks of a pattern; `uuid` is its bare id, `pattern` what was known of it, as the API shows it."""

    uuid: str
    verdict: Literal["false_positive", "confirmed"]
    comment: str | None = None
    pattern: dict[str, Any]


class MetricBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual for a metric; without `upper_limit` not enough is known yet. `unlikely` is the limit without its
    least margin, which a confidence is measured by; `flagged` of the last `judged` values were above it.
    """

    metric: str
    samples: int
    median: float | None
    mad: float | None
    max: float | None
    upper_limit: float | None
    unlikely: float | None
    flagged: int
    judged: int


class SeriesBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of a series, as every worker has it; `last_seen_us` is the time of its last observation."""

    series: str
    services: tuple[str, ...]
    tools: tuple[str, ...]
    last_seen_us: int
    metrics: tuple[MetricBaseline, ...]
    avg_execution_time_ms: float | None
    success_rate: float | None


class Recommendation(msgspec.Struct, frozen=True):
    """What to do about a pattern."""

    type: str
    description: str
    priority: Literal["low", "medium", "high"]


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern at one revision. `uuid` is the bare id, `series` the key it was found in."""

    uuid: str
    pattern_type: str
    confidence_score: float
    discovered_us: int
    last_seen_us: int
    status: str = "active"
    severity: str | None = None
    phase: str | None = None
    revision: int = 1
    occurrences: int = 1
    affected_services: tuple[str, ...] = ()
    affected_services_total: int = 0
    affected_tools: tuple[str, ...] = ()
    affected_tools_total: int = 0
    description: str = ""
    recommendations: tuple[Recommendation | dict[str, Any], ...] = ()
    environment: str = ""
    series: str | None = None
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def pattern_id(self) -> str:
        """The id as clients see it."""
        return f"pattern_{self.uuid}"

    def as_dict(self) -> dict[str, Any]:
        """Return the pattern as `GET /intelligence/patterns` shows it."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        del fields["uuid"], fields["discovered_us"], fields["last_seen_us"]
        return {
            "pattern_id": self.pattern_id,
            "discovery_time": format_us(self.discovered_us),
            "last_seen": format_us(self.last_seen_us),
            **fields,
        }


def bare_id(pattern_id: str) -> str | None:
    """Return the UUID of `pattern_<uuid>` or of a bare UUID, None for any other text."""
    return ids.canonical(pattern_id.removeprefix("pattern_"))


def read_pattern(event: Event) -> Pattern | None:
    """Return the pattern of an `intelligence.pattern.*` event of any producer, None when it carries none.

    Only `pattern_type` and a `confidence_score` in 0..1 must be there; the rest has defaults. A pattern without an id
    of its own has that of its event.
    """
    kind = event.normal_type
    info = event.payload.get("pattern_info")
    if kind not in (PATTERN_DISCOVERED, PATTERN_RESOLVED) or not isinstance(info, dict):
        return None
    own = _text(info, "pattern_id")
    uuid = event.event_id if own is None else bare_id(own) or ids.from_text(own)
    status = "resolved" if kind == PATTERN_RESOLVED else "active"
    return read_info(info, uuid=uuid, status=status, time_us=event.time_us, environment=event.environment)


def read_info(info: dict[str, Any], *, uuid: str, status: str, time_us: int, environment: str) -> Pattern | None:
    """Return the pattern that `pattern_info` describes, None when it describes none.

    `status`, `time_us` and `environment` stand in for what it lacks; what it has in a wrong form counts as lacking.
    """
    pattern_type, confidence = _text(info, "pattern_type"), _share(info, "confidence_score")
    if not pattern_type or len(pattern_type) > 100 or confidence is None:
        return None
    services, tools = _names(info, "affected_services"), _names(info, "affected_tools")
    evidence = info.get("pattern_data", info.get("evidence"))
    recommendations = info.get("recommendations")
    return Pattern(
        uuid=uuid,
        pattern_type=pattern_type,
        confidence_score=confidence,
        discovered_us=_time(info, "discovery_time", time_us),
        last_seen_us=_time(info, "last_seen", time_us),
        status=_choice(info, "status", STATUSES) or status,
        severity=_choice(info, "severity", SEVERITIES),
        phase=_text(info, "phase"),
        revision=_count(info, "revision", 1),
        occurrences=_count(info, "occurrences", 1),
        affected_services=services[:LISTED],
        affected_services_total=_count(info, "affected_services_total", len(services)),
        affected_tools=tools[:LISTED],
        affected_tools_total=_count(info, "affected_tools_total", len(tools)),
        description=_text(info, "description") or "",
        recommendations=tuple(recommendations) if isinstance(recommendations, list) else (),
        environment=_text(info, "environment") or environment,
        series=_text(info, "series"),
        evidence=evidence if isinstance(evidence, dict) else {},
    )


def _share(info: dict[str, Any], name: str) -> float | None:
    value = info.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1 else None


def _text(info: dict[str, Any], name: str) -> str | None:
    value = info.get(name)
    return value if isinstance(value, str) else None


def _choice(info: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = info.get(name)
    return value if value in allowed else None


def _count(info: dict[str, Any], name: str, default: int) -> int:
    value = info.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else default


def _names(info: dict[str, Any], name: str) -> tuple[str, ...]:
    value = info.get(name)
    return tuple(sorted({item for item in value if isinstance(item, str)})) if isinstance(value, list) else ()


def _time(info: dict[str, Any], name: str, default: int) -> int:
    try:
        return parse_us(_text(info, name) or "")
    except ValueError:
        return default
