"""Questions to the broker that the worker does not wait for: their clients have a thread of their own.

What a broker says of hundreds of partitions takes tens of milliseconds to decode, in which the worker's event loop
would answer nobody.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from bridge_app.kafka_clients import client_options
from bridge_app.settings import Settings
from bridge_app.side_loop import SideLoop

T = TypeVar("T")

Question: TypeAlias = Callable[[AIOKafkaAdminClient, AIOKafkaConsumer], Coroutine[Any, Any, T]]


class BrokerClients:
    """An admin client and a consumer without a group. They are made when they are first needed, and after `close`.

    `name` is that of the thread, `options` are for both clients.
    """

    def __init__(self, settings: Settings, name: str, **options: Any) -> None:
        self._settings = settings
        self._options = options
        self._side = SideLoop(name)
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def ask(self, question: Question[T]) -> T:
        """Return what a question returns that is put to both clients in their thread, or raise what it raises.

        Raises:
            KafkaError, OSError: no broker answers. Nothing but the caller bounds the wait.
        """
        if not self._side.is_running:
            self._side.start()
        return await self._side.run(self._ask(question))

    async def close(self) -> None:
        """Close the clients, and end their thread."""
        if self._side.is_running:
            await self._side.run(self._disconnect())
            await self._side.stop()

    async def _ask(self, question: Question[T]) -> T:
        return await question(*await self._connect())

    async def _connect(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        options = {**client_options(self._settings), **self._options}
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(**options)
            await self._admin.start()
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
            await self._consumer.start()
        return self._admin, self._consumer

    async def _disconnect(self) -> None:
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        if admin is not None:
            await admin.close()
        if consumer is not None:
            await consumer.stop()
