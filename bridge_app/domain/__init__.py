"""Pure logic, one module or package per domain: state and event in, state and derived events out.

Nothing here imports faust, asyncpg, aiohttp or a clock. `bridge_app/runtime` makes a reliable stream processor of it.
"""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from bridge_app.events.envelope import Derived

S = TypeVar("S")


class Outcome(NamedTuple, Generic[S]):
    """What a step makes of one event: the key's new state (None forgets the key) and the events derived from it."""

    state: S | None
    derived: Sequence[Derived] = ()
