"""Hooks: from the body a service sent to the one event that is published for it (hooks.md).

acceptance          what all hooks have in common: checked, completed, put into the envelope
lifecycle           a service started, stopped, or changed its health
tool_registration   a tool was discovered or updated
tool_execution      a tool was executed
any_hook            hooks of any type, as a batch has them
reading             what may be asked of the hooks that were stored
"""

from bridge_app.domain.hooks.acceptance import (
    CORRELATION_HINT,
    CORRELATION_PATTERN,
    Arrival,
    HookRoute,
    HookType,
    accept,
    hook_id,
    is_correlation_id,
)
from bridge_app.domain.hooks.any_hook import ROUTES, accept_any, items_of, route_of
from bridge_app.domain.hooks.lifecycle import LIFECYCLE
from bridge_app.domain.hooks.tool_execution import TOOL_EXECUTION
from bridge_app.domain.hooks.tool_registration import TOOL_REGISTRATION

__all__ = [
    "CORRELATION_HINT",
    "CORRELATION_PATTERN",
    "LIFECYCLE",
    "ROUTES",
    "TOOL_EXECUTION",
    "TOOL_REGISTRATION",
    "Arrival",
    "HookRoute",
    "HookType",
    "accept",
    "accept_any",
    "hook_id",
    "is_correlation_id",
    "items_of",
    "route_of",
]
