"""What the events carry: the envelope, and the payload of each type (conventions §1)."""

from typing import Annotated, Any, Literal

import msgspec

from bridge_app.domain.intelligence.reports import Insight
from bridge_app.web.api.answers import Timestamp
from bridge_app.web.api.intelligence import Confidence, PatternBase, PatternId

Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Source(msgspec.Struct):
    """The worker that emitted an event."""

    service_name: str
    service_version: str
    instance_id: str


class Envelope(msgspec.Struct):
    """What every event of the bridge has; records of other producers are read tolerantly.

    `event_id` is the identity of the event: the same event may come twice, always under one id. `causation_id` is the
    id of its cause, null for a root event. `partition_key` is the Kafka key as text.
    """

    event_id: Uuid
    event_type: Text
    envelope_version: Literal["1.0"]
    event_version: str
    version: str
    event_timestamp: Timestamp
    timestamp: Timestamp
    source: Source
    source_node_id: str
    correlation_id: Text
    causation_id: Uuid | None
    trace_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    environment: str
    partition_key: str
    payload: dict[str, Any]
    metadata: dict[str, Any]


class StartTime(msgspec.Struct):
    """How long a start took, in milliseconds, and where the hook said so."""

    startup_time_ms: float | None
    startup_time_source: Literal["startup_info", "service_info", "steps"] | None


class ExecutionOutcome(msgspec.Struct):
    """How long an execution took, in milliseconds and where that is known, and what came of it."""

    execution_time_ms: float | None
    outcome: Literal["success", "failure", "cancelled"]


class PatternInfo(PatternBase):
    """A pattern at one revision; `pattern_data` is what it rests on."""

    pattern_data: dict[str, Any]
    discovery_method: str


class Resolution(msgspec.Struct):
    """Why a pattern is over, and how long it was there."""

    reason: str
    duration_seconds: float


class ResolvedPatternInfo(PatternInfo):
    """A pattern that is over."""

    resolution: Resolution


class AnalysisWindow(msgspec.Struct):
    """What was looked at: `sample_size` events between two times."""

    start_time: Timestamp
    end_time: Timestamp
    sample_size: int


class AnalysisContext(msgspec.Struct):
    """What a pattern was found in."""

    analysis_window: AnalysisWindow
    data_sources: list[str]


class ActionableInsights(msgspec.Struct):
    """What is worth doing, and what is worth worrying about."""

    optimization_opportunities: list[Insight]
    risk_indicators: list[Insight]


class PatternDiscovered(msgspec.Struct):
    """A pattern was found, or changed: a new revision."""

    pattern_info: PatternInfo
    analysis_context: AnalysisContext
    actionable_insights: ActionableInsights


class PatternResolved(msgspec.Struct):
    """A pattern is over."""

    pattern_info: ResolvedPatternInfo
    analysis_context: AnalysisContext
    actionable_insights: ActionableInsights


class StartupMeasured(msgspec.Struct):
    """A timed start beside the service's median before it; `ratio` is the one by the other."""

    service_name: str
    instance_id: str
    startup_time_ms: float
    startup_time_source: str
    baseline_ms: float | None
    ratio: float | None


class AnomalyInfo(msgspec.Struct):
    """Which anomaly it is: `anomaly_id` is the id of its pattern."""

    anomaly_id: PatternId
    detection_time: Timestamp
    anomaly_type: str
    severity: Literal["low", "medium", "high", "critical"]
    affected_services: list[str]
    affected_tools: list[str]


class PerformanceFigures(msgspec.Struct):
    """Times in milliseconds, `error_rate` a share; null where it is unknown."""

    avg_response_time_ms: float | None
    p95_response_time_ms: float | None
    error_rate: float | None
    throughput_rps: float | None


class MetricsData(msgspec.Struct):
    """What is usual beside what was seen; `degradation_factor` is how many times the median that was."""

    baseline_metrics: PerformanceFigures
    anomaly_metrics: PerformanceFigures
    degradation_factor: float


