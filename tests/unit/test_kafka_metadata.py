"""A client that cannot learn who leads a partition does not ask as often as it can."""

import contextlib
import time

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

import bridge_app.kafka_clients  # noqa: F401  # whoever makes a client imports it
from bridge_app.kafka_metadata import SPACING_SECONDS, spaced

#: Of three updates, but for what the clocks of event loops are worth.
LEAST_SECONDS = 1.9 * SPACING_SECONDS


class Client:
    """Somebody who asks."""


async def _refuse(_client: Client, _cluster: None, _topics: None) -> bool:
    return False


async def test_updates_of_one_client_are_spaced_and_those_of_another_are_not() -> None:
    update = spaced(_refuse)
    client, others = Client(), [Client() for _ in range(5)]
    began = time.monotonic()
    await update(client, None, None)
    for other in others:
        await update(other, None, None)
    at_once = time.monotonic() - began
    for _ in range(2):
        await update(client, None, None)
    assert time.monotonic() - began >= LEAST_SECONDS
    assert at_once < time.monotonic() - began - SPACING_SECONDS  # the others did not wait for each other


async def test_every_client_of_aiokafka_is_spaced() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    with contextlib.suppress(KafkaConnectionError):
        await client.bootstrap()
    began = time.monotonic()
    for _ in range(3):
        assert not await client._metadata_update(client.cluster, [])
    assert time.monotonic() - began >= LEAST_SECONDS
    await client.close()
