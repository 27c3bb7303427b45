"""The settings as `GET /admin/config` groups them, and the names under which somebody may look for one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple

from bridge_app.domain.configuration.keys import BY_VARIABLE
from bridge_app.settings import Settings, catalogue
from bridge_app.settings.domains import Intelligence, Proxy, Registry
from bridge_app.settings.general import Authentication, General, Http
from bridge_app.settings.kafka import Kafka
from bridge_app.settings.stores import Consul, Postgres
from bridge_app.settings.variables import variable_of


class _Part(NamedTuple):
    """An area of the settings in a section; the names of its fields lose the prefix. `only` names some of them."""

    area: type
    prefix: str
    only: tuple[str, ...] = ()


_SECTIONS: Final[Mapping[str, tuple[_Part, ...]]] = {
    "web": (
        _Part(General, "web_", ("web_host", "web_port", "advertised_url", "allow_insecure_bind")),
        _Part(Http, "http_"),
    ),
    "kafka": (_Part(Kafka, "kafka_"),),
    "database": (_Part(Postgres, "postgres_"),),
    "consul": (_Part(Consul, "consul_"),),
    "intelligence": (_Part(Intelligence, "intelligence_"),),
    "proxy": (_Part(Proxy, "proxy_"),),
    "registry": (_Part(Registry, "registry_"),),
    "auth": (_Part(Authentication, "auth_"),),
}


class Member(NamedTuple):
    """A setting in its section: the name it has there, its field and its variable."""

    section: str
    name: str
    field: str
    variable: str


def _members() -> Iterator[Member]:
    for section, parts in _SECTIONS.items():
        for area, prefix, only in parts:
            for field in fields(area):
                if not only or field.name in only:
                    name = field.name.removeprefix(prefix)
                    yield Member(section, name, field.name, variable_of(Settings, field.name).name)


MEMBERS: Final = tuple(_members())
_VARIABLES: Final = {variable.name for _, variables in catalogue() for variable in variables}
_NAMES: Final = {f"{member.section}.{member.name}": member.variable for member in MEMBERS}


def variable_named(name: str) -> str | None:
    """Return the variable that somebody means by `kafka.bootstrap_servers` or `KAFKA_BOOTSTRAP_SERVERS`, if any."""
    variable = _NAMES.get(name.lower(), name.upper().replace(".", "_"))
    return variable if variable in _VARIABLES else None


def dotted_of(variable: str) -> str | None:
    """Return the key that overrides a variable at run time, None when there is none."""
    key = BY_VARIABLE.get(variable)
    return None if key is None else key.dotted


def sections(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return values, given by variable, in their sections."""
    found: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for member in MEMBERS:
        found[member.section][member.name] = values[member.variable]
    return found