class ProbableCause(msgspec.Struct):
    """What may be behind it."""

    cause: str
    confidence: Confidence
    evidence: str


class RecommendedAction(msgspec.Struct):
    """What to do about it."""

    action: str
    priority: Literal["low", "medium", "high"]
    estimated_impact: str


class RootCauseAnalysis(msgspec.Struct):
    """Causes and actions belong together, in their order."""

    probable_causes: list[ProbableCause]
    recommended_actions: list[RecommendedAction]


class Explanation(msgspec.Struct):
    """How it was judged: `observed` reached `upper_limit`, `expected` is the median of `sample_count` values."""

    metric: str
    rule: str
    expected: float
    upper_limit: float
    observed: float
    modified_z: float
    sample_count: int
    flagged_share: float


class AnomalyDetected(msgspec.Struct):
    """Something took, or used, far more than usual."""

    anomaly_info: AnomalyInfo
    metrics_data: MetricsData
    root_cause_analysis: RootCauseAnalysis
    explanation: Explanation


class AnomalyRecovered(msgspec.Struct):
    """An anomaly is over."""

    anomaly_info: AnomalyInfo
    resolution: Resolution


class SeriesSummary(msgspec.Struct):
    """The figures of a series since the summary before; `upper_limit` is null while too little is known."""

    series: str
    metric: str
    count: int
    failures: int
    p50: float | None
    p95: float | None
    max: float | None
    upper_limit: float | None


class ErrorInfo(msgspec.Struct):
    """What is wrong, since when, and how often it was since the worker's start."""

    error_id: Uuid
    service_name: str
    instance_id: str
    error_type: str
    severity: Literal["critical"]
    message: str
    first_occurrence: Timestamp
    occurrence_count: int


class Impact(msgspec.Struct):
    """What an error means for users."""

    description: str


class ServiceError(msgspec.Struct):
    """Something an operator must know of; `context_info.alarm` names it, `recovery_actions` says what to do."""

    error_info: ErrorInfo
    context_info: dict[str, Any]
    impact_assessment: Impact
    recovery_actions: list[str]


class ChangeInfo(msgspec.Struct):
    """Which key changed, and who changed it: `changed_by` is the id of a credential, null for a change in Consul.

    `modify_index` is that of the value in Consul; of a deletion, of the deleted value.
    """

    configuration_key: str
    configuration_path: str
    previous_value: bool | float | str
    new_value: bool | float | str
    modify_index: int
    change_source: Literal["consul_kv", "admin_api"]
    changed_by: str | None
    change_reason: str | None


class ChangeImpact(msgspec.Struct):
    """Whom a change concerns, and when it has effect."""

    services: list[str]
    restart_required: Literal[False]
    effect: str


class RollbackInfo(msgspec.Struct):
    """How to take a change back: write the previous value, or delete the key when its value came from elsewhere."""

    previous_value: bool | float | str
    path: str
    delete: bool


class ConfigurationUpdated(msgspec.Struct):
    """Another value of a setting is in force."""

    change_info: ChangeInfo
    change_impact: ChangeImpact
    rollback_info: RollbackInfo


class ConfigurationRejected(msgspec.Struct):
    """A value in Consul that does not count; its `change_info` says that nothing changed."""

    change_info: ChangeInfo
    rejected_value: str
    reason: str
    in_force: bool | float | str


class DeadLetter(msgspec.Struct):
    """A record that can never be handled, with the reason; what text would not give back is kept in base64, too."""

    original_topic: str
    original_partition: int
    original_offset: int
    original_timestamp: Timestamp
    original_key: str | None
    original_key_base64: str | None
    original_headers: dict[str, str]
    original_headers_base64: dict[str, str]
    original_message: str | None
    original_message_base64: str | None
    original_event: dict[str, Any] | None
    error_type: str
    error_message: str
    error_context: dict[str, Any]
    agent: str
    failed_at: Timestamp
    retry_count: int
