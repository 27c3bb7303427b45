"""Connections for the reads of views: bounded in time, and refused at once while Postgres fails (resilience §1, §5)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge_app.clock import Clock
from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.effects.postgres import PooledConnection, Postgres
from bridge_app.effects.query_meter import measured_query
from bridge_app.errors import CircuitOpenError, ServiceUnavailable
from bridge_app.metrics import Metrics

READ_SECONDS = 5.0


class GuardedReads:
    """Lends connections of the pool; every loan is one call of the breaker and one `operation` in the metrics."""

    def __init__(self, postgres: Postgres, breaker: CircuitBreaker, metrics: Metrics, clock: Clock) -> None:
        self._postgres = postgres
        self._breaker = breaker
        self._metrics = metrics
        self._clock = clock

    @asynccontextmanager
    async def acquire(self, operation: str) -> AsyncIterator[PooledConnection]:
        """Lend a connection for at most 5 s.

        Raises:
            ServiceUnavailable: Postgres is away, not migrated or too slow, or the breaker is open; then at once.
        """
        if not self._postgres.ready.is_set():
            raise ServiceUnavailable(self._postgres.reason)  # which says nothing new about Postgres
        try:
            permit = self._breaker.acquire()
        except CircuitOpenError as error:
            raise error.unavailable("Postgres") from error
        try:
            with measured_query(self._metrics, operation, self._clock.monotonic):
                async with asyncio.timeout(READ_SECONDS), self._postgres.acquire() as connection:
                    yield connection
        except TimeoutError as error:
            permit.failure(error)
            raise ServiceUnavailable(f"Postgres did not answer within {READ_SECONDS:g} s") from error
        except Exception as error:  # not handled, only judged
            self._breaker.judge(permit, error)
            raise
        else:
            permit.success()
        finally:
            permit.ignore()
