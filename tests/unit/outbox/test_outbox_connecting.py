"""How long an attempt to connect to Kafka may take: longer each time, so that a broker far away is reached at last."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge_app.effects import producer_link
from bridge_app.effects.producer_link import ProducerLink
from bridge_app.settings import Settings


class Producer:
    """A client that connects when its broker is near."""

    is_near = False

    def __init__(self, **options: Any) -> None:
        """Take the options of the real one."""

    async def stop(self) -> None:
        """Disconnect."""


async def started(producer: Producer) -> Producer:
    if not producer.is_near:
        await asyncio.Event().wait()
    return producer


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]) -> ProducerLink:
    monkeypatch.setattr(producer_link, "AIOKafkaProducer", Producer)
    monkeypatch.setattr(producer_link, "started", started)
    monkeypatch.setattr(producer_link, "CONNECT_SECONDS", 0.01)
    monkeypatch.setattr(producer_link, "LONGEST_CONNECT_SECONDS", 0.04)
    return ProducerLink(make_settings())


async def given_time(link: ProducerLink) -> str:
    """Return what is said of an attempt that is cut."""
    with pytest.raises(ConnectionError) as caught:
        await link.connect()
    return str(caught.value)


async def test_each_attempt_that_is_cut_gives_the_next_one_twice_as_long_up_to_a_limit(link: ProducerLink) -> None:
    said = [await given_time(link) for _ in range(4)]

    assert said == [f"no answer within {seconds} s" for seconds in ("0.01", "0.02", "0.04", "0.04")]
    assert not link.is_connected


async def test_once_connected_the_first_attempt_after_an_outage_is_short_again(
    link: ProducerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await given_time(link)
    monkeypatch.setattr(Producer, "is_near", True)
    await link.connect()
    assert link.is_connected
    await link.stop()
    monkeypatch.setattr(Producer, "is_near", False)

    assert await given_time(link) == "no answer within 0.01 s"
