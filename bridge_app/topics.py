"""The topic catalogue (conventions §2): every topic the bridge reads or writes, with its partitions and retention.

Names here carry no prefix; `Topic.name_in` adds the deployment's.
"""

from typing import NamedTuple

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Topic(NamedTuple):
    """One topic. `retention` in seconds, None keeps what compaction leaves; `partitions` None takes the setting."""

    name: str
    retention: int | None
    compacted: bool = False
    partitions: int | None = None
    dead_letters: bool = True

    def name_in(self, prefix: str) -> str:
        """Return the name on the broker."""
        return f"{prefix}{self.name}"


HOOKS_SERVICE_LIFECYCLE = Topic("hooks.service_lifecycle", 7 * DAY)
HOOKS_TOOL_REGISTRATION = Topic("hooks.tool_registration", 7 * DAY)
HOOKS_TOOL_EXECUTION = Topic("hooks.tool_execution", 7 * DAY)
PROXY_REQUESTS = Topic("proxy.requests", 3 * DAY)
PROXY_CACHE = Topic("proxy.cache", 3 * DAY)
INTELLIGENCE_PATTERNS = Topic("intelligence.patterns", 7 * DAY)
INTELLIGENCE_PERFORMANCE = Topic("intelligence.performance", 7 * DAY)
CONFIGURATION_CHANGES = Topic("configuration.changes", 30 * DAY)
SYSTEM_ERRORS = Topic("system.errors", 30 * DAY)

INTELLIGENCE_OBSERVATIONS = Topic("intelligence.observations", DAY)
#: One record per idempotency key; every worker reads all of them.
HTTP_IDEMPOTENCY = Topic("http.idempotency", DAY, compacted=True, dead_letters=False)

#: Created at start, in this order. Further domains add theirs here.
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
)
INTERNAL = (INTELLIGENCE_OBSERVATIONS, HTTP_IDEMPOTENCY)
CATALOGUE = PUBLIC + INTERNAL


def dead_letter_topic(topic: Topic, suffix: str = ".dlq") -> Topic:
    """Return the dead-letter topic of a topic: kept for 30 days, never compacted."""
    return Topic(topic.name + suffix, 30 * DAY, partitions=topic.partitions, dead_letters=False)
