"""GET /health and GET /ready (conventions §6)."""

import faust
from aiohttp import web

from bridge_app.health import Health
from bridge_app.web.answers import Answers
from bridge_app.web.api import health as api
from bridge_app.web.api.operation import describe
from bridge_app.web.views import View


def register(app: faust.App, health: Health, answers: Answers) -> None:
    """Add the routes of health and readiness."""

    @app.page("/health")
    class HealthView(View):
        """Always 200: the worker answers."""

        @describe(api.HEALTH)
        async def get(self, request: web.Request) -> web.Response:
            return answers.success(request, health.report())

    @app.page("/ready")
    class ReadyView(View):
        """200 when requests may be sent here, else 503; `data` in both."""

        @describe(api.READY)
        async def get(self, request: web.Request) -> web.Response:
            data = health.readiness()
            return answers.success(request, data) if data["ready"] else answers.unready(request, data)
