"""GET and PUT /admin/config (configuration §6)."""

from collections.abc import Callable
from typing import Any

import faust
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.configuration.notes import ANONYMOUS, Author
from bridge_app.domain.configuration.report import report
from bridge_app.domain.configuration.requests import ConfigurationRequest, read_request
from bridge_app.effects.configuration import Configuration
from bridge_app.effects.configuration_writer import ConfigurationWriter
from bridge_app.effects.consul_watch import ConsulWatch
from bridge_app.events.envelope import Identity
from bridge_app.masking import mask_text
from bridge_app.timestamps import format_us
from bridge_app.web.answers import Answers
from bridge_app.web.api import configuration as api
from bridge_app.web.api.operation import describe
from bridge_app.web.bodies import read_json
from bridge_app.web.context import context_of
from bridge_app.web.views import View


def register(
    app: faust.App,
    configuration: Configuration,
    watch: ConsulWatch,
    writer: ConfigurationWriter,
    *,
    identity: Identity,
    answers: Answers,
    clock: Clock,
) -> None:
    """Add the routes."""

    @app.page("/admin/config")
    class Config(View):
        """The configuration of this worker."""

        @describe(api.SHOW)
        async def get(self, request: web.Request) -> web.Response:
            return answers.success(request, show(configuration, watch, identity))

        @describe(api.CHANGE)
        async def put(self, request: web.Request) -> web.Response:
            asked = read_request(await read_json(request))
            index = await writer.write(asked, author_of(request, asked, clock.now_us))
            data = {
                "updated_keys": [key.dotted for key, _ in asked.values],
                "restart_required": False,
                "updated_at": format_us(clock.now_us()),
                "modify_index": index,
            }
            return answers.success(request, data)


def show(configuration: Configuration, watch: ConsulWatch, identity: Identity) -> dict[str, Any]:
    """Return the data of the answer to GET."""
    updated_us = configuration.last_updated_us
    return {
        **report(configuration.state, identity),
        "last_updated": None if updated_us is None else format_us(updated_us),
        "consul": {
            "connected": watch.is_connected,
            "last_index": watch.last_index,
            "last_error": None if watch.last_error is None else mask_text(watch.last_error),
        },
    }


def author_of(request: web.Request, asked: ConfigurationRequest, now_us: Callable[[], int]) -> Author:
    """Return who asks for a change, and why."""
    context = context_of(request)
    changed_by = ANONYMOUS if context.credential is None else context.credential.id
    return Author(changed_by, asked.reason, context.correlation_id, context.trace_id, now_us())
