"""GET /asyncapi.json: AsyncAPI 3.0, made of the topic catalogue and the messages (conventions §1, §2)."""

from collections.abc import Iterable
from typing import Any

import orjson

from bridge_app import __version__, topics
from bridge_app.domain.hook_schemas import body_schema
from bridge_app.domain.hooks import ROUTES
from bridge_app.events.envelope import encode
from bridge_app.json_schema import Schema, of_types
from bridge_app.settings import Settings
from bridge_app.topics import Topic
from bridge_app.web.api import examples, hook_bodies
from bridge_app.web.api.messages import DEAD_LETTER, MESSAGES, Message
from bridge_app.web.api.payloads import DeadLetter, Envelope, ExecutionOutcome, StartTime

DESCRIPTION = """\
What travels over Kafka. Every event that the bridge sends is one JSON object in the same envelope; records of other \
producers are read tolerantly: CloudEvents, flat objects, the envelope with some fields missing. Keys are the bytes of \
`partition_key`, never quoted; the partitioner is murmur2, as Java clients use (librdkafka: \
`partitioner=murmur2_random`). The same event may come twice, always under one `event_id`.
"""

ANY_EVENT = "any_event"
_ENVELOPE: Schema = {"$ref": "#/components/schemas/Envelope"}
_HEADERS: Schema = {
    "type": "object",
    "properties": {
        "event_id": {"type": "string", "format": "uuid"},
        "event_type": {"type": "string"},
        "correlation_id": {"type": "string"},
        "traceparent": {"type": "string"},
        "content-type": {"const": "application/json"},
    },
}


def asyncapi(settings: Settings) -> Schema:
    """Return the document: a channel for every public topic of the catalogue and for its dead letters."""
    types = [message.payload for message in MESSAGES if isinstance(message.payload, type)]
    named = [Envelope, StartTime, ExecutionOutcome, DeadLetter, *types]
    schemas, components = of_types(*named)
    payloads = dict(zip(named, schemas, strict=True))
    messages = {
        one.event_type: _message(one, payloads[one.payload] if isinstance(one.payload, type) else one.payload)
        for one in MESSAGES
    }
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for topic in topics.PUBLIC:
        sent = [one.event_type for one in MESSAGES if one.topic == topic.name]
        received = [*(sent or [ANY_EVENT]), *_hooks_of(topic)]
        channels[topic.name] = _channel(topic, settings, received)
        if topic.stored:
            operations[f"receive-{topic.name}"] = _operation("receive", topic.name, received)
        if sent:
            operations[f"send-{topic.name}"] = _operation("send", topic.name, sent)
        if topic.dead_letters:
            letters = topics.dead_letter_topic(topic, settings.kafka_dlq_suffix)
            channels[letters.name] = _channel(letters, settings, [DEAD_LETTER])
            operations[f"send-{letters.name}"] = _operation("send", letters.name, [DEAD_LETTER])
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "OmniNode Bridge", "version": __version__, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": components, "messages": {**messages, **_further(payloads[DeadLetter])}},
    }


def _channel(topic: Topic, settings: Settings, messages: Iterable[str]) -> Schema:
    configuration: Schema = {"cleanup.policy": topic.cleanup_policy.split(",")}
    if topic.retention is not None:
        configuration["retention.ms"] = topic.retention * 1000
    kafka = {
        "topic": settings.topic(topic.name),
        "partitions": topic.partitions or settings.kafka_topic_partitions,
        "replicas": settings.kafka_replication_factor,
        "topicConfiguration": configuration,
        "bindingVersion": "0.5.0",
    }
    return {
        "address": settings.topic(topic.name),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": kafka},
    }


def _operation(action: str, channel: str, messages: Iterable[str]) -> Schema:
    where = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": where},
        "messages": [{"$ref": f"{where}/messages/{name}"} for name in messages],
    }


def _message(message: Message, payload: Schema) -> Schema:
    sent = encode(message.topic, message.example())
    example = {
        "name": message.event_type,
        "headers": {name: value.decode() for name, value in sent.headers},
        "payload": orjson.loads(sent.value),
    }
    return _enveloped(message.event_type, message.summary, message.key, payload, example)


def _enveloped(name: str, summary: str, key: str, payload: Schema, example: Schema) -> Schema:
    own = {"properties": {"event_type": {"const": name}, "payload": payload}}
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "headers": _HEADERS,
        "payload": {"allOf": [_ENVELOPE, own]},
        "correlationId": {"location": "$message.payload#/correlation_id"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
        "examples": [example],
    }


def _further(letter: Schema) -> dict[str, Schema]:
    """Return the messages that belong to no single topic of the bridge's own events."""
    sent = examples.letter()
    example = {
        "name": DEAD_LETTER,
        "headers": {name: value.decode() for name, value in sent.headers},
        "payload": orjson.loads(sent.value),
    }
    found = {
        DEAD_LETTER: _enveloped(
            DEAD_LETTER, "A record that can never be handled.", "key of the failed record", letter, example
        ),
        ANY_EVENT: {
            "name": ANY_EVENT,
            "title": "any event",
            "summary": "An event of any type, by another producer; it is stored.",
            "payload": _ENVELOPE,
        },
    }
    for route in ROUTES:
        found[_hook_name(route.topic)] = {
            "name": _hook_name(route.topic),
            "title": "a bare hook",
            "summary": "The body of a hook without an envelope: it is read as if it had been posted.",
            "payload": body_schema(route),
            "examples": [{"name": name, "payload": body} for name, body in hook_bodies.BODIES[route.topic].items()],
        }
    return found


def _hooks_of(topic: Topic) -> list[str]:
    return [_hook_name(route.topic) for route in ROUTES if route.topic == topic.name]


def _hook_name(topic: str) -> str:
    return f"{topic}.hook"
