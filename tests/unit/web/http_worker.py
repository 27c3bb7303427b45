"""The web server of a worker, for real, on a free port of this machine; what it publishes is collected in a list."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import uuid4

import faust
from aiohttp import web

from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.domain.idempotency import KeptAnswers
from bridge_app.effects.hook_history import HookHistory
from bridge_app.errors import RequestError, StartError
from bridge_app.events.envelope import Event, Identity
from bridge_app.health import Facts, Health
from bridge_app.settings import Settings
from bridge_app.web import documents, hook_history, hooks
from bridge_app.web import health as health_views
from bridge_app.web.answers import Answers
from bridge_app.web.assembly import web_factory
from bridge_app.web.idempotency import Idempotency
from bridge_app.web.limits import Turns
from bridge_app.web.server import BridgeWeb
from bridge_app.web.views import View

MAX_BODY_BYTES = 4096
IDENTITY = Identity("omninode-bridge", "0.1.0", "i-1", "n-1", "test")


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

    def __init__(
        self,
        port: int,
        settings: Settings,
        *,
        most_hooks: int = 100,
        wait_seconds: float = 0.1,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.clock = ManualClock()
        self.published: list[tuple[str, Event]] = []
        self.recorded: list[tuple[str, Event]] = []
        self.kafka_answers = True
        self.refusal: RequestError | None = None
        self.record_refusal: RequestError | None = None
        #: Publications wait for the gate; so many do at the moment.
        self.waiting = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.analysis: dict[str, Any] | Exception = {"patterns_discovered": [{"pattern_type": "x"}]}
        self.stopping = False
        self.recovered = True
        self.halted: list[StartError] = []
        #: What is in force of the settings; and what is limited by it.
        self.live = LiveSettings(settings)
        self.most_hooks = most_hooks
        self.turns = Turns(lambda: self.most_hooks, wait_seconds)
        self.kept = KeptAnswers(ttl_seconds=3600, most_keys=100)
        #: What happens while a worker waits for what others have answered.
        self.catch_up: Callable[[], None] = lambda: None
        self._answers = Answers(self.clock)
        self.app = faust.App("web-test", env_prefix="UNUSED_", web_bind="127.0.0.1", web_port=port, autodiscover=False)
        self.web = self.app.web = self._new_web()
        self.health = self._new_health()
        idempotency = self._new_idempotency(wait_seconds)
        hooks.register(self.app, self._new_receiver(idempotency))
        hook_history.register(self.app, cast(HookHistory, None), answers=self._answers, clock=self.clock)
        health_views.register(self.app, self.health, self._answers)
        documents.register(self.app, settings)
        self._register_defect()
        self._register_created(idempotency)

    def _new_web(self) -> BridgeWeb:
        return web_factory(
            self.live,
            answers=self._answers,
            clock=self.clock,
            new_uuid=_new_uuid,
            stopping=lambda: self.stopping,
            halt=self.halted.append,
        )(self.app)

    def _new_health(self) -> Health:
        return Health(
            {"kafka": _well, "database": _well},
            Facts(lambda: self.recovered, lambda: True, lambda: self.stopping, lambda: []),
            instance_id="i-1",
            clock=self.clock,
            disabled=("consul", "outbox"),
        )

    def _new_idempotency(self, wait_seconds: float) -> Idempotency:
        return Idempotency(
            kept=self.kept,
            catch_up=self._catch_up,
            publish=self._record,
            answers=self._answers,
            identity=IDENTITY,
            clock=self.clock,
            wait_seconds=wait_seconds,
        )

    def _new_receiver(self, idempotency: Idempotency) -> hooks.HookReceiver:
        return hooks.HookReceiver(
            answers=self._answers,
            publish=self._publish,
            analyse=self._analyse,
            identity=IDENTITY,
            clock=self.clock,
            new_uuid=_new_uuid,
            idempotency=idempotency,
            turns=self.turns,
        )

    async def _catch_up(self) -> None:
        self.catch_up()

    async def _record(self, events: Sequence[tuple[str, Event]]) -> None:
        if self.record_refusal is not None:
            raise self.record_refusal
        self.recorded += events

    async def _publish(self, events: Sequence[tuple[str, Event]]) -> bool:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
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

    def _register_created(self, idempotency: Idempotency) -> None:
        @self.app.page("/created")
        class Created(View):
            """Answers with the status that the query names, and says where what was created is."""

            async def post(self, request: web.Request) -> web.Response:
                async def perform() -> web.Response:
                    headers = {"Location": "/created/1", "Content-Type": "application/json"}
                    return web.Response(body=b"{}", status=int(request.query["status"]), headers=headers)

                return await idempotency.once(request, perform)


def _new_uuid() -> str:
    return str(uuid4())


async def _well() -> None:
    return
