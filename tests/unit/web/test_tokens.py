"""JSON Web Tokens, apart from HTTP (conventions §9)."""

import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_app.domain.credentials import Credential
from bridge_app.domain.tokens import TokenRefused, Tokens

SECRET = "0123456789abcdef0123456789abcdef"
TOKENS = Tokens.of_secret(SECRET)
HEADER = jwt.encode({}, SECRET, algorithm="HS256").split(".", maxsplit=1)[0]


def token(**claims: Any) -> str:
    return jwt.encode({"exp": int(time.time()) + 60, **claims}, SECRET, algorithm="HS256")


def test_a_token_names_its_bearer_tenant_and_scopes() -> None:
    credential = TOKENS.verify(token(sub="me", jti="t-1", tenant_id="acme", scopes=["hooks:write", "x"]))
    assert credential == Credential("me", "acme", frozenset({"hooks:write"}))


@pytest.mark.parametrize(("claims", "name"), [({"jti": "t-1"}, "t-1"), ({}, "jwt"), ({"sub": ""}, "jwt")])
def test_a_token_without_subject_is_named_by_what_it_has(claims: dict[str, str], name: str) -> None:
    assert TOKENS.verify(token(**claims)).id == name


@given(st.text() | st.text().map(lambda text: f"{HEADER}.{text}") | st.just("\udcff.\udcff.\udcff"))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        TOKENS.verify(text)


@pytest.mark.parametrize("exp", [float("inf"), float("nan"), "soon", [1], {}])
def test_a_token_with_an_end_that_is_no_time_is_refused(exp: Any) -> None:
    payload = json.dumps({"exp": exp}).encode()
    with pytest.raises(TokenRefused):
        TOKENS.verify(jwt.api_jws.PyJWS().encode(payload, SECRET, algorithm="HS256"))


@pytest.mark.parametrize("pem", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(ValueError, match="expected a public key in PEM"):
        Tokens.of_public_key(pem)
