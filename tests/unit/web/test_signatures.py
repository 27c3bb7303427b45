"""Standard Webhooks signatures (conventions §9)."""

import base64
import time
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from bridge_app.domain.signatures import SignatureRefused, read_secrets, verify

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OLD_SECRET = base64.b64encode(b"the one before this one.").decode()
SECRETS = read_secrets(orjson.dumps({"shop": [SECRET, OLD_SECRET], "other": [OLD_SECRET + "=="]}))
BODY = '{"name": "ü"}'.encode()
NOW = 1_705_314_600


def signed(
    secret: str = SECRET, *, body: bytes = BODY, source: str = "shop", at: int = NOW, message_id: str = "msg_1"
) -> CIMultiDict[str]:
    """The headers of a body, signed by the library that senders use."""
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    return CIMultiDict(
        {
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": signature,
            "X-Hook-Source": source,
        }
    )


def check(headers: CIMultiDict[str], body: bytes = BODY) -> str:
    return verify(SECRETS, headers, body, now=float(NOW), tolerance=300)


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_each_secret_of_a_source_is_good(secret: str) -> None:
    assert check(signed(secret)) == "shop"


def test_one_good_signature_of_several_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = (
        f"v1a,whatever {signed(OLD_SECRET, at=1)['webhook-signature']} " + headers["webhook-signature"]
    )
    assert check(headers) == "shop"


@pytest.mark.parametrize("at", [NOW - 300, NOW + 300])
def test_a_timestamp_within_the_tolerance_is_good(at: int) -> None:
    assert check(signed(at=at)) == "shop"


@pytest.mark.parametrize("at", [NOW - 301, NOW + 301, 0])
def test_a_timestamp_beyond_the_tolerance_is_refused(at: int) -> None:
    with pytest.raises(SignatureRefused, match="300 s off"):
        check(signed(at=at))


def test_the_signature_is_verified_before_the_timestamp_is_judged() -> None:
    with pytest.raises(SignatureRefused, match="does not match"):
        check(signed(at=1), body=BODY + b" ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", ""),
        ("webhook-timestamp", ""),
        ("webhook-signature", ""),
        ("X-Hook-Source", ""),
        ("webhook-timestamp", "1705314600.0"),
        ("webhook-timestamp", "01705314600"),
        ("webhook-timestamp", "-1"),
        ("webhook-timestamp", "9" * 300),
        ("webhook-timestamp", "\u0661"),
        ("webhook-id", "\udcff"),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,not Base64"),
        ("webhook-signature", "v2,abc"),
        ("webhook-signature", "v1,\udcff"),
        ("X-Hook-Source", "nobody"),
        ("X-Hook-Source", "other"),
        ("X-Hook-Source", "\udcff"),
    ],
)
def test_a_missing_malformed_or_wrong_header_is_refused(name: str, value: str) -> None:
    headers = signed()
    headers[name] = value
    with pytest.raises(SignatureRefused):
        check(headers)


@given(st.dictionaries(st.sampled_from(list(signed())), st.text(max_size=60)))
def test_whatever_the_headers_hold_they_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureRefused):
        check(CIMultiDict({**signed(at=1), **headers}))


def test_a_body_that_is_no_text_has_no_signature() -> None:
    with pytest.raises(SignatureRefused):
        check(signed(), body=b"\xff")


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        (b"[]", "object"),
        (b'{"a": "x"}', "array"),
        (b'{"shop": ["c2VjcmV0", "no Base64!"]}', r"\$\.shop\[1\]: expected a secret in Base64"),
        (b'{"shop": ["whsec_"]}', r"\$\.shop\[0\]"),
        (b'{"shop": ["\xff"]}', "utf-8"),
    ],
)
def test_a_bad_file_of_secrets_is_refused_without_showing_them(file: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as refused:
        read_secrets(file)
    assert "no Base64!" not in str(refused.value)


def test_a_signature_made_now_is_what_the_library_verifies() -> None:
    now = int(time.time())
    Webhook(SECRET).verify(BODY, dict(signed(at=now)))
    assert verify(SECRETS, signed(at=now), BODY, now=now, tolerance=300) == "shop"
