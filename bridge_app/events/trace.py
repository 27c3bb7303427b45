"""Trace ids, as the W3C Trace Context recommendation has them."""

import re

_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)
_NO_TRACE = "0" * 32
_NO_PARENT = "0" * 16


def is_trace_id(text: str) -> bool:
    """Tell whether a text is 32 lower-case hex digits, not all zero."""
    return _TRACE_ID.fullmatch(text) is not None and text != _NO_TRACE


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id of a `traceparent`, None when it is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    version, trace_id, parent_id, further = match.groups()
    if trace_id == _NO_TRACE or parent_id == _NO_PARENT or (version == "00" and further is not None):
        return None
    return trace_id
