"""Stage 1: an event becomes observations on `intelligence.observations` (intelligence §1).

Stateless. Observations are keyed by the series or scope they belong to, so that neither the keys nor the partition
counts of the source topics matter to the state of stage 2. They are the cause's events: its correlation, its trace, its
time; and they name its position and id, with which stage 2 knows a replay.
"""

from collections.abc import Sequence

from bridge_app.domain.intelligence.execution_observations import observe_execution
from bridge_app.domain.intelligence.keyed import cause_of, observed
from bridge_app.domain.intelligence.lifecycle_observations import observe_lifecycle
from bridge_app.domain.intelligence.proxied_observations import observe_proxied
from bridge_app.events.envelope import Derived, Event


def observe(event: Event, environment: str) -> Sequence[Derived]:
    """Return the observations an event is worth, none for events of other kinds.

    Raises:
        PoisonRecord: INVALID_PAYLOAD, when an event of services or tools has values of a wrong type.
    """
    cause = cause_of(event)
    found = [*observe_lifecycle(event, environment), *observe_execution(event), *observe_proxied(event)]
    return [observed(key, observation, cause) for key, observation in found]
