"""The parts of a worker besides its agents: services, and what they know of each other. Nothing is started here.

`Parts` makes them in the order in which they depend on each other; `register` tells the app to start and stop them.
"""

import re
from collections.abc import Sequence

from agents.database_adapter import DatabaseAdapter
from bridge_app.domain.database_adapter.subscription import Subscription
from bridge_app.domain.intelligence.immediate import Views
from bridge_app.effects.alarms import Alarms
from bridge_app.effects.answer_log import AnswerLog
from bridge_app.effects.breakers import Breakers
from bridge_app.effects.configuration import Configuration
from bridge_app.effects.configuration_writer import ConfigurationWriter
from bridge_app.effects.consul import ConsulRegistration
from bridge_app.effects.consul_kv import ConsulKv
from bridge_app.effects.consul_watch import ConsulWatch
from bridge_app.effects.guarded_reads import GuardedReads
from bridge_app.effects.lag_meter import Group, LagMeter
from bridge_app.effects.outbox.condition import Limits
from bridge_app.effects.outbox.outbox import Outbox
from bridge_app.effects.postgres import Postgres
from bridge_app.effects.publisher import Publisher
from bridge_app.effects.replay_sender import ReplaySender
from bridge_app.effects.retention import Retention
from bridge_app.effects.teller import STOP_SECONDS, Teller
from bridge_app.errors import DependencyRefusal
from bridge_app.events.envelope import Event
from bridge_app.health import HEALTHY, Facts, Health, OutboxState
from bridge_app.kafka_clients import refusal
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.watchdog import Watched
from tables.intelligence import BaselineLog, PatternLog


