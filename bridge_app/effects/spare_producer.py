"""A producer for what is seldom sent: it is there from the first record on, and made anew when it is in doubt."""

from typing import Any

from aiokafka import AIOKafkaProducer

from bridge_app.kafka_clients import client_options, cut, started
from bridge_app.settings import Settings


class SpareProducer:
    """An idempotent producer. It numbers its batches and does not get over one that the broker never saw: whoever finds
    one missing gives it up, and the next one counts from the beginning. `options` are aiokafka's.
    """

    def __init__(self, settings: Settings, client_id: str, **options: Any) -> None:
        self._settings = settings
        self._options = {"client_id": client_id, "enable_idempotence": True, **options}
        self._producer: AIOKafkaProducer | None = None

    async def get(self) -> AIOKafkaProducer:
        """Return the producer, connected.

        Raises:
            KafkaError: no broker answers.
        """
        if self._producer is None:
            self._producer = await started(AIOKafkaProducer(**client_options(self._settings), **self._options))
        return self._producer

    async def give_up(self) -> None:
        """Disconnect without sending what is still held."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await cut(producer)
