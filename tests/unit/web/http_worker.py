"""The web server of a worker, for real, on a free port of this machine; what it publishes is collected in a list."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import faust

from bridge_app.errors import RequestError, StartError
from bridge_app.events.envelope import Event, Identity
from bridge_app.health import Facts, Health
from bridge_app.web import health as health_views
from bridge_app.web import hooks
from bridge_app.web.answers import Answers
from bridge_app.web.middleware import create_middleware
from bridge_app.web.server import BridgeWeb
from bridge_app.web.views import View

MAX_BODY_BYTES = 4096


class ManualClock:
    """A clock that stands still until it is told the time."""

    def __init__(self) -> None:
        self.time_us = 1_705_314_600_000_000
        self.seconds = 100.0

    def now_us(self) -> int:
        return self.time_us

    def monotonic(self) -> float:
        return self.seconds


class Worker:
    """The HTTP side of a worker. Its attributes decide how the parts behind it behave."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.clock = ManualClock()
        self.published: list[tuple[str, Event]] = []
        self.kafka_answers = True
        self.refusal: RequestError | None = None
        self.analysis: dict[str, Any] | Exception = {"patterns_discovered": [{"pattern_type": "x"}]}
        self.stopping = False
        self.recovered = True
        self.halted: list[StartError] = []
        answers = Answers(self.clock)
        self.app = faust.App("web-test", env_prefix="UNUSED_", web_bind="127.0.0.1", web_port=port, autodiscover=False)
        self.web = BridgeWeb(
            self.app,
            middlewares=[
                create_middleware(answers=answers, clock=self.clock, new_uuid=_new_uuid, stopping=lambda: self.stopping)
            ],
            max_body_bytes=MAX_BODY_BYTES,
            halt=self.halted.append,
        )
        self.app.web = self.web
        facts = Facts(lambda: self.recovered, lambda: True, lambda: self.stopping, lambda: [])
        self.health = Health(
            {"kafka": _well, "database": _well},
            facts,
            instance_id="i-1",
            clock=self.clock,
            disabled=("consul", "outbox"),
        )
        receiver = hooks.HookReceiver(
            answers=answers,
            publish=self._publish,
            analyse=self._analyse,
            identity=Identity("omninode-bridge", "0.1.0", "i-1", "n-1", "test"),
            clock=self.clock,
            new_uuid=_new_uuid,
        )
        hooks.register(self.app, receiver)
        health_views.register(self.app, self.health, answers)
        self._register_defect()

    async def _publish(self, events: Sequence[tuple[str, Event]]) -> bool:
        if self.refusal is not None:
            raise self.refusal
        self.published += events
        return self.kafka_answers

    def _analyse(self, event: Event) -> dict[str, Any]:
        if isinstance(self.analysis, Exception):
            raise self.analysis
        return self.analysis

    def _register_defect(self) -> None:
        @self.app.page("/defect")
        class Defect(View):
            async def get(self, request: Any) -> Any:
                raise KeyError("secret detail")


def _new_uuid() -> str:
    return str(uuid4())


async def _well() -> None:
    return
