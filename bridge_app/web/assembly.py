"""The web server with everything a request has to pass, as the settings have it."""

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp.typedefs import Middleware

from bridge_app.clock import Clock
from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.errors import StartError
from bridge_app.web.admission import Admission
from bridge_app.web.answers import Answers
from bridge_app.web.authentication import create_authenticator
from bridge_app.web.limits import InFlight
from bridge_app.web.middleware import create_middleware, create_refusal
from bridge_app.web.server import BridgeWeb


def web_factory(
    live: LiveSettings,
    *,
    answers: Answers,
    clock: Clock,
    new_uuid: Callable[[], str],
    stopping: Callable[[], bool],
    halt: Callable[[StartError], None],
    outermost: Sequence[Middleware] = (),
) -> Callable[[Any], BridgeWeb]:
    """Return a function that makes the web server of a Faust app. The files of keys and secrets are read now.

    `stopping` tells that the worker is shutting down; `halt` ends the process when the port cannot be had. Middlewares
    of `outermost` see every request first and every answer last, also those of requests that were not admitted.

    Raises:
        SettingsError: a file of keys or secrets is bad.
    """
    settings = live.now
    admission = Admission(
        authenticator=create_authenticator(settings),
        per_minute=lambda: live.now.rate_limit_per_minute,
        clock=clock,
        stopping=stopping,
    )
    in_flight = InFlight(settings.http_max_in_flight)
    refuse = create_refusal(answers=answers, clock=clock, new_uuid=new_uuid)

    def new_web(app: Any) -> BridgeWeb:
        middleware = create_middleware(
            answers=answers, clock=clock, new_uuid=new_uuid, admission=admission, in_flight=in_flight
        )
        return BridgeWeb(
            app,
            middlewares=[*outermost, middleware],
            max_body_bytes=settings.http_max_body_bytes,
            refuse=refuse,
            halt=halt,
        )

    return new_web
