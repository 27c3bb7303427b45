"""What the environment says: ports and folder of a profile, servers that are given, the addresses of what runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .errors import UsageError
from .toolchain import PROJECT

HOST = "127.0.0.1"

# Name of the port → its number in the first block (profile "local") and in the second (profile "test").
_PORTS = {
    "WEB": (6066, 26066),
    "KAFKA": (19092, 29092),
    "KAFKA_CONTROLLER": (19093, 29093),
    "POSTGRES": (15432, 25432),
    "CONSUL": (18500, 28500),
    "CONSUL_RPC": (18300, 28300),
    "CONSUL_SERF": (18301, 28301),
}
PROFILES = ("local", "test")
#: The variable that moves the profile "test" to another folder and block of ports: several can then run side by side.
TEST_BLOCK = "BRIDGE_TEST_BLOCK"
_BLOCKS, _BLOCK_SIZE = 3, 300


def variable(profile: str, port: str) -> str:
    """Return the variable that sets a port: BRIDGE_LOCAL_KAFKA_PORT, BRIDGE_TEST_KAFKA_PORT, …, but BRIDGE_WEB_PORT."""
    if profile == "local" and port == "WEB":
        return "BRIDGE_WEB_PORT"
    return f"BRIDGE_{profile.upper()}_{port}_PORT"


@dataclass(frozen=True)
class Profile:
    """One stack: its folder and its ports. Two profiles can run at the same time."""

    name: str
    folder: Path
    ports: Mapping[str, int]

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def address_file(self) -> Path:
        return self.folder / "local.env"

    def web_port(self, worker: int) -> int:
        return self.ports["WEB"] + worker

    def variable_of(self, number: int) -> str:
        """Return the variable that changes the port with this number; a later worker's is that of the first."""
        names = [name for name, port in self.ports.items() if port == number]
        return variable(self.name, names[0] if names else "WEB")


def load_profile(name: str, environ: Mapping[str, str]) -> Profile:
    """Read a profile. Raises UsageError naming the variable when a port is not one, or is given to two servers."""
    index = PROFILES.index(name)
    shift = ports_shift(environ) if name == "test" else 0
    ports: dict[str, int] = {}
    for port, defaults in _PORTS.items():
        key = variable(name, port)
        number = _port(key, environ.get(key) or str(defaults[index] + shift))
        if number in ports.values():
            raise UsageError(f"{key}={number} is the port of another part of the stack, too")
        ports[port] = number
    base = Path(environ.get("BRIDGE_LOCAL_DIR") or PROJECT / ".bridge").resolve()
    block = f"-{shift // _BLOCK_SIZE}" if shift else ""
    return Profile(name, base if name == "local" else base / f"{name}{block}", ports)


def ports_shift(environ: Mapping[str, str]) -> int:
    """Return what is added to each fixed port of the tests: 300 for each `BRIDGE_TEST_BLOCK`, which is 0, 1 or 2."""
    text = environ.get(TEST_BLOCK) or "0"
    if text not in map(str, range(_BLOCKS)):
        raise UsageError(f"{TEST_BLOCK}={text} is not a block of ports: 0 to {_BLOCKS - 1}")
    return int(text) * _BLOCK_SIZE


def _port(key: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise UsageError(f"{key}={text} is not a port")
    return number


def given_kafka(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Return the addresses of a Kafka that the environment names, None when it names none."""
    servers = environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return {"KAFKA_BOOTSTRAP_SERVERS": servers} if servers else None


def given_postgres(environ: Mapping[str, str]) -> dict[str, str] | None:
    host = environ.get("POSTGRES_HOST")
    if not host:
        return None
    return postgres_addresses(
        host=host,
        port=_port("POSTGRES_PORT", environ.get("POSTGRES_PORT") or "5432"),
        database=environ.get("POSTGRES_DB") or "omninode_bridge",
        user=environ.get("POSTGRES_USER") or "postgres",
        password=environ.get("POSTGRES_PASSWORD") or "",
    )


def given_consul(environ: Mapping[str, str]) -> dict[str, str] | None:
    host = environ.get("CONSUL_HOST")
    return consul_addresses(host, _port("CONSUL_PORT", environ.get("CONSUL_PORT") or "8500")) if host else None


def postgres_addresses(*, host: str, port: int, database: str, user: str, password: str) -> dict[str, str]:
    secret = f":{quote(password, safe='')}" if password else ""
    return {
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": str(port),
        "POSTGRES_DB": database,
        "POSTGRES_USER": user,
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DSN": f"postgresql://{quote(user, safe='')}{secret}@{host}:{port}/{quote(database, safe='')}",
    }


def consul_addresses(host: str, port: int) -> dict[str, str]:
    return {"CONSUL_HOST": host, "CONSUL_PORT": str(port), "CONSUL_URL": f"http://{host}:{port}"}


def write_addresses(path: Path, addresses: Mapping[str, str]) -> None:
    """Replace the file at once; only its owner may read it, for it holds the password. A shell can source it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{key}={shlex.quote(value) if value else ''}\n" for key, value in addresses.items())
    draft.replace(path)


def read_addresses(path: Path) -> dict[str, str]:
    """Return what `write_addresses` wrote; empty when nothing runs."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: "".join(shlex.split(value)) for key, value in pairs}
