"""What the text of a variable may be. Each kind reads a text, or refuses it with what was expected."""

import math
import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_TOPIC_PART = re.compile(r"[A-Za-z0-9._-]{0,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}|[A-Za-z0-9._-]{0,248}\*")


class Kind(NamedTuple):
    """A kind of value: `expected` completes "expected …" and tells the documentation; `read` raises ValueError."""

    expected: str
    read: Callable[[str], Any]


def text(most: int | None = None) -> Kind:
    """Return the kind of text that is taken as it is; with `most`, of so many printable characters at most."""
    if most is None:
        return Kind("text without control characters", _plain)

    def read(value: str) -> str:
        if len(value) > most or not value.isprintable():
            raise ValueError(value)
        return value

    return Kind(f"at most {most} printable characters", read)


def _plain(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError(value)
    return value


def choice(*allowed: str, fold: Callable[[str], str] = str.lower) -> Kind:
    """Return the kind that is one of some words, in any case."""

    def read(value: str) -> str:
        if fold(value) not in allowed:
            raise ValueError(value)
        return fold(value)

    return Kind(f"one of {', '.join(allowed)}", read)


def integer(least: int, most: int | None = None) -> Kind:
    """Return the kind of whole numbers within bounds."""
    return _bounded("a whole number", int, least, most)


def number(least: float, most: float | None = None) -> Kind:
    """Return the kind of finite numbers within bounds."""
    return _bounded("a number", _finite, least, most)


def _bounded(what: str, parse: Callable[[str], Any], least: float, most: float | None) -> Kind:
    def read(value: str) -> Any:
        parsed = parse(value.replace("_", "?"))  # Python reads 1_000, other programs do not
        if not least <= parsed or (most is not None and not parsed <= most):
            raise ValueError(value)
        return parsed

    return Kind(f"{what} of at least {least}" + ("" if most is None else f" and at most {most}"), read)


def _finite(value: str) -> float:
    parsed = float(value)
    if not math.isfinite(parsed):
        raise ValueError(value)
    return parsed


def _flag(value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise ValueError(value)
    return value.lower() in _TRUE


def _url(value: str) -> str:
    stripped = value.rstrip("/")
    if not _URL.fullmatch(stripped):
        raise ValueError(value)
    return stripped


def _topic_part(value: str) -> str:
    if not _TOPIC_PART.fullmatch(value):
        raise ValueError(value)
    return value


def _names(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _networks(value: str) -> tuple[str, ...]:
    names = _names(value)
    for name in names:
        ip_network(name, strict=False)
    return names


def _topic_names(value: str) -> tuple[str, ...]:
    names = _names(value)
    if not all(_TOPIC_NAME.fullmatch(name) for name in names):
        raise ValueError(value)
    return names


def _servers(value: str) -> tuple[str, ...]:
    servers = _names(value)
    for server in servers or ("",):
        match = _HOST_PORT.match(server)
        if match is None or not 1 <= int(match[2]) <= 65535:
            raise ValueError(value)
    return servers


def _readable_file(value: str) -> Path:
    path = Path(value)
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(value) from error


FLAG = Kind("true or false", _flag)
PORT = integer(1, 65535)
URL = Kind("http://host:port or https://host", _url)
PATH = Kind("a path", lambda value: Path(_plain(value)))
READABLE_FILE = Kind("the path of a file that can be read", _readable_file)
NETWORKS = Kind("networks such as 10.0.0.0/8, separated by commas", _networks)
TOPIC_PART = Kind("at most 100 letters, digits, '.', '_' or '-'", _topic_part)
TOPIC_NAMES = Kind("topic names separated by commas, `*` only at an end", _topic_names)
SERVERS = Kind("host:port, several separated by commas, without a scheme", _servers)
