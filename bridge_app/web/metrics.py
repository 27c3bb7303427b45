"""GET /metrics: the catalogue with its values, as Prometheus reads it (conventions §7)."""

import faust
from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bridge_app.metrics import Metrics
from bridge_app.web.views import View


def register(app: faust.App, metrics: Metrics) -> None:
    """Add the route."""

    @app.page("/metrics")
    class MetricsView(View):
        """Unwrapped text; reading changes nothing."""

        async def get(self, request: web.Request) -> web.Response:
            return web.Response(
                body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
            )
