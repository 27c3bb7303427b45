"""What an operator must hear of: the runtime hands it to whoever publishes it, and never waits for that."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import structlog

log = structlog.get_logger(__name__)


class Alarm(NamedTuple):
    """`error_type` is one of AGENT_STOPPED, TOPIC_STOPPED, RECORDS_LOST, COMMITS_STALLED, STATE_SET_ASIDE.

    `context` says where.
    """

    error_type: str
    message: str
    context: Mapping[str, Any]


#: Publish an alarm; returns when it is safe, and raises nothing.
Raise = Callable[[Alarm], Awaitable[None]]
#: Say that the alarm of an error type and a context is over, if there is one; returns at once, and raises nothing.
Clear = Callable[[str, Mapping[str, Any]], None]


async def log_only(alarm: Alarm) -> None:
    """Write an alarm to the log, for want of anybody who publishes it."""
    log.critical("alarm", error_type=alarm.error_type, message=alarm.message, **alarm.context)


def forget(_error_type: str, _context: Mapping[str, Any]) -> None:
    """Say nothing, for want of anybody who knows of the alarm."""
