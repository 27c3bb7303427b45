"""The publisher while Kafka is away."""

from collections.abc import Callable

import pytest

from bridge_app.effects.publisher import Publisher
from bridge_app.errors import ServiceUnavailable
from bridge_app.settings import Settings


async def test_without_kafka_it_starts_refuses_at_once_and_stops(make_settings: Callable[..., Settings]) -> None:
    publisher = Publisher(make_settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"))
    await publisher.start()
    try:
        with pytest.raises(ServiceUnavailable):
            await publisher.publish([])
        with pytest.raises(ConnectionError):
            await publisher.probe()
    finally:
        await publisher.stop()
