"""The topic catalogue (conventions §2): every topic the bridge reads or writes, with its partitions and retention.

Names here carry no prefix: `Settings.topic` returns the broker's name of each.
"""

from collections.abc import Iterable
from typing import NamedTuple

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Topic(NamedTuple):
    """One topic.

    `retention` in seconds, None keeps what compaction leaves; compacted with a retention is also deleted after it.
    `partitions` None takes the setting. `dead_letters`: it has a dead-letter topic. `stored`: the database adapter
    reads it. `letters_of` names the topic whose dead letters these are.
    """

    name: str
    retention: int | None
    compacted: bool = False
    partitions: int | None = None
    dead_letters: bool = True
    stored: bool = True
    letters_of: str | None = None

    @property
    def cleanup_policy(self) -> str:
        """Return the value of Kafka's `cleanup.policy`."""
        if not self.compacted:
            return "delete"
        return "compact" if self.retention is None else "compact,delete"


def _internal(name: str, retention: int | None, *, dead_letters: bool = False, compacted: bool = False) -> Topic:
    return Topic(name, retention, compacted=compacted, dead_letters=dead_letters, stored=False)


HOOKS_SERVICE_LIFECYCLE = Topic("hooks.service_lifecycle", 7 * DAY)
HOOKS_TOOL_REGISTRATION = Topic("hooks.tool_registration", 7 * DAY)
HOOKS_TOOL_EXECUTION = Topic("hooks.tool_execution", 7 * DAY)
PROXY_REQUESTS = Topic("proxy.requests", 3 * DAY)
PROXY_CACHE = Topic("proxy.cache", 3 * DAY)
INTELLIGENCE_PATTERNS = Topic("intelligence.patterns", 7 * DAY)
INTELLIGENCE_PERFORMANCE = Topic("intelligence.performance", 7 * DAY)
CONFIGURATION_CHANGES = Topic("configuration.changes", 30 * DAY)
SYSTEM_ERRORS = Topic("system.errors", 30 * DAY)
REGISTRY_SERVICES = Topic("registry.services", None, compacted=True)
REGISTRY_TOOLS = Topic("registry.tools", None, compacted=True)
REGISTRY_NODES = Topic("registry.nodes", None, compacted=True)
NODE_INTROSPECTION = Topic("node-introspection.v1", HOUR)
NODE_HEARTBEAT = Topic("node-heartbeat.v1", 30 * MINUTE)
REGISTRY_REQUEST_INTROSPECTION = Topic("registry-request-introspection.v1", HOUR)
WORKFLOW_REQUESTS = Topic("workflow.requests", 7 * DAY)
WORKFLOW_EVENTS = Topic("workflow.events", 7 * DAY)
WORKFLOW_STAMPING_COMPLETED = Topic("workflow.stamping.completed", 7 * DAY)
WORKFLOW_STAMPING_FAILED = Topic("workflow.stamping.failed", 7 * DAY)
METADATA_STAMPED = Topic("metadata.stamped", 7 * DAY)
AGGREGATION_EVENTS = Topic("aggregation.events", 7 * DAY)
AGGREGATION_STATE = Topic("aggregation.state", None, compacted=True)
EXPERIMENT_COMMANDS = Topic("experiment.commands", 7 * DAY)
EXPERIMENT_EVENTS = Topic("experiment.events", 7 * DAY)
EXPERIMENT_SAMPLES = Topic("experiment.samples", HOUR, stored=False)
EXPERIMENT_CONFIGS = Topic("experiment.configs", None, compacted=True, stored=False)

INTELLIGENCE_OBSERVATIONS = _internal("intelligence.observations", DAY, dead_letters=True)
INTELLIGENCE_BASELINES = _internal("intelligence.baselines", None, compacted=True)
REGISTRY_HEARTBEATS = _internal("registry.heartbeats", 30 * MINUTE)
PROXY_CONTROL = Topic("proxy.control", DAY, partitions=1, dead_letters=False, stored=False)
WORKFLOW_STEPS = _internal("workflow.steps", DAY, dead_letters=True)
WORKFLOW_STEP_RESULTS = _internal("workflow.step_results", DAY, dead_letters=True)
AGGREGATION_ITEMS = _internal("aggregation.items", DAY, dead_letters=True)
WORKFLOW_TICKS = _internal("workflow.ticks", 10 * MINUTE)
AGGREGATION_TICKS = _internal("aggregation.ticks", 10 * MINUTE)
EXPERIMENT_TICKS = _internal("experiment.ticks", 10 * MINUTE)
HTTP_IDEMPOTENCY = _internal("http.idempotency", 24 * HOUR, compacted=True)

