"""The order of the start: the web server first, the broker when it is there.

The stock worker exits when Kafka is down at its start. Ours starts sensors, the edge services (connections that retry
on their own) and the web server, then waits at the gate for the broker, and only then starts Faust's producer,
consumer, agents and tables. SIGTERM ends the waiting.
"""

import asyncio
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy
from mode import Service
from mode.types import ServiceT

from bridge_app.backoff import CONNECT, Backoff
from bridge_app.errors import StateMismatch
from bridge_app.kafka_clients import refusal
from bridge_app.runtime.catalogue import prepare
from bridge_app.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)


class BrokerGate(Service):
    """Start when the broker answers and the topics exist, and what else the agents wait for has come; until then what
    comes behind in the boot order waits.
    """

    def __init__(self, app: "BridgeApp", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app

    async def on_start(self) -> None:
        backoff = Backoff(*CONNECT)
        while not (self.should_stop or self.app.should_stop):
            try:
                await self._prepare()
            except StateMismatch as error:
                self.app.halt(error)
            except (KafkaError, OSError) as error:
                self.app.kafka_refusal = await refusal(self.app.settings)
                reason = self.app.kafka_refusal or str(error)
                # That no broker answers is found by the probe; what one says against the topics is seen only here.
                self.app.topics_refusal = reason if isinstance(error, KafkaError) and not error.retriable else None
                log.warning("waiting_for_kafka", error=reason)
            else:
                self.app.kafka_refusal = self.app.topics_refusal = None
                await asyncio.gather(*(awaited() for awaited in self.app.awaited))
                return
            await self.sleep(backoff.next())

    async def _prepare(self) -> None:
        async with self.app.admin() as admin:
            self.app.partition_counts = await prepare(admin, self.app.catalogue_plan())


class BridgeBoot(BootStrategy):
    """Faust's boot order, with the edge services and the web server before the gate."""

    app: "BridgeApp"

    def server(self) -> Iterable[ServiceT]:
        return chain(
            self.sensors(),
            self.app.edge_services,
            self.web_server(),
            [BrokerGate(self.app, beacon=self.app.beacon, loop=self.app.loop)],
            self.kafka_producer(),
            self.kafka_consumer(),
            self.agents(),
            self.kafka_conductor(),
            self.tables(),
            self.app.inner_services,
            [Watchdog(self.app, beacon=self.app.beacon, loop=self.app.loop)],
        )
