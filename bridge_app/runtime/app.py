"""The Faust application with the delivery layer wired in."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import faust
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP, TransportT
from faust.web.base import Web
from mode.supervisors import CrashingSupervisor
from mode.types import ServiceT

from bridge_app.clock import Clock, SystemClock
from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.errors import Fenced, StartError
from bridge_app.events.envelope import Identity
from bridge_app.kafka_clients import client_options, faust_credentials
from bridge_app.metrics import Metrics
from bridge_app.patience import within
from bridge_app.runtime import collector
from bridge_app.runtime.alarms import Alarm, Clear, Raise, forget, log_only
from bridge_app.runtime.boot import BridgeBoot
from bridge_app.runtime.catalogue import CataloguePlan, ChangelogSpec, create_topics
from bridge_app.runtime.consumer import BatchConsumer, BatchTransport
from bridge_app.runtime.fence import Fence
from bridge_app.runtime.folder import claim
from bridge_app.runtime.guard import Guard
from bridge_app.runtime.lanes import Lanes
from bridge_app.runtime.loop_watch import LoopLimits, LoopWatch
from bridge_app.runtime.losses import Lost
from bridge_app.runtime.process import BridgeWorker, end
from bridge_app.runtime.producer import BatchProducer
from bridge_app.runtime.rebalances import RebalanceSensor
from bridge_app.runtime.recovery import ParkedTableManager
from bridge_app.runtime.slices import Slices
from bridge_app.runtime.state_table import StateTable
from bridge_app.runtime.watchdog import Watched
from bridge_app.settings import Settings
from bridge_app.topics import Topic, with_dead_letters

log = structlog.get_logger(__name__)

PULSE_SECONDS = 0.2
HEARTBEAT_SECONDS = 1.0
#: How long the end waits for sends that no step waits for, such as ticks.
FLUSH_SECONDS = 5.0


class BridgeApp(faust.App):
    """A Faust app whose agents get whole batches and whose tables, commits and rebalances lose nothing.

    `session_timeout` is how long the group waits for a silent worker, in seconds; a worker that was frozen for half of
    it stops itself. Further keyword arguments are Faust's settings.
    """

    BootStrategy = BridgeBoot

    consumer: BatchConsumer

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        *,
        session_timeout: float = 15.0,
        loop_limits: LoopLimits = LoopLimits(),  # noqa: B008 # it never changes
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        self.settings = settings
        self.identity = identity
        self.clock = clock or SystemClock()
        #: What the brokers say of our credentials while they refuse them.
        self.kafka_refusal: str | None = None
        #: Why the brokers do not let the topics be as they must, while the start waits for that.
        self.topics_refusal: str | None = None
        self.edge_services: list[ServiceT] = []
        #: What the agents wait for besides the broker; each returns in bounded time.
        self.awaited: list[Callable[[], Awaitable[None]]] = []
        self.inner_services: list[ServiceT] = []
        self.step_agents: list[Any] = []
        self.lanes: list[Lanes] = []
        #: What the background work of this worker takes turns by.
        self.slices = Slices()
        #: Consumer groups whose commits the watchdog minds.
        self.watched: list[Watched] = [Watched(settings.app_id, self._moving)]
        self.batch_topics: set[str] = set()
        self.catalogue: list[Topic] = []
        self.co_partitioned: list[tuple[str, ...]] = []
        self.partition_counts: dict[str, int] = {}
        #: What is in force of `settings`, for those that may change while the worker runs.
        self.live = LiveSettings(settings)
        self.guard = Guard(self.live.max_share)
        self.metrics = Metrics()
        #: Publishes alarms.
        self.raise_alarm: Raise = log_only
        #: Publishes that one is over.
        self.clear_alarm: Clear = forget
        #: Whether Kafka answers, as far as is known. What needs it is not waited for at the end when it does not.
        self.kafka_answers: Callable[[], bool] = lambda: True
        self.stopping = False
        self._loop_limits = loop_limits
        #: Makes the web server; None makes Faust's.
        self.new_web: Callable[[BridgeApp], Web] | None = None
        self.fence = Fence(
            session_timeout=session_timeout,
            monotonic=self.clock.monotonic,
            generation=lambda: self.consumer_generation_id,
        )
        super().__init__(
            settings.app_id,
            **{**_faust_settings(settings, session_timeout), **options},
        )
        self.finalize()  # the configuration is complete; with `FAUST_STRICT` set Faust would refuse to show it before
        self.sensors.add(RebalanceSensor(self.metrics, self.clock.monotonic))

    # -- declaring

    def declare(self, topics: Iterable[Topic], *, co_partitioned: Iterable[Sequence[Topic]] = ()) -> None:
        """Add topics to the catalogue, each with the dead-letter topic it has; they exist before anything consumes.

        Within each group of `co_partitioned` all must have the same number of partitions.
        """
        self.catalogue += with_dead_letters(topics, self.settings.kafka_dlq_suffix)
        self.co_partitioned += [tuple(topic.name for topic in group) for group in co_partitioned]

    def topic_name(self, name: str) -> str:
        """Return the broker's name of a catalogue topic."""
        return self.settings.topic(name)

    def state_table(
        self, name: str, *, state_type: Any, sources: list[str], version: int = 1, help: str
    ) -> StateTable[Any]:
        """Declare a table whose state changes by the events of `sources` (catalogue names)."""
        names = tuple(self.topic_name(source) for source in sources)
        table: StateTable[Any] = StateTable(
            self, name=name, state_type=state_type, sources=names, version=version, help=help
        )
        self.batch_topics.add(table.changelog_topic_name)
        return cast(StateTable[Any], self.tables.add(table))

    def catalogue_plan(self) -> CataloguePlan:
        """Return the topics and changelogs that must exist before anything consumes."""
        tables = [cast(StateTable[Any], table) for table in self.tables.values()]
        return CataloguePlan(
            topics={self.topic_name(topic.name): topic for topic in self.catalogue},
            changelogs=tuple(ChangelogSpec(table.changelog_topic_name, table.sources) for table in tables),
            partitions=self.settings.kafka_topic_partitions,
            replication_factor=self.settings.kafka_replication_factor,
            co_partitioned=tuple(tuple(map(self.topic_name, group)) for group in self.co_partitioned),
            letters={
                self.topic_name(topic.name): self.topic_name(topic.letters_of)
                for topic in self.catalogue
                if topic.letters_of is not None
            },
        )

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """Connect an administrator's client for the time of the block.

        Raises:
            KafkaError: no broker answers.
        """
        admin = AIOKafkaAdminClient(client_id=self.conf.id, **client_options(self.settings))
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    async def restore_topics(self) -> None:
        """Create what is missing of the catalogue: a topic was deleted while the worker runs, and is needed.

        Raises:
            KafkaError: the broker is away or refuses.
        """
        async with self.admin() as admin:
            await create_topics(admin, self.catalogue_plan())

    # -- state

    @property
    def batch_producer(self) -> BatchProducer:
        """The worker's producer, for steps and ticks."""
        return cast(BatchProducer, self.producer)

    @property
    def is_processing(self) -> bool:
        """Whether this worker has its partitions and their recovered state."""
        return bool(self.tables.actives_ready and not self.rebalancing and not self.should_stop)

    def _moving(self) -> list[TP]:
        """Return the source partitions that this worker's agents should be working on."""
        if not self.is_processing:
            return []
        sources = {topic for agent in self.step_agents for topic in agent.topics} - self.guard.stopped.keys()
        return [tp for tp in self.consumer.assignment() if tp.topic in sources]

    def problems(self) -> list[str]:
        """Return one line for each reason why an operator is needed; empty when none is."""
        refused = [f"Kafka refuses the credentials: {self.kafka_refusal}"] if self.kafka_refusal else []
        return [*refused, *self.guard.problems()]

    def report_lost(self, lost: Lost) -> None:
        """Tell of records that their topic dropped before they were read."""
        log.critical("records_lost", **lost._asdict(), records=lost.records)
        if lost.group == self.settings.adapter_group:
            self.metrics.adapter_records_lost.inc(lost.records)
        self.alarm(Alarm("RECORDS_LOST", str(lost), {**lost._asdict(), "records": lost.records}))

    def alarm(self, alarm: Alarm) -> None:
        """Tell operators, in the background."""
        self.add_future(self.raise_alarm(alarm))

    # -- stopping

    def halt(self, error: StartError) -> None:
        """End the process with the error's exit code and one line; all state is safe at any moment."""
        log.critical("halted", error=str(error), exit_code=error.exit_code)
        end(error.exit_code)

    async def crash(self, reason: BaseException) -> None:
        """Stop the worker because of an error; what was not acknowledged is redelivered."""
        if isinstance(reason, StartError):
            self.halt(reason)
        if isinstance(reason, Fenced):  # an orderly stop would send what waits, and join the group first to leave it
            log.critical("fenced", error=str(reason), exit_code=1)
            end(1)
        self._hard_exit_later()
        for lanes in self.lanes:
            lanes.close()
        await super().crash(reason)

    async def on_stop(self) -> None:
        self.stopping = True
        self._hard_exit_later()
        await super().on_stop()

    async def _producer_flush(self, logger: Any) -> None:
        """Wait, within bounds, for what is still to be sent: nothing of it is acknowledged by anybody."""
        if not await within(super()._producer_flush(logger), FLUSH_SECONDS, self.kafka_answers):
            log.warning("sends_given_up")

    def _hard_exit_later(self) -> None:
        """End a worker that is still there `shutdown_grace_seconds` after a crash or a signal to stop."""
        timer = threading.Timer(self.settings.shutdown_grace_seconds, end, args=(1,))
        timer.daemon = True
        timer.start()

    # -- what Faust calls

    def _new_web(self) -> Web:
        return super()._new_web() if self.new_web is None else self.new_web(self)

    def _on_rebalance_when_stopped(self) -> None:
        """Do nothing: a worker that is stopping takes part in a rebalance with its steps done and committed, and leaves
        the group when its consumer stops.

        Faust marks the client as closed here. Its stop then returns at once and never leaves the group, which waits for
        the session of a member that is gone, and hands its partitions out to it as well.
        """

    def _new_transport(self) -> TransportT:
        return BatchTransport(self.conf.broker_consumer, cast(Any, self))

    async def on_start(self) -> None:
        collector.suit_batches()
        self.loop_watch = LoopWatch(asyncio.get_running_loop(), self._loop_limits)
        self.loop_watch.start()
        self.metrics.event_loop_lag.set_function(self.loop_watch.longest)
        await super().on_start()
        self.add_future(self._pulse())

    async def on_first_start(self) -> None:
        try:
            self._claim = claim(self.settings.data_dir)
        except StartError as error:
            self.halt(error)
        await super().on_first_start()

    async def on_started(self) -> None:
        await super().on_started()
        if not self.should_stop:
            names = [agent.name for agent in self.step_agents]
            log.info("worker_ready", url=self.settings.advertised_url, agents=names)

    async def _pulse(self) -> None:
        while not self.should_stop:
            await self.beat()
            await self.sleep(PULSE_SECONDS)

    async def beat(self) -> None:
        """Show that the process runs, and end it when it was frozen."""
        self.fence.beat()
        if self.fence.is_down:
            await self.crash(Fenced("this process was frozen for half a session"))

    async def until_member(self) -> None:
        """Return when this worker is known to be a member of its group; end it when it is none any more."""
        await self.beat()
        try:
            while self.fence.holds_back():  # noqa: ASYNC110  # heartbeats are the business of another thread
                await asyncio.sleep(PULSE_SECONDS)
        except Fenced as error:
            await self.crash(error)


