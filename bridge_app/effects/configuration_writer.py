"""What operators change over HTTP is written into Consul, and is in force here at once (configuration §6)."""

import asyncio

from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.domain.configuration.notes import Author
from bridge_app.domain.configuration.requests import ConfigurationRequest, operations
from bridge_app.domain.configuration.tree import Tree
from bridge_app.effects.configuration import ENVIRONMENT, Configuration
from bridge_app.effects.consul_client import REFUSALS
from bridge_app.effects.consul_kv import ConsulKv
from bridge_app.effects.consul_watch import ConsulWatch
from bridge_app.errors import CircuitOpenError, ServiceUnavailable

WRITE_SECONDS = 2.0


class ConfigurationWriter:
    """Writes all values of a request or none."""

    def __init__(self, kv: ConsulKv, breaker: CircuitBreaker, configuration: Configuration, watch: ConsulWatch) -> None:
        self._kv = kv
        self._breaker = breaker
        self._configuration = configuration
        self._watch = watch

    async def write(self, request: ConfigurationRequest, author: Author) -> int:
        """Return the index of the values when they are written, and in force on this worker.

        Raises:
            ServiceUnavailable: Consul is disabled, away, refuses, or did not answer within 2 s.
            Conflict: somebody else has changed one of the keys at the same moment.
        """
        if not self._watch.enabled:
            raise ServiceUnavailable("Consul is not used: CONSUL_ENABLED=false")
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._watch.begin()
            return await self._breaker.call(self._write, request, author, timeout=WRITE_SECONDS)
        except CircuitOpenError as error:
            raise error.unavailable("Consul") from error
        except TimeoutError as error:
            raise ServiceUnavailable(f"Consul did not answer within {WRITE_SECONDS:g} s") from error
        except REFUSALS as error:
            raise ServiceUnavailable(f"Consul refuses: {error}") from error

    async def _write(self, request: ConfigurationRequest, author: Author) -> int:
        prefix = self._configuration.tree(ENVIRONMENT).prefix
        reading = await self._kv.read(prefix, consistent=True)
        planned = list(operations(request, Tree(prefix, reading.entries), author))
        index = await self._kv.transact(planned)
        self._watch.take_written(reading, planned, index)
        return reading.as_of if index is None else index
