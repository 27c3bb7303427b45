"""The settings class: every environment variable the bridge reads, read once (conventions §8).

Settings      what the rest of the bridge uses
general, kafka, stores, domains
              the variables themselves, by area: name, default, what is allowed, what for
breakers      four variables for each circuit breaker
variables     how a variable is declared and read
texts         what a value may be
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge_app.errors import SettingsError
from bridge_app.settings.breakers import BreakerLimits, Breakers
from bridge_app.settings.domains import Experiments, Intelligence, Nodes, Proxy, Registry, Stamping, Workflows
from bridge_app.settings.general import Authentication, General, Http, Outbox
from bridge_app.settings.kafka import Adapter, Kafka
from bridge_app.settings.stores import Consul, Postgres
from bridge_app.settings.variables import Reading, Variable, read, variables_of
from bridge_app.topics import NODE_HEARTBEAT, NODE_INTROSPECTION, REGISTRY_REQUEST_INTROSPECTION

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")

#: In the order in which they are read and documented; a default may depend on what was read before it.
AREAS = (
    General,
    Authentication,
    Http,
    Outbox,
    Breakers,
    Kafka,
    Adapter,
    Postgres,
    Consul,
    Intelligence,
    Proxy,
    Registry,
    Nodes,
    Workflows,
    Stamping,
    Experiments,
)


@dataclass(frozen=True, kw_only=True)
class Settings(
    General,
    Authentication,
    Http,
    Outbox,
    Breakers,
    Kafka,
    Adapter,
    Postgres,
    Consul,
    Intelligence,
    Proxy,
    Registry,
    Nodes,
    Workflows,
    Stamping,
    Experiments,
):
    """What an operator can set. The defaults are those of the specification; units are in the names.

    `readings` is what was read, by name of the variable.
    """

    readings: Mapping[str, Reading] = field(default_factory=dict, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read every variable.

        Raises:
            SettingsError: naming the variable, what it holds (unless it is a secret) and what was expected.
        """
        found: dict[str, Any] = {}
        readings: dict[str, Reading] = {}
        for area in AREAS:
            readings |= read(area, environ, found)
        settings = cls(**found, readings=readings)
        settings._check_bind()
        return settings

    def _check_bind(self) -> None:
        if self.web_host not in LOCAL_HOSTS and not (self.auth_enabled or self.allow_insecure_bind):
            raise SettingsError(
                f"BRIDGE_WEB_HOST={self.web_host}: without authentication the worker listens on 127.0.0.1 only; "
                "set AUTH_ENABLED=true, or BRIDGE_ALLOW_INSECURE_BIND=true to accept the risk"
            )

    def topic(self, name: str) -> str:
        """Return the broker's name of a catalogue topic, or of the dead-letter topic of one.

        The prefix comes first, but the names that the node topics' own variables give are taken as they are.
        """
        base = name.removesuffix(self.kafka_dlq_suffix)
        given = {
            NODE_INTROSPECTION.name: self.kafka_introspection_topic,
            NODE_HEARTBEAT.name: self.kafka_heartbeat_topic,
            REGISTRY_REQUEST_INTROSPECTION.name: self.kafka_registry_request_topic,
        }.get(base)
        return given + name[len(base) :] if given else f"{self.kafka_topic_prefix}{name}"

    @property
    def app_id(self) -> str:
        """Faust's app id: the consumer group, and the first part of every changelog's name."""
        return f"{self.kafka_topic_prefix}{self.kafka_consumer_group}"

    @property
    def adapter_group(self) -> str:
        """The consumer group of the database adapter."""
        return f"{self.kafka_topic_prefix}{self.adapter_group_id}"


def catalogue() -> Iterator[tuple[type, list[Variable]]]:
    """Yield each area with its variables, in order."""
    for area in AREAS:
        yield area, variables_of(area)


__all__ = ["AREAS", "BreakerLimits", "Reading", "Settings", "Variable", "catalogue"]
