"""The worker's own registration in Consul: what finds the bridge through Consul finds this worker."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import consul
import structlog
from mode import Service

from bridge_app import __version__
from bridge_app.backoff import CONNECT, Backoff
from bridge_app.domain.breaker import CircuitBreaker
from bridge_app.effects.consul_client import CLIENT_ERRORS, REFUSALS, REQUEST_SECONDS, ConsulClient, away
from bridge_app.errors import CircuitOpenError, DependencyRefusal, ServiceUnavailable
from bridge_app.settings import Settings

log = structlog.get_logger(__name__)

SERVICE = "omninode-bridge"
TAGS = ("omninode-bridge", "worker")
CHECK_INTERVAL = "10s"
CHECK_TIMEOUT = "5s"
#: Consul forgets a worker that was killed; its own lower limit is one minute.
DEREGISTER_AFTER = "1m"
RECONCILE_SECONDS = 30.0


class ConsulRegistration(Service):
    """Keeps the worker registered: at once when Consul answers, again when Consul has lost it, no more after the stop.

    Consul asks `<advertised url>/health` every 10 s. While `breaker` refuses, nothing is tried.
    With `CONSUL_ENABLED=false` nothing happens.
    """

    def __init__(
        self,
        settings: Settings,
        breaker: CircuitBreaker,
        *,
        reconcile_seconds: float = RECONCILE_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.enabled = settings.consul_enabled
        self.is_registered = False
        #: What Consul said when it last refused the registration; None since it has taken it.
        self.refusal: str | None = None
        self._settings = settings
        self._breaker = breaker
        self._reconcile_seconds = reconcile_seconds
        self._client: ConsulClient | None = None

    async def on_start(self) -> None:
        if self.enabled:
            self._client = ConsulClient(self._settings)
            self.add_future(self._keep_registered(self._client))

    async def on_stop(self) -> None:
        if self._client is None:
            return
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._client.agent.service.deregister(self._settings.node_id)
        except CLIENT_ERRORS as error:
            log.warning("consul_deregistration_failed", error=repr(error))
        self.is_registered = False
        await self._client.close()

    async def probe(self) -> None:
        """Ask Consul for its leader, and tell whether it has taken the registration.

        Raises:
            ServiceUnavailable: it does not answer, or has no leader; the message says why.
            DependencyRefusal: it answers, and has refused the registration.
        """
        if self._client is None:
            raise ServiceUnavailable("Consul is not used: CONSUL_ENABLED=false")
        try:
            leader = await self._client.status.leader()
        except CLIENT_ERRORS as error:
            raise away(error) from error
        if not leader:
            raise ServiceUnavailable("Consul has no leader")
        if self.refusal is not None:
            raise DependencyRefusal(f"Consul refuses the registration of this worker: {self.refusal}")

    async def _keep_registered(self, client: ConsulClient) -> None:
        backoff = Backoff(*CONNECT)
        while not self.should_stop:
            try:
                await self._breaker.call(self._reconcile, client, timeout=2 * REQUEST_SECONDS)
                backoff.reset()
                await self.sleep(self._reconcile_seconds)
            except (ServiceUnavailable, CircuitOpenError, *REFUSALS, TimeoutError) as error:
                if self.is_registered or backoff.is_fresh:
                    log.warning("waiting_for_consul", error=repr(error))
                self.is_registered = False
                await self.sleep(backoff.next())

    async def _reconcile(self, client: ConsulClient) -> None:
        """Register unless Consul has this worker.

        Raises:
            ServiceUnavailable: Consul is away, or does not answer like Consul.
            ConsulException: one of REFUSALS.
        """
        try:
            if self.is_registered and self._settings.node_id in await client.agent.services():
                return
            await client.agent.service.register(**registration(self._settings))
        except REFUSALS as error:
            self.refusal = str(error) or type(error).__name__
            raise
        except CLIENT_ERRORS as error:
            raise away(error) from error
        self.is_registered, self.refusal = True, None
        log.info("registered_in_consul", service=SERVICE, id=self._settings.node_id)


def registration(settings: Settings) -> dict[str, Any]:
    """Return what Consul is told of this worker, as py-consul takes it."""
    address = urlsplit(settings.advertised_url)
    return {
        "name": SERVICE,
        "service_id": settings.node_id,
        "address": address.hostname,
        "port": address.port or (443 if address.scheme == "https" else 80),
        "tags": list(TAGS),
        "meta": {
            "version": __version__,
            "instance_id": settings.instance_id,
            "environment": settings.environment,
        },
        "check": consul.Check.http(
            f"{settings.advertised_url}/health", CHECK_INTERVAL, timeout=CHECK_TIMEOUT, deregister=DEREGISTER_AFTER
        ),
        "replace_existing_checks": True,
    }
