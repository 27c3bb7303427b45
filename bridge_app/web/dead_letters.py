"""The routes of dead letters: `/dlq` (hooks §10)."""

from collections.abc import Mapping, Sequence
from typing import Any

import faust
from aiohttp import web

from bridge_app.clock import Clock
from bridge_app.domain.database_adapter.subscription import Subscription
from bridge_app.domain.dead_letters import (
    MessageId,
    Selection,
    parse_id,
    parse_query,
    read_discard,
    read_replay,
)
from bridge_app.effects.dead_letters import DeadLetters, Resolution
from bridge_app.errors import NotFound
from bridge_app.settings import Settings
from bridge_app.timestamps import format_us, parse_us
from bridge_app.topics import CATALOGUE
from bridge_app.web.answers import Answers
from bridge_app.web.api import dead_letters as api
from bridge_app.web.api.operation import describe
from bridge_app.web.bodies import read_json
from bridge_app.web.context import context_of
from bridge_app.web.views import View


def register(app: faust.App, letters: DeadLetters, settings: Settings, *, answers: Answers, clock: Clock) -> None:
    """Add the routes."""
    desk = LetterDesk(letters, settings, clock)

    @app.page("/dlq")
    class Topics(View):
        """The topics that have dead letters."""

        @describe(api.TOPICS)
        async def get(self, request: web.Request) -> web.Response:
            rows = await letters.topics()
            return answers.success(request, {"topics": [desk.numbers(row) for row in rows]})

    @app.page("/dlq/messages/{message_id}")
    class OneMessage(View):
        """One dead letter."""

        @describe(api.ONE_MESSAGE)
        async def get(self, request: web.Request, message_id: str) -> web.Response:
            return answers.success(request, await desk.show(message_id))

    @app.page("/dlq/{topic}")
    class Messages(View):
        """The dead letters of a topic."""

        @describe(api.MESSAGES)
        async def get(self, request: web.Request, topic: str) -> web.Response:
            return answers.success(request, await desk.list(topic, request.query))

    @app.page("/dlq/{topic}/replay")
    class Replay(View):
        """Publish again what failed."""

        @describe(api.REPLAY)
        async def post(self, request: web.Request, topic: str) -> web.Response:
            selection, value = read_replay(await read_json(request), request.query)
            done = await letters.replay(await desk.resolve(topic), desk.named(selection), value, _credential(request))
            return answers.success(request, _told(done, "replayed"))

    @app.page("/dlq/{topic}/discard")
    class Discard(View):
        """Set messages aside for good."""

        @describe(api.DISCARD)
        async def post(self, request: web.Request, topic: str) -> web.Response:
            selection, reason = read_discard(await read_json(request), request.query)
            done = await letters.discard(await desk.resolve(topic), desk.named(selection), reason, _credential(request))
            return answers.success(request, _told(done, "discarded"))


class LetterDesk:
    """Answers about dead letters; topics may be named as in the catalogue or as the broker has them."""

    def __init__(self, letters: DeadLetters, settings: Settings, clock: Clock) -> None:
        self._letters = letters
        self._suffix = settings.kafka_dlq_suffix
        self._clock = clock
        self._broker_name = {topic.name: settings.topic(topic.name) for topic in CATALOGUE if topic.dead_letters}
        self._known = frozenset(self._broker_name.values())
        self._subscription = Subscription(settings.topic, self._suffix, settings.adapter_extra_topics)

    async def resolve(self, name: str) -> str:
        """Return the broker's name of the `.dlq` topic of a topic.

        Raises:
            NotFound: the bridge does not know the topic, and no dead letter is of it.
        """
        topic = self._broker_name.get(name, name)
        is_known = topic in self._known or self._subscription.takes_extra(topic)
        if "\0" in name or not (is_known or await self._letters.topics(topic + self._suffix)):
            raise NotFound(f"There is no topic {name} that has dead letters")
        return topic + self._suffix

    def named(self, selection: Selection) -> Selection:
        """Return a selection with the broker's names in its ids."""
        if selection.ids is None:
            return selection
        return Selection(ids=tuple(map(self._broker_id, selection.ids)), force=selection.force)

    async def list(self, name: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Return the `data` of a list."""
        topic = await self.resolve(name)
        now_us = self._clock.now_us()
        query = parse_query(params, topic, now_us)
        rows = await self._letters.page(topic, query)
        page = [self._message(row) for row in rows[: query.limit]]
        has_more = len(rows) > query.limit
        last = rows[query.limit - 1] if has_more else None
        cursor = None if last is None else query.next_cursor(topic, _place(last), now_us)
        return {
            "messages": page,
            "pagination": {"limit": query.limit, "has_more": has_more, "next_cursor": cursor},
        }

    async def show(self, message_id: str) -> dict[str, Any]:
        """Return the `data` of one message.

        Raises:
            NotFound: there is none.
        """
        message = parse_id(message_id)
        row = None if message is None else await self._letters.find(self._broker_id(message))
        if row is None:
            raise NotFound(f"There is no message {message_id}")
        return {**row["letter"], **self._message(row), "letter": row["letter"]}

    def numbers(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a topic with its numbers of dead letters."""
        return {
            "topic": row["dlq_topic"].removesuffix(self._suffix),
            **{name: row[name] for name in ("pending", "replayed", "discarded")},
            "oldest": _time(row["oldest"]),
            "newest": _time(row["newest"]),
        }

    def _broker_id(self, message: MessageId) -> MessageId:
        base = message.topic.removesuffix(self._suffix)
        return message._replace(topic=self._broker_name.get(base, base) + self._suffix)

    def _message(self, row: Mapping[str, Any]) -> dict[str, Any]:
        kept = (
            "original_topic", "original_partition", "original_offset", "original_key", "error_type", "error_message",
            "agent", "status", "replays", "reason", "resolved_by",
        )  # fmt: skip
        return {
            "id": str(MessageId(row["dlq_topic"], row["dlq_partition"], row["dlq_offset"])),
            "event_id": str(row["event_id"]),
            **{name: row[name] for name in kept},
            **{name: _time(row[name]) for name in ("original_timestamp", "failed_at", "resolved_at")},
        }


def _told(done: Sequence[Resolution], word: str) -> dict[str, Any]:
    failed = sum(one.error is not None for one in done)
    return {
        word: len(done) - failed,
        "failed": failed,
        "results": [{"id": str(one.message), "success": one.error is None, "error": one.error} for one in done],
    }


def _credential(request: web.Request) -> str | None:
    credential = context_of(request).credential
    return None if credential is None else credential.id


def _place(row: Mapping[str, Any]) -> tuple[int, str]:
    return parse_us(row["failed_at"].isoformat()), str(row["event_id"])


def _time(moment: Any) -> str | None:
    return None if moment is None else format_us(parse_us(moment.isoformat()))
