"""Dead letters on their way to a broker that does not answer for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import TopicPartition

from bridge_app.domain.database_adapter.letters import Letter
from bridge_app.effects import dead_letter_sender
from bridge_app.effects.dead_letter_sender import DeadLetterSender
from bridge_app.settings import Settings
from tests.lab.cluster import Cluster
from tests.lab.services import OwnServer, ProxiedKafka

REQUEST_MS = 300
#: Some request timeouts: whatever gives up then has given up.
AWAY_SECONDS = 1.5
SOURCE, LETTERS = "foreign", "foreign.dlq"
#: Each fills a batch of the client.
BIG = 20_000


def letter(number: int) -> Letter:
    value = b"%d " % number + bytes(BIG)
    return Letter(LETTERS, SOURCE, b"key", value, 1_705_314_600_000, [("event_id", b"%d" % number)])


@pytest.fixture
async def cluster(own_kafka: OwnServer[ProxiedKafka]) -> AsyncIterator[Cluster]:
    await own_kafka.start()
    cluster = Cluster(own_kafka.environ["KAFKA_BOOTSTRAP_SERVERS"])
    await cluster.start()
    yield cluster
    await own_kafka.resume()
    await cluster.stop()


async def test_letters_that_find_no_room_in_the_client_wait_for_the_broker_and_are_sent_once(
    own_kafka: OwnServer[ProxiedKafka],
    cluster: Cluster,
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_letter_sender, "REQUEST_MS", REQUEST_MS)
    sender = DeadLetterSender(make_settings(**own_kafka.environ), lambda topic: 1)
    await sender.send([letter(0)])
    await own_kafka.pause()
    sending = asyncio.create_task(sender.send([letter(number) for number in range(1, 8)]))
    await asyncio.wait({sending}, timeout=AWAY_SECONDS)
    gave_up = sending.done()
    await own_kafka.resume()
    await sending
    await sender.close()

    assert not gave_up
    assert [int(record.value.split()[0]) for record in await cluster.read(LETTERS)] == [*range(8)]


async def test_letters_behind_one_that_the_client_gave_up_are_sent_once(
    own_kafka: OwnServer[ProxiedKafka], cluster: Cluster, make_settings: Callable[..., Settings]
) -> None:
    retries: list[None] = []
    sender = DeadLetterSender(make_settings(**own_kafka.environ), lambda topic: 1, lambda: retries.append(None))
    await sender.send([letter(0)])
    producer = await sender._producer.get()
    producer._txn_manager.increment_sequence_number(TopicPartition(LETTERS, 0), 1)  # of a batch that nobody sent
    await sender.send([letter(1), letter(2)])
    await sender.close()

    assert retries
    assert [int(record.value.split()[0]) for record in await cluster.read(LETTERS)] == [0, 1, 2]
