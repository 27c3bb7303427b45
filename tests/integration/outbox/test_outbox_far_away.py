"""A broker that is there, but far away: it takes longer to connect to than a broker nearby may take to answer."""

from collections.abc import Callable
from pathlib import Path

from bridge_app.events.envelope import Event
from bridge_app.settings import Settings
from tests.integration.outbox.outage import TOPIC
from tests.lab.cluster import Cluster
from tests.lab.publishing import publishing
from tests.lab.services import OwnServer, ProxiedKafka
from tests.lab.tcp_proxy import Network
from tests.lab.waiting import eventually

#: A round trip of 0.4 s, four of which it takes to connect: a probe and a publication are one each.
FAR_AWAY = Network(latency=0.2)


async def test_a_broker_to_which_it_takes_longer_than_a_second_to_connect_is_used_nevertheless(
    own_kafka: OwnServer[ProxiedKafka], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    await own_kafka.start()
    cluster = Cluster(own_kafka.environ["KAFKA_BOOTSTRAP_SERVERS"])
    await cluster.start()
    await cluster.create(TOPIC, 1)
    settings = make_settings(**own_kafka.proxied_environ)
    async with own_kafka.proxy() as proxy:
        proxy.become(FAR_AWAY)
        async with publishing(settings, tmp_path) as bridge:

            async def published() -> bool:
                return await bridge.publisher.publish([(TOPIC, event())])

            assert not await published()
            await eventually(published, "events go straight to Kafka, behind those that waited", seconds=60)
            assert bridge.outbox.is_empty
    await cluster.stop()


def event() -> Event:
    return Event(
        event_id="e", event_type="t", time_us=0, correlation_id="c", trace_id="0" * 32, partition_key="k", payload={}
    )
