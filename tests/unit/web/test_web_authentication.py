"""Who gets in, over HTTP (conventions §9)."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from standardwebhooks.webhooks import Webhook

from bridge_app.errors import SettingsError
from bridge_app.settings import Settings
from bridge_app.web.authentication import create_authenticator
from tests.unit.web.asking import ROUTE
from tests.unit.web.conftest import StartWorker
from tests.unit.web.http_worker import MAX_BODY_BYTES, Worker

START = {"hook_type": "service_started", "service_info": {"name": "s", "version": "1", "instance_id": "i"}}
JWT_SECRET = "0123456789abcdef0123456789abcdef"
HOOK_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
MakeSettings = Callable[..., Settings]


def key(key_id: str, *scopes: str, **fields: Any) -> dict[str, Any]:
    """The entry of a key whose text is its id."""
    return {"id": key_id, "sha256": hashlib.sha256(key_id.encode()).hexdigest(), "scopes": scopes, **fields}


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(
        orjson.dumps(
            [
                key("writer", "hooks:write", tenant="acme"),
                key("reader", "intelligence:read"),
                key("past-key", "hooks:write", expires_at="2024-01-15T10:30:00Z"),
                key("expiring", "hooks:write", expires_at="2024-01-15T10:30:01Z"),
            ]
        )
    )
    return path


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.json"
    path.write_bytes(orjson.dumps({"shop": [HOOK_SECRET]}))
    return path


@pytest.fixture
async def worker(start_worker: StartWorker, keys_file: Path, secrets_file: Path) -> Worker:
    return await start_worker(
        AUTH_ENABLED="true",
        BRIDGE_API_KEYS_FILE=keys_file,
        JWT_SECRET=JWT_SECRET,
        WEBHOOK_SIGNATURES="optional",
        WEBHOOK_SECRETS_FILE=secrets_file,
    )


@pytest.fixture
async def http(worker: Worker) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(worker.url) as session:
        yield session


async def post(http: aiohttp.ClientSession, **options: Any) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    options = {"json": START} | options if "data" not in options else options
    async with http.post(ROUTE, **options) as response:
        return response, await response.json()


def bearer(**claims: Any) -> dict[str, str]:
    token = jwt.encode({"exp": int(time.time()) + 60, "sub": "me", **claims}, JWT_SECRET, algorithm="HS256")
    return {"Authorization": f"Bearer {token}"}


def signature(worker: Worker, body: bytes, secret: str = HOOK_SECRET) -> dict[str, str]:
    at = datetime.fromtimestamp(worker.clock.time_us // 1_000_000, UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body.decode()),
        "X-Hook-Source": "shop",
    }


async def test_conventions_16_without_a_key_401_without_the_scope_403(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    response, answer = await post(http)
    assert (response.status, answer["error"]["code"]) == (401, "UNAUTHORIZED")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="omninode-bridge"'

    response, answer = await post(http, headers={"X-API-Key": "reader"})
    assert (response.status, answer["error"]["code"]) == (403, "FORBIDDEN")
    assert answer["error"]["details"] == {"required": "hooks:write", "granted": ["intelligence:read"]}

    assert worker.published == []


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_conventions_16_open_routes_ask_for_nothing(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path, headers={"X-API-Key": "wrong"}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "writer"},
        {"X-Service-Auth": "writer"},
        {"Authorization": "Bearer writer"},
        {"Authorization": "bearer  writer"},
        {"X-API-Key": "expiring"},
    ],
)
async def test_a_key_opens_in_each_of_its_headers_and_names_its_events(
    worker: Worker, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    response, _ = await post(http, headers=headers)

    assert response.status == 200
    assert worker.published[0][1].metadata["auth_id"] in ("writer", "expiring")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "past-key"},
        {"X-API-Key": "wrong", "Authorization": "Bearer writer"},
        {"Authorization": "Basic d3JpdGVyOng="},
        {"Authorization": "writer"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a.b.c"},
    ],
)
async def test_a_bad_credential_is_401_and_not_repeated(
    worker: Worker, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    response, answer = await post(http, headers=headers)

    assert (response.status, answer["error"]["code"]) == (401, "UNAUTHORIZED")
    assert "WWW-Authenticate" in response.headers
    assert not [value for value in headers.values() if value and value in str(answer)]
    assert worker.published == []


@pytest.mark.parametrize("name", ["X-API-Key", "X-Service-Auth"])
async def test_conventions_9_a_token_comes_as_bearer_only(http: aiohttp.ClientSession, name: str) -> None:
    token = bearer()["Authorization"].removeprefix("Bearer ")
    response, answer = await post(http, headers={name: token})

    assert (response.status, answer["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_a_token_opens_what_its_roles_and_scopes_grant(worker: Worker, http: aiohttp.ClientSession) -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 200),
        ({"roles": ["ingest"]}, 200),
        ({"roles": ["viewer"]}, 403),
        ({"roles": []}, 403),
        ({"scopes": ["hooks:write"]}, 200),
        ({"scopes": ["hooks:read"]}, 403),
        ({"roles": ["viewer"], "scopes": ["hooks:write"]}, 200),
    ]
    for claims, status in cases:
        response, _ = await post(http, headers=bearer(**claims))
        assert (claims, response.status) == (claims, status)
    assert {event.metadata["auth_id"] for _, event in worker.published} == {"me"}


@pytest.mark.parametrize(
    "claims",  # times in seconds from now
    [
        {"exp": -40},
        {"exp": None},
        {"nbf": 400},
        {"roles": "admin"},
        {"scopes": [1]},
        {"tenant_id": 7},
        {"sub": 7},
    ],
)
async def test_a_token_that_is_expired_early_or_malformed_is_401(
    http: aiohttp.ClientSession, claims: dict[str, Any]
) -> None:
    now = int(time.time())
    at = {name: now + value if name in ("exp", "nbf") and value else value for name, value in claims.items()}
    response, _ = await post(http, headers=bearer(**at))

    assert response.status == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_a_token_without_an_end_is_401(http: aiohttp.ClientSession) -> None:
    token = jwt.encode({"sub": "me"}, JWT_SECRET, algorithm="HS256")
    response, _ = await post(http, headers={"Authorization": f"Bearer {token}"})
    assert response.status == 401


async def test_a_token_may_be_30_seconds_late(http: aiohttp.ClientSession) -> None:
    response, _ = await post(http, headers=bearer(exp=int(time.time()) - 15))
    assert response.status == 200


async def test_a_token_without_signature_or_of_another_algorithm_is_401(http: aiohttp.ClientSession) -> None:
    claims = {"exp": int(time.time()) + 60}
    for token in (
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, JWT_SECRET * 2, algorithm="HS512"),
        jwt.encode(claims, JWT_SECRET + "x", algorithm="HS256"),
    ):
        response, _ = await post(http, headers={"Authorization": f"Bearer {token}"})
        assert response.status == 401


@pytest.mark.parametrize(
    ("private_key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
async def test_a_public_key_closes_the_experiments_alone_and_reads_the_tokens_of_its_private_key(
    start_worker: StartWorker, tmp_path: Path, private_key: Any, algorithm: str
) -> None:
    pem = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    worker = await start_worker(JWT_PUBLIC_KEY_FILE=tmp_path / "key.pem", JWT_ISSUER="us", JWT_AUDIENCE="bridge")

    def token(**claims: Any) -> dict[str, str]:
        full = {"exp": int(time.time()) + 60, "iss": "us", "aud": "bridge", **claims}
        return {"Authorization": f"Bearer {jwt.encode(full, private_key, algorithm=algorithm)}"}

    confused = jwt.api_jws.PyJWS()
    hmac_token = confused.encode(b"{}", b"x" * 32, algorithm="HS256")
    async with aiohttp.ClientSession(worker.url) as http:
        assert (await post(http))[0].status == 200
        for headers, status in [
            ({}, 401),
            ({"Authorization": f"Bearer {hmac_token}"}, 401),
            (token(iss="them"), 401),
            (token(aud="another"), 401),
            (token(), 404),  # the routes of experiments are not there yet
        ]:
            async with http.get("/api/v1/experiments", headers=headers) as response:
                assert response.status == status


async def test_an_unknown_path_is_401_without_and_404_with_any_credential(http: aiohttp.ClientSession) -> None:
    for headers, status in [({}, 401), ({"X-API-Key": "reader"}, 404)]:
        async with http.get("/nowhere", headers=headers) as response:
            assert response.status == status


async def test_authentication_comes_before_everything_but_the_size_of_the_body(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    text = {"Content-Type": "text/plain"}
    for data, headers, status in [
        (b" " * (MAX_BODY_BYTES + 1), text, 413),
        (b"not JSON", text, 401),
        (b"not JSON", {**text, "X-Correlation-ID": "x" * 256}, 401),
        (b"not JSON", {**text, "X-Correlation-ID": "x" * 256, "X-API-Key": "writer"}, 415),
        (b"not JSON", {"X-Correlation-ID": "x" * 256, "X-API-Key": "writer", "Content-Type": "application/json"}, 400),
        (b"{}", {"X-Correlation-ID": "x" * 256, "X-API-Key": "writer", "Content-Type": "application/json"}, 422),
    ]:
        response, _ = await post(http, data=data, headers=headers)
        assert response.status == status


async def test_a_signed_hook_needs_no_other_credential(worker: Worker, http: aiohttp.ClientSession) -> None:
    body = orjson.dumps(START)
    response, _ = await post(http, data=body, headers={"Content-Type": "application/json", **signature(worker, body)})

    assert response.status == 200
    assert worker.published[0][1].metadata["auth_id"] == "shop"


async def test_a_signature_that_is_wrong_is_401_whatever_the_other_credential(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    body = orjson.dumps(START)
    headers = {"Content-Type": "application/json", **signature(worker, body + b" ")}
    for more in ({}, {"X-API-Key": "writer"}):
        response, _ = await post(http, data=body, headers={**headers, **more})
        assert response.status == 401
    assert worker.published == []


async def test_the_signature_is_verified_on_the_raw_body_before_its_type_is_looked_at(
    worker: Worker, http: aiohttp.ClientSession
) -> None:
    body = b'{ "spaces" :  1 } '
    headers = {"Content-Type": "text/plain", "X-API-Key": "writer"}

    response, _ = await post(http, data=body, headers={**headers, **signature(worker, body)})
    assert response.status == 415
    response, _ = await post(http, data=body, headers={**headers, **signature(worker, body.strip())})
    assert response.status == 401


async def test_signatures_of_one_route_do_not_open_another(worker: Worker, http: aiohttp.ClientSession) -> None:
    async with http.get("/intelligence/patterns", headers=signature(worker, b"")) as response:
        assert response.status == 401


async def test_required_signatures_close_hooks_alone(start_worker: StartWorker, secrets_file: Path) -> None:
    worker = await start_worker(WEBHOOK_SIGNATURES="required", WEBHOOK_SECRETS_FILE=secrets_file)
    body = orjson.dumps(START)
    async with aiohttp.ClientSession(worker.url) as http:
        assert (await post(http))[0].status == 401
        headers = {"Content-Type": "application/json", **signature(worker, body)}
        assert (await post(http, data=body, headers=headers))[0].status == 200
        async with http.get("/health") as response:
            assert response.status == 200


async def test_without_authentication_credentials_are_not_looked_at(start_worker: StartWorker, keys_file: Path) -> None:
    worker = await start_worker(BRIDGE_API_KEYS_FILE=keys_file)
    async with aiohttp.ClientSession(worker.url) as http:
        assert (await post(http, headers={"X-API-Key": "wrong"}))[0].status == 200
    assert worker.published[0][1].metadata["auth_id"] is None


@pytest.mark.parametrize(
    ("variable", "content", "more"),
    [
        ("BRIDGE_API_KEYS_FILE", "[{}]", {}),
        ("JWT_PUBLIC_KEY_FILE", "no key", {}),
        ("WEBHOOK_SECRETS_FILE", '{"shop": ["?"]}', {}),
        ("WEBHOOK_SECRETS_FILE", '{"shop":\n["?"}', {}),
    ],
)
def test_a_bad_file_ends_the_start_with_one_line(
    make_settings: MakeSettings, tmp_path: Path, variable: str, content: str, more: dict[str, str]
) -> None:
    path = tmp_path / "file"
    path.write_text(content)

    with pytest.raises(SettingsError, match=f"^{variable}={path}: .") as refused:
        create_authenticator(make_settings(**{variable: path}, **more))
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_required_signatures_without_secrets_end_the_start(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match=r"^WEBHOOK_SIGNATURES=required: WEBHOOK_SECRETS_FILE"):
        create_authenticator(make_settings(WEBHOOK_SIGNATURES="required"))


def test_conventions_16_an_open_address_without_authentication_is_refused(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match=r"^BRIDGE_WEB_HOST=0\.0\.0\.0: .*AUTH_ENABLED"):
        make_settings(BRIDGE_WEB_HOST="0.0.0.0")
    assert make_settings(BRIDGE_WEB_HOST="0.0.0.0", AUTH_ENABLED="true").web_host == "0.0.0.0"
    assert make_settings(BRIDGE_WEB_HOST="0.0.0.0", BRIDGE_ALLOW_INSECURE_BIND="true").web_host == "0.0.0.0"
