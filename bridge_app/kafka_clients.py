"""How every Kafka client of the bridge connects and logs in: one place reads the settings of brokers and security."""

import asyncio
import contextlib
import ssl
from typing import Any, TypeVar

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from faust.types.auth import CredentialsT

from bridge_app.errors import SettingsError
from bridge_app.kafka_connections import notice_resets
from bridge_app.kafka_fetch_sessions import keep_sessions
from bridge_app.kafka_metadata import space_metadata
from bridge_app.settings import Settings

C = TypeVar("C", AIOKafkaConsumer, AIOKafkaProducer)
notice_resets()
keep_sessions()
space_metadata()

#: What a broker, or the client, says of credentials that do not get in.
REFUSALS = (
    SaslAuthenticationFailed,
    AuthenticationFailedError,
    IllegalSaslStateError,
    UnsupportedSaslMechanismError,
    ssl.SSLError,
)
ASK_MS = 5_000


def client_options(settings: Settings) -> dict[str, Any]:
    """Return the options by which an aiokafka client finds the brokers and logs in.

    Raises:
        SettingsError: the security settings contradict each other; the message names the variable.
    """
    return {"bootstrap_servers": list(settings.kafka_bootstrap_servers), **_security(settings)}


async def started(client: C) -> C:
    """Start a client and return it; one that cannot be started is closed. Raises what its `start` does."""
    try:
        await client.start()
    except BaseException:
        await client.stop()
        raise
    return client


async def cut(producer: AIOKafkaProducer) -> None:
    """Disconnect a producer without sending what it still holds."""
    producer._closed = True
    sender = producer._sender.sender_task
    sender.cancel()
    await producer.client.close()
    await asyncio.wait({sender}, timeout=1.0)
    sender.cancel()  # it waits for a client that is gone
    with contextlib.suppress(asyncio.CancelledError, KafkaError):
        await sender


def faust_credentials(settings: Settings) -> CredentialsT | None:
    """Return the same for Faust's clients; None without security. Raises as `client_options`."""
    options = _security(settings)
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=options["ssl_context"],
        )
    context = options["ssl_context"]
    return None if context is None else faust.SSLCredentials(context)


async def refusal(settings: Settings) -> str | None:
    """Ask the brokers why they cannot be reached; return what one says of our credentials, None when none says so.

    A client that cannot connect anywhere only says that much, whatever the reasons were.
    """
    security = _security(settings)
    if security["security_protocol"] == "PLAINTEXT":
        return None
    for server in settings.kafka_bootstrap_servers:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=ASK_MS, **security)
        except REFUSALS as error:
            return f"{type(error).__name__}: {error}"
        except (KafkaError, OSError):
            continue
        connection.close()
    return None


def _security(settings: Settings) -> dict[str, Any]:
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol, "ssl_context": None}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(settings)
    if protocol.startswith("SASL"):
        for name, value in (
            ("KAFKA_SASL_USERNAME", settings.kafka_sasl_username),
            ("KAFKA_SASL_PASSWORD", settings.kafka_sasl_password),
        ):
            if not value:
                raise SettingsError(f"{name}: needed with KAFKA_SECURITY_PROTOCOL={protocol}")
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options


def _context(settings: Settings) -> ssl.SSLContext:
    cafile = settings.kafka_ssl_cafile
    try:
        return ssl.create_default_context(cafile=None if cafile is None else str(cafile))
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"KAFKA_SSL_CAFILE={cafile}: holds no certificate: {error}") from error


__all__ = ["client_options", "faust_credentials", "refusal", "started"]
