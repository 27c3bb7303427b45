"""py-consul's asyncio client as the bridge uses it, and what its errors mean."""

from typing import Any

import aiohttp
import consul
import consul.aio
from consul import base
from consul.exceptions import ACLDisabled, ACLPermissionDenied, BadRequest, ClientError, NotFound

from bridge_app.errors import ServiceUnavailable
from bridge_app.settings import Settings

REQUEST_SECONDS = 2.0

#: What the client raises when Consul is away, refuses, or answers with something that is not Consul's.
CLIENT_ERRORS = (consul.ConsulException, aiohttp.ClientError, OSError, TimeoutError, ValueError)
#: Answers of a Consul that is well.
REFUSALS = (ACLDisabled, ACLPermissionDenied, BadRequest, ClientError, NotFound)


class ConsulClient(consul.aio.Consul):  # type: ignore[misc]  # py-consul has no types
    """The client on a session without the TLS arguments that aiohttp has deprecated. It is made in a running loop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(host=settings.consul_host, port=settings.consul_port, scheme="http", verify=True)
        self.token = settings.consul_token or None  # the client itself prefers a variable of its own

    def http_connect(self, host: str, port: int, scheme: str, verify: Any = True, cert: Any = None) -> "_HTTPClient":
        return _HTTPClient(host, port, scheme)


class _HTTPClient(consul.aio.HTTPClient):  # type: ignore[misc]  # as above
    def __init__(self, host: str, port: int, scheme: str) -> None:
        base.HTTPClient.__init__(self, host, port, scheme)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS))


def is_busy(error: Exception) -> bool:
    """Tell whether Consul has answered that it is asked too often, which says nothing about its health."""
    return isinstance(error, ClientError) and str(error).startswith("429")


def away(error: Exception) -> ServiceUnavailable:
    """Return the error of ours for one of CLIENT_ERRORS that is none of REFUSALS."""
    return ServiceUnavailable(f"Consul is away: {str(error) or type(error).__name__}")