class Parts:
    """The services of one worker."""

    def __init__(self, app: BridgeApp) -> None:
        settings, clock = app.settings, app.clock
        self.app = app
        self.postgres = Postgres(settings)
        stop_seconds = settings.kafka_timeout_seconds + STOP_SECONDS
        self.alarms = Alarms(self.publish_extra, app.identity, clock, stop_seconds=stop_seconds)
        self.breakers = Breakers(settings.breakers, metrics=app.metrics, alarms=self.alarms, clock=clock)
        self.outbox = Outbox(
            settings.data_dir / "outbox",
            Limits(settings.outbox_max_events, settings.outbox_max_bytes),
            clock=clock,
            alarms=self.alarms,
        )
        self.publisher = Publisher(
            settings,
            app.metrics,
            breaker=self.breakers["kafka"],
            outbox=self.outbox,
            clock=clock,
            halt=app.halt,
            restore_topics=app.restore_topics,
        )
        self.consul = ConsulRegistration(settings, self.breakers["consul"])
        self.teller = Teller(self.publish_extra, stop_seconds=stop_seconds)
        self.configuration = Configuration(
            app.live, tell=self.teller.tell, identity=app.identity, clock=clock, metrics=app.metrics
        )
        kv = ConsulKv(settings)
        self.watch = ConsulWatch(settings, kv, self.breakers["consul"], self.configuration, clock=clock)
        self.writer = ConfigurationWriter(kv, self.breakers["consul"], self.configuration, self.watch)
        self.adapter = DatabaseAdapter(
            settings,
            app.identity,
            self.postgres,
            clock,
            metrics=app.metrics,
            alarms=self.alarms,
            slices=app.slices,
            live=app.live,
            answers=self._kafka_answers,
        )
        self.adapter.lost = app.report_lost
        self.reads = GuardedReads(self.postgres, self.breakers["postgres"], app.metrics, clock)
        self.replays = ReplaySender(settings, self.breakers["kafka"], self._kafka_answers)
        self.retention = Retention(settings, self.postgres, clock)
        self.lag = LagMeter(settings, self._groups, app.metrics, clock.monotonic)
        self.answers = AnswerLog(settings, clock)
        self.patterns = PatternLog(settings, clock)
        self.baselines = BaselineLog(settings, clock)
        self.views = Views(self.patterns.view, self.baselines.view)
        self.health = self._health()

    def register(self) -> None:
        """Let the app start all parts, watch what consumes, and tell of alarms."""
        app = self.app
        app.raise_alarm = self.alarms.report
        app.clear_alarm = self.alarms.over
        app.kafka_answers = self._kafka_answers
        # The outbox, which the publisher opens, comes first: without it the worker must not take anything.
        app.edge_services += [
            self.publisher, self.alarms, self.teller, self.watch, self.postgres, self.consul, self.health,
            self.replays,
        ]  # fmt: skip
        app.inner_services += [
            self.patterns, self.baselines, self.answers, self.adapter, self.retention, self.lag,
        ]  # fmt: skip
        app.awaited.append(self.watch.until_first_read)
        app.watched.append(Watched(app.settings.adapter_group, self.adapter.moving))

    async def publish_extra(self, events: Sequence[tuple[str, Event]]) -> bool:
        """Publish what must find room in the outbox beyond its limits: alarms, and records of accepted effects."""
        return await self.publisher.publish(events, is_extra=True)

    def _kafka_answers(self) -> bool:
        return self.health.checks["kafka"].status == HEALTHY

    def _health(self) -> Health:
        app, outbox, consul = self.app, self.outbox, self.consul
        probes = {
            "database": self._probe_database,
            "kafka": self._probe_kafka,
            "outbox": self.publisher.probe_outbox,
            "consul": self._probe_consul,
        }
        disabled = [] if consul.enabled else ["consul"]
        return Health(
            {name: probe for name, probe in probes.items() if name not in disabled},
            Facts(
                recovered=lambda: app.is_processing,
                caught_up=lambda: all(tail.caught_up for tail in (self.patterns, self.baselines, self.answers)),
                stopping=lambda: app.stopping,
                stopped_agents=lambda: [*app.problems(), *self.adapter.problems()],
                outbox=lambda: OutboxState(outbox.pending, outbox.full_reason, outbox.unwritable_reason),
                halted=self.adapter.halted,
            ),
            instance_id=app.settings.instance_id,
            clock=app.clock,
            disabled=disabled,
            breakers={
                "database": self.breakers["postgres"],
                "kafka": self.breakers["kafka"],
                "consul": self.breakers["consul"],
            },
            # Events go to the outbox until the breaker is closed: who sees a healthy Kafka expects them there.
            insistent={"kafka"},
        )

    async def _probe_database(self) -> None:
        """Ask Postgres for an answer, and whether it takes the adapter's rows: it may be read-only, full or locked.

        Raises:
            ServiceUnavailable: it does not answer.
            DependencyRefusal: it answers, but the migrations have not run or the adapter waits.
        """
        await self.postgres.probe()
        if self.adapter.waits_for is not None:
            raise DependencyRefusal(self.adapter.waits_for)

    async def _probe_kafka(self) -> None:
        """Ask a broker for its metadata, and whether the topics are as they must be.

        Raises:
            ConnectionError: none answers; `app.kafka_refusal` says so when one refuses the credentials.
            DependencyRefusal: one answers, and lets the topics not be created.
        """
        app = self.app
        try:
            await self.publisher.probe()
        except ConnectionError:
            app.kafka_refusal = await refusal(app.settings)
            raise
        app.kafka_refusal = None
        if app.topics_refusal is not None:
            raise DependencyRefusal(app.topics_refusal)

    async def _probe_consul(self) -> None:
        """Ask Consul for its leader, and whether it lets this worker be registered and read the configuration.

        Raises:
            ServiceUnavailable: it does not answer, or has no leader.
            DependencyRefusal: it answers, and refuses one of the two.
        """
        await self.consul.probe()
        if self.watch.refusal is not None:
            raise DependencyRefusal(f"Consul lets the configuration not be read: {self.watch.refusal}")

    def _groups(self) -> list[Group]:
        """Return the consumer groups of this worker, and what they read."""
        settings = self.app.settings
        stored = Subscription(settings.topic, settings.kafka_dlq_suffix, settings.adapter_extra_topics)
        topics = sorted({topic for agent in self.app.step_agents for topic in agent.topics})
        return [
            Group("agents", settings.app_id, "|".join(map(re.escape, topics))),
            Group("adapter", settings.adapter_group, stored.pattern),
        ]
