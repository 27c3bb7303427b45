"""GET /asyncapi.json: the structure of AsyncAPI 3.0, complete, and true of what travels over Kafka."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings

from bridge_app import topics
from bridge_app.events.decoding import decode
from bridge_app.events.envelope import Event, encode
from bridge_app.json_schema import Schema
from bridge_app.settings import Settings
from bridge_app.web.api import examples
from bridge_app.web.api.asyncapi import asyncapi
from bridge_app.web.api.messages import DEAD_LETTER, MESSAGES
from bridge_app.web.api.payloads import Envelope
from tests.unit.events.test_decoding_properties import EVENTS
from tests.unit.records import record_of
from tests.unit.schemas import check, problems
from tests.unit.web.documented import references, resolve

#: The fixed fields of each object, as AsyncAPI 3.0 names them.
ROOT = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
CHANNEL = {"address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "externalDocs",
           "bindings"}  # fmt: skip
OPERATION = {"action", "channel", "title", "summary", "description", "security", "tags", "externalDocs", "bindings",
             "traits", "messages", "reply"}  # fmt: skip
MESSAGE = {"headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags",
           "externalDocs", "bindings", "examples", "traits"}  # fmt: skip
EXAMPLE = {"headers", "payload", "name", "summary"}
KAFKA_CHANNEL = {"topic", "partitions", "replicas", "topicConfiguration", "bindingVersion"}


@cache
def document() -> Schema:
    """The document as a client reads it."""
    read: Schema = orjson.loads(orjson.dumps(asyncapi(Settings.from_environ({}))))
    return read


def messages() -> dict[str, Schema]:
    found: dict[str, Schema] = document()["components"]["messages"]
    return found


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    whole = document()
    assert whole["asyncapi"] == "3.0.0"
    assert set(whole) <= ROOT
    assert {"title", "version"} <= set(whole["info"])
    for channel in whole["channels"].values():
        assert set(channel) <= CHANNEL
        assert set(channel["bindings"]["kafka"]) <= KAFKA_CHANNEL
        assert all(set(message) == {"$ref"} for message in channel["messages"].values())
    for operation in whole["operations"].values():
        assert set(operation) <= OPERATION
        assert operation["action"] in ("send", "receive")
        assert operation["channel"]["$ref"].startswith("#/channels/")
        assert all(
            message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/") for message in operation["messages"]
        )
    for message in messages().values():
        assert set(message) <= MESSAGE
        assert all(set(example) <= EXAMPLE for example in message.get("examples", ()))


def test_every_reference_leads_somewhere() -> None:
    for reference in references(document()):
        resolve(document(), reference)


def test_every_payload_is_a_schema_and_its_examples_are_valid() -> None:
    whole = document()
    for name, message in messages().items():
        check({**message["payload"], "components": whole["components"]})
        for example in message.get("examples", ()):
            assert problems(message["payload"], example["payload"], {"components": whole["components"]}) == [], name
            if "headers" in example:
                assert problems(message["headers"], example["headers"]) == [], name


def test_every_public_topic_has_a_channel_and_one_for_its_dead_letters() -> None:
    expected = {topic.name for topic in topics.PUBLIC}
    expected |= {topics.dead_letter_topic(topic).name for topic in topics.PUBLIC if topic.dead_letters}
    assert set(document()["channels"]) == expected


def test_what_the_adapter_stores_is_read_and_every_dead_letter_is_sent() -> None:
    done = {
        (operation["action"], operation["channel"]["$ref"].rpartition("/")[2])
        for operation in document()["operations"].values()
    }
    assert {name for action, name in done if action == "receive"} == {one.name for one in topics.PUBLIC if one.stored}
    sent = {message.topic for message in MESSAGES}
    letters = {topics.dead_letter_topic(topic).name for topic in topics.PUBLIC if topic.dead_letters}
    assert {name for action, name in done if action == "send"} == sent | letters


def test_addresses_and_bindings_are_those_of_the_deployment(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(KAFKA_TOPIC_PREFIX="t1.", KAFKA_TOPIC_PARTITIONS=3, KAFKA_DLQ_SUFFIX=".dead")
    channel = asyncapi(settings)["channels"]["hooks.service_lifecycle"]
    assert channel["address"] == channel["bindings"]["kafka"]["topic"] == "t1.hooks.service_lifecycle"
    assert channel["bindings"]["kafka"]["partitions"] == 3
    assert channel["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == 7 * 24 * 3600 * 1000
    assert asyncapi(settings)["channels"]["hooks.service_lifecycle.dead"]["address"].endswith(".dead")


@settings(deadline=None)  # the machine may be busy
@given(event=EVENTS)
def test_what_is_sent_has_the_documented_envelope(event: Event) -> None:
    sent = msgspec.structs.replace(
        event,
        event_type=event.event_type[:255],
        correlation_id=event.correlation_id[:255],
        source=examples.IDENTITY.as_source(),
        source_node_id=examples.IDENTITY.node_id,
    )
    value = orjson.loads(encode("topic", sent).value)
    assert problems({"$ref": "#/components/schemas/Envelope"}, value, {"components": document()["components"]}) == []
    assert list(value) == list(Envelope.__struct_fields__)


@pytest.mark.parametrize("event_type", [message.event_type for message in MESSAGES])
def test_every_example_is_what_the_bridge_reads_back(event_type: str) -> None:
    example = messages()[event_type]["examples"][0]
    event = decode(record_of(example["payload"], headers=[(n, v.encode()) for n, v in example["headers"].items()]))
    assert (event.event_type, event.payload) == (event_type, example["payload"]["payload"])


def test_every_event_that_three_starts_lead_to_is_documented() -> None:
    components = {"components": document()["components"]}
    found = examples.published()
    assert len(found) > 8
    for topic, event in found:
        value: Any = orjson.loads(encode(topic, event).value)
        assert event.event_type in document()["channels"][topic]["messages"]
        assert problems(messages()[event.event_type]["payload"], value, components) == []


def test_a_dead_letter_has_every_documented_field() -> None:
    payload = messages()[DEAD_LETTER]["examples"][0]["payload"]["payload"]
    assert set(payload) == set(document()["components"]["schemas"]["DeadLetter"]["properties"])
    assert payload["error_type"] == "INVALID_JSON"


def test_what_the_bridge_derives_in_its_examples_is_deterministic() -> None:
    examples.published.cache_clear()
    first = examples.published()
    examples.published.cache_clear()
    assert first == examples.published()
