"""Standard Webhooks signatures: who sent a hook, proved over its raw body (conventions §9)."""

import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

Secrets = Mapping[str, Sequence[Webhook]]

_MESSAGE_ID = re.compile(r"[ -~]{1,255}", re.ASCII)
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,10}", re.ASCII)
_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=", re.ASCII)


class SignatureRefused(Exception):
    """A signature is missing, malformed, wrong or too old; the text says which and holds no secret."""


def read_secrets(text: bytes) -> Secrets:
    """Read the file of secrets: a JSON object of sources, each with its list of secrets in Base64, `whsec_` before it.

    Raises:
        ValueError: saying what is wrong in it and where, never showing a secret.
    """
    try:
        found = msgspec.json.decode(text, type=dict[str, list[str]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return {
        source: [_webhook(f"$.{source}[{index}]", secret) for index, secret in enumerate(secrets)]
        for source, secrets in found.items()
    }


def _webhook(place: str, secret: str) -> Webhook:
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True)
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        raise ValueError(f"{place}: expected a secret in Base64, whsec_ before it") from None


def verify(secrets: Secrets, headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float) -> str:
    """Return the source whose signature the request carries.

    `headers` finds names in any case. `now` and `tolerance` are in seconds, `now` since the epoch. The signature is
    verified over the raw body before its timestamp is judged, so that a stranger learns nothing about the clock.

    Raises:
        SignatureRefused: it carries none that is good.
    """
    source = headers.get("X-Hook-Source", "")
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()
    if not (source and message_id and timestamp and given):
        raise SignatureRefused("Expected webhook-id, webhook-timestamp, webhook-signature and X-Hook-Source")
    # Versions that are not known here are left out, as the standard has it: v1a is signed with a key pair.
    signatures = [one for one in given if one.startswith("v1,")]
    well_formed = _TIMESTAMP.fullmatch(timestamp) and _MESSAGE_ID.fullmatch(message_id)
    if not well_formed or not all(_SIGNATURE.fullmatch(one) for one in signatures):
        raise SignatureRefused("The signature is malformed")
    signed_at = datetime.fromtimestamp(int(timestamp), UTC)
    if not _matches(secrets.get(source, ()), signatures, message_id, signed_at, body):
        raise SignatureRefused("The signature does not match")
    if abs(now - int(timestamp)) > tolerance:
        raise SignatureRefused(f"The signature's timestamp is more than {tolerance:g} s off")
    return source


def _matches(webhooks: Sequence[Webhook], given: Sequence[str], message_id: str, at: datetime, body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False  # signers sign text
    expected = [webhook.sign(message_id, at, text) for webhook in webhooks]
    return any(hmac.compare_digest(one, other) for one in expected for other in given)
