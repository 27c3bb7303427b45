"""What runs of a profile, as `status` prints it."""

from __future__ import annotations

from . import processes
from .bridge import is_started
from .child import read_record
from .consul import Consul
from .environment import HOST, Profile, read_addresses
from .kafka import Kafka
from .lock import Lock
from .postgres import Postgres
from .server import Server


def report(profile: Profile) -> tuple[list[str], bool]:
    """Return a line per part, and whether the supervisor runs and each server that it started answers."""
    ports = profile.ports
    holder = Lock(profile).holder()
    servers: list[Server] = [
        Kafka(profile.folder, port=ports["KAFKA"], controller_port=ports["KAFKA_CONTROLLER"]),
        Postgres(profile.folder, port=ports["POSTGRES"]),
        Consul(profile.folder, port=ports["CONSUL"]),
    ]
    addresses = read_addresses(profile.address_file)
    states = [_server(profile, server, addresses) for server in servers]
    lines = [f"supervisor: pid {holder}" if holder else "supervisor: does not run", *(line for line, _ in states)]
    lines += _workers(profile)
    if addresses:
        lines.append(f"the addresses are in {profile.address_file}")
    return lines, holder is not None and all(healthy for _, healthy in states)


def _server(profile: Profile, server: Server, addresses: dict[str, str]) -> tuple[str, bool]:
    own = f"{HOST}:{next(iter(server.ports.values()))}"
    used = _used(server, addresses)
    if used not in (None, own):
        return f"{server.name}: {used}, given by the environment", True
    pid = _pid(profile, server.name)
    if pid is None:
        building = _pid(profile, "consul-build") if server.name == "consul" else None
        return f"{server.name}: " + (f"is being built (pid {building})" if building else "does not run"), False
    healthy = server.is_ready()
    return f"{server.name}: {own}, pid {pid}, {'answers' if healthy else 'does not answer'}", healthy


def _used(server: Server, addresses: dict[str, str]) -> str | None:
    """Return the address that the running supervisor hands out for the server."""
    if not addresses:
        return None
    if server.name == "kafka":
        return addresses["KAFKA_BOOTSTRAP_SERVERS"]
    prefix = server.name.upper()
    return f"{addresses[f'{prefix}_HOST']}:{addresses[f'{prefix}_PORT']}"


def _workers(profile: Profile) -> list[str]:
    lines = []
    for file in sorted(profile.run_folder.glob("worker-*.pid")):
        pid = _pid(profile, file.stem)
        port = profile.web_port(int(file.stem.removeprefix("worker-")))
        state = "is started" if is_started(port) else "does not answer, or is starting"
        lines.append(f"{file.stem}: http://{HOST}:{port}, " + (f"pid {pid}, {state}" if pid else "has ended"))
    return lines


def _pid(profile: Profile, name: str) -> int | None:
    record = read_record(profile.run_folder / f"{name}.pid")
    entry = processes.lookup(record.pid) if record else None
    return entry.pid if record and entry and entry.alive and entry.started == record.started else None