def _faust_settings(settings: Settings, session_timeout: float) -> dict[str, Any]:
    """Return Faust's own settings.

    With an empty `env` none of Faust's environment variables overrides them. An `env_prefix` would not do: the variable
    `APP_ENV_PREFIX` lifts it.
    """
    return {
        "env": {},
        "broker": [f"kafka://{server}" for server in settings.kafka_bootstrap_servers],
        "broker_credentials": faust_credentials(settings),
        "store": "rocksdb://",
        "datadir": settings.data_dir,
        "autodiscover": False,
        "processing_guarantee": "at_least_once",
        "agent_supervisor": CrashingSupervisor,
        "TableManager": ParkedTableManager,
        "Worker": BridgeWorker,
        "broker_commit_interval": 1.0,
        "broker_session_timeout": session_timeout,
        # A member learns of a rebalance by its heartbeat: a hand-over waits for the slowest of them.
        "broker_heartbeat_interval": min(HEARTBEAT_SECONDS, session_timeout / 5),
        "broker_rebalance_timeout": 30.0,
        "broker_request_timeout": 40.0,
        "consumer_auto_offset_reset": "earliest",
        "producer_acks": -1,
        "producer_linger": 0.0,
        "producer_max_batch_size": 256 * 1024,
        "producer_max_request_size": 4 * 1024 * 1024,
        "producer_request_timeout": 40.0,
        "reply_create_topic": False,
        "stream_buffer_maxsize": 16,
        "stream_wait_empty": True,
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": settings.kafka_topic_partitions,
        "web_host": settings.web_host,
        "web_port": settings.web_port,
        "web_bind": settings.web_host,
        "web_transport": "tcp:",
    }


__all__ = ["BridgeApp"]
