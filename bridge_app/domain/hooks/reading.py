"""What a client may ask of the hooks that were stored (hooks §7): filters and pages."""

from collections.abc import Mapping
from typing import Final

import msgspec

from bridge_app import ids
from bridge_app.cursors import TimeCursor, cursor_parameter
from bridge_app.domain.hooks.any_hook import ROUTES
from bridge_app.domain.hooks.tool_execution import COMPLETED, FAILED
from bridge_app.json_schema import any_case
from bridge_app.parameters import (
    DEFAULT_LIMIT,
    Parameter,
    Reader,
    limit_parameter,
    text_parameter,
    time_parameter,
)

TOPICS: Final = tuple(route.topic for route in ROUTES)
#: Hook type → the types of its events.
EVENT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    name: (COMPLETED, FAILED) if kind.event_type == COMPLETED else (kind.event_type,)
    for route in ROUTES
    for name, kind in route.types.items()
}
HOOK_PREFIX: Final = "hook_"

_ALIASES: Final = {alias: name for route in ROUTES for alias, name in route.aliases.items()}


class HookQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One question. Times are microseconds since the epoch, `until_us` is excluded; `after` is where the page before
    it ended.
    """

    hook_type: str | None = None
    service: str | None = None
    tool: str | None = None
    correlation_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    limit: int = DEFAULT_LIMIT
    after: tuple[int, str] | None = None

    @property
    def event_types(self) -> list[str]:
        """The types of the events that may match."""
        kinds = EVENT_TYPES.values() if self.hook_type is None else [EVENT_TYPES[self.hook_type]]
        return [event_type for kind in kinds for event_type in kind]

    @property
    def question(self) -> str:
        """A fingerprint of the filters: a cursor belongs to one."""
        return ids.name_based(
            self.hook_type, self.service, self.tool, self.correlation_id, self.since_us, self.until_us
        )

    def next_cursor(self, place: tuple[int, str], now_us: int) -> str:
        """Return the cursor of the page after the one that ends at a place."""
        return TimeCursor(now_us, self.question, place).encode()


def parse_query(params: Mapping[str, str], now_us: int) -> HookQuery:
    """Return the question of the query parameters; unknown ones are ignored.

    Raises:
        ValidationError: naming every parameter that is wrong, as `query.<name>`.
    """
    read = Reader(params)
    query = HookQuery(
        hook_type=read.value(HOOK_TYPE),
        service=read.value(SERVICE),
        tool=read.value(TOOL),
        correlation_id=read.value(CORRELATION),
        since_us=read.value(SINCE),
        until_us=read.value(UNTIL),
        limit=read.value(LIMIT),
    )
    cursor: TimeCursor | None = read.value(CURSOR)
    if cursor is not None:
        read.check(CURSOR, cursor.problem(query.question, now_us))
    read.finish()
    return query if cursor is None else msgspec.structs.replace(query, after=cursor.place)


def event_id_of(hook_id: str) -> str | None:
    """Return the event id of `hook_<uuid>` or of a bare UUID, None for any other text."""
    return ids.canonical(hook_id.removeprefix(HOOK_PREFIX))


def _hook_type(text: str) -> str:
    folded = text.lower().replace("-", "_")
    name = _ALIASES.get(folded, folded)
    if name not in EVENT_TYPES or not text.isascii():
        raise ValueError(f"Expected one of {', '.join(EVENT_TYPES)}")
    return name


HOOK_TYPE = Parameter(
    "hook_type",
    _hook_type,
    {"type": "string", "pattern": any_case((*EVENT_TYPES, *_ALIASES), dashes=True)},
    "Only hooks of this type.",
    examples=("service_started",),
)
SERVICE = text_parameter(
    "service", "Only hooks of this service; those of tools by the service that has, calls or executes them.", "shop"
)
TOOL = text_parameter("tool", "Only hooks of this tool.", "resize")
CORRELATION = text_parameter("correlation_id", "Only hooks with this correlation id.", "order-4711")
SINCE = time_parameter("since", "Only hooks that were received at this time or later.")
UNTIL = time_parameter("until", "Only hooks that were received before this time.")
LIMIT = limit_parameter("Hooks per page.")
CURSOR = cursor_parameter(TimeCursor)
#: All that `parse_query` reads.
PARAMETERS: Final = (HOOK_TYPE, SERVICE, TOOL, CORRELATION, SINCE, UNTIL, LIMIT, CURSOR)
