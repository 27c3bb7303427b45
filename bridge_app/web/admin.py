"""GET /admin/agents, …/database_adapter, POST …/resume and …/rebuild (hooks §11, database-adapter §7, §8)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from agents.database_adapter import DatabaseAdapter
from bridge_app.domain.lag import Lag
from bridge_app.effects.adapter_meter import AGENT
from bridge_app.effects.rebuild import Order
from bridge_app.errors import Conflict, FieldError, NotFound, ValidationError
from bridge_app.events.fields import Errors, Object
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.step_agent import AnyStepAgent
from bridge_app.timestamps import parse_us
from bridge_app.web.answers import Answers
from bridge_app.web.api import admin as api
from bridge_app.web.api.operation import describe
from bridge_app.web.bodies import read_bytes, read_json
from bridge_app.web.views import View

EARLIEST = "earliest"


class Sources(NamedTuple):
    """What the operator's routes show: `lags` of a consumer group by topic, the breaker's state for Postgres."""

    adapter: DatabaseAdapter
    lags: Callable[[str], Mapping[str, Lag]]
    breaker_state: Callable[[], str]
    topic_name: Callable[[str], str]


def register(app: BridgeApp, sources: Sources, answers: Answers) -> None:
    """Add the routes."""

    @app.page("/admin/agents")
    class AgentList(View):
        """Every agent of this worker."""

        @describe(api.AGENTS)
        async def get(self, request: web.Request) -> web.Response:
            return answers.success(request, {"agents": [*agent_rows(app, sources), *adapter_rows(sources)]})

    @app.page(f"/admin/agents/{AGENT}")
    class Adapter(View):
        """The database adapter of this worker."""

        @describe(api.ADAPTER)
        async def get(self, request: web.Request) -> web.Response:
            report = sources.adapter.report(sources.lags("adapter"))
            return answers.success(request, {**report, "circuit_breaker": sources.breaker_state()})

    @app.page(f"/admin/agents/{AGENT}/rebuild")
    class Rebuild(View):
        """Rows once more from what Kafka still holds."""

        @describe(api.REBUILD)
        async def post(self, request: web.Request) -> web.Response:
            order = rebuild_order(await _read(request, api.REBUILD_BODY))
            return answers.success(request, {"rebuild_id": await sources.adapter.rebuild(order)}, status=202)

    @app.page("/admin/agents/{agent}/resume")
    class Resume(View):
        """An agent goes on with what it had stopped."""

        @describe(api.RESUME)
        async def post(self, request: web.Request, agent: str) -> web.Response:
            body = await _read(request, api.RESUME_BODY)
            return answers.success(request, {"agent": agent, "status": await resume(app, sources, agent, body)})


async def resume(app: BridgeApp, sources: Sources, agent: str, body: Mapping[str, Any]) -> str:
    """Let an agent go on; return its status.

    Raises:
        NotFound: there is no such agent.
        Conflict: it has not stopped.
    """
    topic, given = body.get("topic"), body.get("max_dead_letters")
    free = api.MOST_DEAD_LETTERS if given is None else given
    if agent == AGENT:
        stopped = sources.adapter.snapshot()["stopped_topics"]
        name = None if topic is None else _broker_name(topic, stopped, sources.topic_name)
        await sources.adapter.resume(name, free=free)
        return str(sources.adapter.status)
    found = next((one for one in app.step_agents if one.name == agent), None)
    if found is None:
        known = [AGENT, *sorted(one.name for one in app.step_agents)]
        raise NotFound(f"There is no agent {agent}", details={"known": known})
    names = found.topics if topic is None else (_broker_name(topic, found.topics, sources.topic_name),)
    resumed = [name for name in names if name in found.topics and await found.resume(name, free)]
    if not resumed:
        raise Conflict(f"{agent} is running" if topic is None else f"{agent} has not stopped {topic}")
    return _status(app, found, resumed[0])


def rebuild_order(body: Mapping[str, Any]) -> Order:
    """Return what a body asks for.

    Raises:
        ValidationError: a date that does not exist.
    """
    start = body.get("from") or EARLIEST
    try:
        # Kafka knows no time before 1970, and takes some negative ones for "the latest" and the like.
        from_ms = None if start == EARLIEST else max(0, parse_us(start) // 1000)
    except ValueError as error:
        raise ValidationError([FieldError("$.from", str(error))]) from error
    return Order(body.get("topics") or (), from_ms, body.get("rate_per_second") or 0.0)


def agent_rows(app: BridgeApp, sources: Sources) -> list[dict[str, Any]]:
    """Return one row per agent and topic."""
    lags, assigned = sources.lags("agents"), app.consumer.assignment() if app.is_processing else ()
    return [
        {
            "name": agent.name,
            "topic": topic,
            "status": _status(app, agent, topic),
            "partitions": sum(part.topic == topic for part in assigned),
            "lag": lags[topic].records if topic in lags else None,
            "last_error": agent.counts.last_error,
        }
        for agent in app.step_agents
        for topic in agent.topics
    ]


def adapter_rows(sources: Sources) -> list[dict[str, Any]]:
    """Return one row per topic that the adapter reads here."""
    return [
        {
            "name": AGENT,
            **{name: topic[name] for name in ("topic", "status", "partitions", "last_error")},
            "lag": topic["lag_records"],
        }
        for topic in sources.adapter.report(sources.lags("adapter"))["topics"]
    ]


def _status(app: BridgeApp, agent: AnyStepAgent, topic: str) -> str:
    if topic in app.guard.stopped and app.guard.stopped[topic][0] == agent.name:
        return "stopped"
    return "running" if app.is_processing else "recovering"


def _broker_name(topic: str, known: Sequence[str] | Mapping[str, Any], topic_name: Callable[[str], str]) -> str:
    """Return a topic's name on the broker, whether it was given with the deployment's prefix or without."""
    return topic if topic in known else topic_name(topic)


async def _read(request: web.Request, rule: Object) -> dict[str, Any]:
    """Return a body; none at all is an empty object.

    Raises:
        ValidationError: naming each field that is wrong.
    """
    body = await read_json(request) if await read_bytes(request) else {}
    errors: Errors = []
    read = rule.read(body, None, errors)
    if errors:
        raise ValidationError(errors)
    found: dict[str, Any] = read
    return found
