"""Scopes, roles, the routes they open, and the file of API keys (conventions §9)."""

import hashlib
from typing import Any

import orjson
import pytest

from bridge_app.domain.access import is_experiments, is_open, required_scope
from bridge_app.domain.credentials import ROLES, SCOPES, find_api_key, read_api_keys, scopes_of

KEY = {"id": "k", "sha256": hashlib.sha256(b"secret").hexdigest(), "scopes": ["hooks:write"]}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/hooks", "hooks:read"),
        ("HEAD", "/hooks/{hook_id}", "hooks:read"),
        ("POST", "/hooks/service/lifecycle", "hooks:write"),
        ("GET", "/intelligence/patterns", "intelligence:read"),
        ("DELETE", "/registry/services/{key}", "registry:write"),
        ("POST", "/proxy/tool/{tool_name}", "proxy:write"),
        ("GET", "/cache/stats", "proxy:read"),
        ("POST", "/circuit-breaker/reset/{service}", "proxy:write"),
        ("POST", "/workflows", "workflows:write"),
        ("GET", "/aggregations", "workflows:read"),
        ("POST", "/stamp", "stamping:write"),
        ("GET", "/api/v1/metadata-stamping/namespace/{ns}", "stamping:read"),
        ("PATCH", "/api/v1/experiments/{id}/pipeline", "experiments:write"),
        ("GET", "/ws", "experiments:read"),
        ("POST", "/api/v1/experiments/{id}/samples", "experiments:ingest"),
        ("POST", "/api/v1/experiments/{id}/otlp/v1/metrics", "experiments:ingest"),
        ("GET", "/api/v1/experiments/nodes/{node}/configs", "experiments:ingest"),
        ("POST", "/api/v1/experiments/{id}/deployments/{variant}/ack", "experiments:ingest"),
        ("POST", "/dlq/{topic}/replay", "dlq:write"),
        ("PUT", "/admin/config", "admin:write"),
        ("GET", "/hooksy", "admin:read"),
        ("GET", "/api/v1/experimentsy", "admin:read"),
    ],
)
def test_a_route_needs_the_scope_of_its_area(method: str, path: str, scope: str) -> None:
    assert required_scope(method, path) == scope
    assert scope in SCOPES


def test_only_what_the_specification_opens_is_open() -> None:
    assert all(map(is_open, ["/health", "/ready", "/metrics", "/openapi.json", "/asyncapi.json", "/docs", "/"]))
    assert not any(map(is_open, ["/healthy", "/health/x", "/hooks", "/admin/config", "/ws", "//health"]))


def test_a_key_of_tokens_closes_experiments_and_the_websocket_only() -> None:
    assert all(map(is_experiments, ["/ws", "/api/v1/experiments", "/api/v1/experiments/{id}"]))
    assert not any(map(is_experiments, ["/hooks", "/wss", "/api/v1/experimentsy", "/api/v1/metadata-stamping/stamp"]))


def test_roles_grant_what_the_specification_says() -> None:
    assert ROLES["admin"] == SCOPES
    assert SCOPES - ROLES["user"] == {"dlq:write", "admin:read", "admin:write", "experiments:ingest"}
    assert ROLES["viewer"] == {scope for scope in SCOPES if scope.endswith(":read")} - {"admin:read"}
    assert ROLES["ingest"] == {"hooks:write", "experiments:ingest"}
    assert scopes_of(["ingest", "nobody"], ["dlq:read", "dlq:everything"]) == {*ROLES["ingest"], "dlq:read"}


def test_a_key_is_found_by_its_text() -> None:
    other = {**KEY, "id": "other", "sha256": hashlib.sha256(b"other").hexdigest().upper(), "tenant": "t-1"}
    keys = read_api_keys(orjson.dumps([KEY, {**other, "expires_at": "2030-01-01T00:00:00Z"}]))

    found = find_api_key(keys, "other")
    assert found is not None
    assert (found.credential.id, found.credential.tenant) == ("other", "t-1")
    assert found.expires_us == 1_893_456_000_000_000
    assert find_api_key(keys, "secret ") is None
    assert find_api_key(keys, "\udcff") is None
    assert find_api_key((), "secret") is None


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        (b"", "data"),
        (b"{}", "array"),
        ([{**KEY, "sha256": "secret"}], r"\$\[0\].sha256"),
        ([{**KEY, "sha256": KEY["sha256"] + "\n"}], r"\$\[0\].sha256"),  # type: ignore[operator]
        ([KEY, {"id": "x", "scopes": []}], r"`sha256` - at `\$\[1\]`"),
        ([{**KEY, "id": ""}], r"\$\[0\].id"),
        ([{**KEY, "tenant": "a b"}], r"\$\[0\].tenant"),
        ([{**KEY, "scopes": ["hooks:write", "hooks:wirte"]}], r"\$\[0\]\.scopes\[1\]: 'hooks:wirte' is none of"),
        ([{**KEY, "expires_at": "tomorrow"}], r"\$\[0\]\.expires_at: Expected an RFC 3339 time"),
        ([{**KEY, "expire_at": "2030-01-01T00:00:00Z"}], "expire_at"),
        ([KEY, {**KEY, "sha256": "0" * 64}], r"\$\[1\]\.id: the same as \$\[0\]"),
        ([KEY, {**KEY, "id": "k2"}], r"\$\[1\]\.sha256: the same as \$\[0\]"),
    ],
)
def test_a_bad_file_of_keys_is_refused_with_the_place(entries: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_api_keys(entries if isinstance(entries, bytes) else orjson.dumps(entries))