#: The first nine are those that events are routed to by their type, in the order of `_ROUTES`.
PUBLIC = (
    HOOKS_SERVICE_LIFECYCLE,
    HOOKS_TOOL_REGISTRATION,
    HOOKS_TOOL_EXECUTION,
    PROXY_REQUESTS,
    PROXY_CACHE,
    INTELLIGENCE_PATTERNS,
    INTELLIGENCE_PERFORMANCE,
    CONFIGURATION_CHANGES,
    SYSTEM_ERRORS,
    REGISTRY_SERVICES,
    REGISTRY_TOOLS,
    REGISTRY_NODES,
    NODE_INTROSPECTION,
    NODE_HEARTBEAT,
    REGISTRY_REQUEST_INTROSPECTION,
    WORKFLOW_REQUESTS,
    WORKFLOW_EVENTS,
    WORKFLOW_STAMPING_COMPLETED,
    WORKFLOW_STAMPING_FAILED,
    METADATA_STAMPED,
    AGGREGATION_EVENTS,
    AGGREGATION_STATE,
    EXPERIMENT_COMMANDS,
    EXPERIMENT_EVENTS,
    EXPERIMENT_SAMPLES,
    EXPERIMENT_CONFIGS,
)
INTERNAL = (
    INTELLIGENCE_OBSERVATIONS,
    INTELLIGENCE_BASELINES,
    REGISTRY_HEARTBEATS,
    PROXY_CONTROL,
    WORKFLOW_STEPS,
    WORKFLOW_STEP_RESULTS,
    AGGREGATION_ITEMS,
    WORKFLOW_TICKS,
    AGGREGATION_TICKS,
    EXPERIMENT_TICKS,
    HTTP_IDEMPOTENCY,
)
CATALOGUE = PUBLIC + INTERNAL

#: Topics that one domain reads side by side, partition by partition: within a group the counts must be equal.
CO_PARTITIONED = (
    (WORKFLOW_REQUESTS, WORKFLOW_STEP_RESULTS, WORKFLOW_TICKS),
    (AGGREGATION_ITEMS, AGGREGATION_TICKS),
    (REGISTRY_SERVICES, REGISTRY_HEARTBEATS),
    (EXPERIMENT_COMMANDS, EXPERIMENT_SAMPLES, EXPERIMENT_TICKS),
)

_ROUTES = (
    ("service.lifecycle.", HOOKS_SERVICE_LIFECYCLE),
    ("tool.registration.", HOOKS_TOOL_REGISTRATION),
    ("tool.execution.", HOOKS_TOOL_EXECUTION),
    ("proxy.request.", PROXY_REQUESTS),
    ("proxy.cache.", PROXY_CACHE),
    ("intelligence.pattern.", INTELLIGENCE_PATTERNS),
    ("intelligence.performance.", INTELLIGENCE_PERFORMANCE),
    ("configuration.", CONFIGURATION_CHANGES),
    ("error.", SYSTEM_ERRORS),
)


def topic_of(event_type: str) -> Topic | None:
    """Return the topic that events of a type go to, None when the type alone does not say.

    Types are compared after lower-casing and turning `-` into `_`.
    """
    normal = event_type.lower().replace("-", "_")
    return next((topic for start, topic in _ROUTES if normal.startswith(start)), None)


def dead_letter_topic(topic: Topic, suffix: str = ".dlq") -> Topic:
    """Return the dead-letter topic of a topic: kept for 30 days, never compacted, as many partitions as the topic."""
    return Topic(topic.name + suffix, 30 * DAY, partitions=topic.partitions, dead_letters=False, letters_of=topic.name)


def with_dead_letters(topics: Iterable[Topic], suffix: str) -> list[Topic]:
    """Return topics and, behind each that has one, its dead-letter topic."""
    found = []
    for topic in topics:
        found.append(topic)
        if topic.dead_letters:
            found.append(dead_letter_topic(topic, suffix))
    return found
