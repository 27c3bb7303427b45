"""Who may do what: scopes, roles, the routes they open, and the file of API keys (conventions §9)."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

import msgspec

from bridge_app.timestamps import parse_us

AREAS = ("hooks", "intelligence", "registry", "proxy", "workflows", "stamping", "experiments", "dlq", "admin")
INGEST = "experiments:ingest"
SCOPES = frozenset([f"{area}:{action}" for area in AREAS for action in ("read", "write")] + [INGEST])

_ADMIN_ONLY = {"admin:read", "admin:write"}
ROLES = {
    "admin": SCOPES,
    "user": SCOPES - _ADMIN_ONLY - {"dlq:write", INGEST},
    "viewer": frozenset(scope for scope in SCOPES - _ADMIN_ONLY if scope.endswith(":read")),
    "ingest": frozenset({"hooks:write", INGEST}),
}
DEFAULT_ROLE = "user"


class Credential(NamedTuple):
    """Who sent a request. `id` names it in events and is no secret; `tenant` is None where it names none."""

    id: str
    tenant: str | None
    scopes: frozenset[str]


def scopes_of(roles: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    """Return all scopes that roles and single scopes grant together; unknown ones grant nothing."""
    granted = set(scopes) & SCOPES
    return frozenset(granted.union(*(ROLES.get(role, frozenset()) for role in roles)))


class _Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{64}\Z")]
    scopes: list[str]
    tenant: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")] | None = None
    expires_at: str | None = None


class ApiKey(NamedTuple):
    """One key of the file: the hash of its text, and the time it expires, in microseconds since the epoch."""

    credential: Credential
    sha256: bytes
    expires_us: int | None


def read_api_keys(text: bytes) -> tuple[ApiKey, ...]:
    """Read the file of API keys: a JSON list of `{id, sha256, scopes[], tenant, expires_at}`.

    Raises:
        ValueError: saying what is wrong in it, and where.
    """
    try:
        entries = msgspec.json.decode(text, type=list[_Entry])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    _refuse_repeated("id", [entry.id for entry in entries])
    _refuse_repeated("sha256", [entry.sha256.lower() for entry in entries])
    return tuple(_api_key(f"$[{index}]", entry) for index, entry in enumerate(entries))


def _api_key(place: str, entry: _Entry) -> ApiKey:
    for index, scope in enumerate(entry.scopes):
        if scope not in SCOPES:
            raise ValueError(f"{place}.scopes[{index}]: {scope!r} is none of {', '.join(sorted(SCOPES))}")
    try:
        expires_us = None if entry.expires_at is None else parse_us(entry.expires_at)
    except ValueError as error:
        raise ValueError(f"{place}.expires_at: {error}") from error
    credential = Credential(entry.id, entry.tenant, frozenset(entry.scopes))
    return ApiKey(credential, bytes.fromhex(entry.sha256), expires_us)


def _refuse_repeated(field: str, values: Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"$[{index}].{field}: the same as $[{values.index(value)}].{field}")


def find_api_key(keys: Sequence[ApiKey], presented: str) -> ApiKey | None:
    """Return the key whose text was presented; the time taken tells nothing about the keys."""
    digest = hashlib.sha256(presented.encode(errors="surrogateescape")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found
