"""A Kafka that wants to know who one is (conventions §8, resilience §7)."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from bridge_app.errors import SettingsError
from bridge_app.kafka_clients import client_options, refusal
from bridge_app.settings import Settings
from deploy.local.kafka import Kafka
from deploy.local.server import HOST, port_is_free
from tests.lab.waiting import eventually
from tests.lab.worker import Worker

PORTS = {"port": 22292, "controller_port": 22293}
SASL_PORT = 22294
WEB_PORT = 22295
PASSWORD = "right-password"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class SaslKafka(Kafka):
    """A Kafka with a second listener that takes the user `bridge` with a password."""

    def properties(self) -> dict[str, object]:
        found = super().properties()
        found["listeners"] = f"{found['listeners']},SASL_PLAINTEXT://{HOST}:{SASL_PORT}"
        found["advertised.listeners"] = f"{found['advertised.listeners']},SASL_PLAINTEXT://{HOST}:{SASL_PORT}"
        known = found["listener.security.protocol.map"]
        found["listener.security.protocol.map"] = f"{known},SASL_PLAINTEXT:SASL_PLAINTEXT"
        found["sasl.enabled.mechanisms"] = "PLAIN"
        found["listener.name.sasl_plaintext.plain.sasl.jaas.config"] = f'{MODULE} required user_bridge="{PASSWORD}";'
        return found


@pytest.fixture(scope="module")
def sasl_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaslKafka]:
    assert port_is_free(SASL_PORT)
    server = SaslKafka(tmp_path_factory.mktemp("sasl"), **PORTS)
    server.start()
    yield server
    server.kill()


def variables(password: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{SASL_PORT}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_USERNAME": "bridge",
        "KAFKA_SASL_PASSWORD": password,
        "KAFKA_TOPIC_PARTITIONS": "1",
        "BRIDGE_WEB_PORT": str(WEB_PORT),
        "CONSUL_ENABLED": "false",
    }


async def health() -> tuple[str, str]:
    """Return the worker's status, and all that it says of its health as text."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{WEB_PORT}/health") as answer,
        ):
            status: str = (await answer.json())["data"]["status"]
            return status, await answer.text()
    except aiohttp.ClientConnectionError:
        return "", ""


async def test_the_right_password_lets_every_client_in(
    sasl_kafka: SaslKafka, database: Mapping[str, str], tmp_path: Path
) -> None:
    worker = Worker("w", "bridge_app", tmp_path, {**database, **variables(PASSWORD)}, options=()).start()
    try:

        async def well() -> bool:
            return (await health())[0] == "healthy"

        await eventually(well, "the worker is healthy")
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://{HOST}:{WEB_PORT}/hooks/service/lifecycle",
                json={
                    "hook_type": "service_started",
                    "service_info": {"name": "shop", "version": "1.0.0", "instance_id": "1"},
                },
            ) as answer,
        ):
            assert answer.status == 200
            assert (await answer.json())["data"]["event_published"] is True
        assert await worker.terminate() == 0
        assert "right-password" not in worker.log
    finally:
        worker.destroy()


async def test_resilience_07_a_wrong_password_is_retried_and_health_names_it(
    sasl_kafka: SaslKafka, database: Mapping[str, str], tmp_path: Path
) -> None:
    worker = Worker("w", "bridge_app", tmp_path, {**database, **variables("wrong-password")}, options=()).start()
    try:

        async def refused() -> bool:
            status, text = await health()
            return status == "unhealthy" and "Authentication failed" in text

        await eventually(refused, "the worker is unhealthy and says why")
        await eventually(lambda: worker.log.count("waiting_for_kafka") >= 2, "the worker tries again")
        assert await worker.terminate() == 0
        assert "wrong-password" not in worker.log
    finally:
        worker.destroy()


async def test_a_broker_that_is_away_refuses_nobody(make_settings: Callable[..., Settings]) -> None:
    environ = {**variables(PASSWORD), "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:1"}
    assert await refusal(make_settings(**environ)) is None


@pytest.mark.parametrize("name", ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
def test_credentials_that_are_missing_are_named(make_settings: Callable[..., Settings], name: str) -> None:
    settings = make_settings(**{**variables(PASSWORD), name: ""})
    with pytest.raises(SettingsError, match=name):
        client_options(settings)


def test_a_file_that_holds_no_certificate_is_named(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    settings = make_settings(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE=file)
    with pytest.raises(SettingsError, match="KAFKA_SSL_CAFILE"):
        client_options(settings)
