"""Secrets are masked wherever something is shown: by the name of what holds them, as users of URLs, and by value."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bridge_app.settings import Settings

MASK = "***"
#: A shorter secret is too likely to be part of an ordinary word.
SHORTEST_SECRET = 6
_SECRET_NAME = re.compile(
    r"password|secret|token|api[_-]?key|private|credential|sasl_username|authorization|service-auth|webhook-signature",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"://[^\s/@]+@")


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return the secrets to look for in texts: those that are no ordinary word of the settings."""
    plain = {settings.postgres_user, settings.postgres_db, settings.postgres_host}
    found = (
        settings.postgres_password,
        settings.consul_token,
        settings.jwt_secret,
        settings.kafka_sasl_password,
        settings.kafka_sasl_username,
    )
    return tuple(secret for secret in found if len(secret) >= SHORTEST_SECRET and secret not in plain)


def is_secret(name: str) -> bool:
    """Tell whether what has this name is shown to nobody."""
    return _SECRET_NAME.search(name) is not None


def mask(name: str, value: Any, secrets: Sequence[str] = ()) -> Any:
    """Return the value of a name as it may be shown; null stays null."""
    if value is not None and is_secret(name):
        return MASK
    if isinstance(value, str):
        return mask_text(value, secrets)
    if isinstance(value, Mapping):
        return {inner: mask(str(inner), item, secrets) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask("", item, secrets) for item in value]
    return value


def mask_text(text: str, secrets: Sequence[str] = ()) -> str:
    """Return a text without these secrets, and without the users of its URLs."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _USER_IN_URL.sub(f"://{MASK}@", text)
