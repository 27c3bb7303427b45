"""The runtime overrides and calls private parts of three packages: they are pinned, and the parts are there.

A new version of one of them fails here first: read its changes, then the fault tests decide.
"""

import asyncio
import inspect
import math
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, cast

import aiokafka
import pytest
from aiokafka import TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender
from aiokafka.protocol.group import JoinGroupRequest
from faust.app.base import App, BootStrategy
from faust.stores import rocksdb
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.tables.table import Table
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

from bridge_app.events.envelope import Identity
from bridge_app.kafka_connections import WRITING
from bridge_app.kafka_fetch_sessions import SessionFetcher
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.boot import BridgeBoot
from bridge_app.runtime.consumer import UNKNOWN_MEMBER, BatchConsumer, BatchConsumerThread
from bridge_app.runtime.producer import BatchProducer
from bridge_app.runtime.recovery import ParkedRecovery, ParkedTableManager
from bridge_app.runtime.state_table import StateTable
from bridge_app.runtime.store import SharedOptions, SharedStore
from bridge_app.settings import Settings

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0", "rocksdict": "0.3.29"}
OVERRIDDEN: list[tuple[type, type, str]] = [
    (BatchConsumer, driver.Consumer, "ack"),
    (BatchConsumer, driver.Consumer, "_filter_tps_with_pending_acks"),
    (BatchConsumer, driver.Consumer, "_new_offset"),
    (BatchConsumer, driver.Consumer, "_should_commit"),
    (BatchConsumer, driver.Consumer, "_commit"),
    (BatchConsumer, driver.Consumer, "_add_gap"),
    (BatchConsumer, driver.Consumer, "_wait_next_records"),
    (BatchConsumer, driver.Consumer, "getmany"),
    (BatchConsumer, driver.Consumer, "on_partitions_revoked"),
    (BatchConsumer, driver.Consumer, "on_partitions_assigned"),
    (BatchConsumer, driver.Consumer, "wait_empty"),
    (BatchConsumer, driver.Consumer, "perform_seek"),
    (BatchConsumer, driver.Consumer, "_new_consumer_thread"),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread, "on_start"),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread, "on_thread_stop"),
    (BatchProducer, driver.Producer, "on_stop"),
    (BridgeApp, App, "_producer_flush"),
    (BatchProducer, driver.Producer, "_settings_extra"),
    (BatchProducer, driver.Producer, "_new_producer"),
    (ParkedRecovery, Recovery, "on_recovery_completed"),
    (ParkedRecovery, Recovery, "_resume_streams"),
    (ParkedRecovery, Recovery, "_build_offsets"),
    (SharedStore, rocksdb.Store, "_open_for_partition"),
    (SharedStore, rocksdb.Store, "persisted_offset"),
    (StateTable, Table, "_new_store_by_url"),
    (StateTable, Table, "on_start"),
    (StateTable, Table, "on_rebalance"),
    (StateTable, Table, "on_recovery_completed"),
    (StateTable, Table, "apply_changelog_batch"),
    (SharedOptions, rocksdb.RocksDBOptions, "as_options"),
    (SharedOptions, rocksdb.RocksDBOptions, "open"),
    (BridgeBoot, BootStrategy, "server"),
    (BridgeApp, App, "_new_transport"),
    (BridgeApp, App, "_on_rebalance_when_stopped"),
    (SessionFetcher, Fetcher, "_get_actions_per_node"),
]
CALLED: list[tuple[type, str]] = [
    (consumer.Consumer, "_seek"),
    (consumer.Consumer, "_get_active_partitions"),
    (driver.Consumer, "_to_message"),
    (driver.Producer, "_ensure_producer"),
    (rocksdb.Store, "_db_for_partition"),
    (Sender, "_send_produce_req"),
    (GroupCoordinator, "_do_heartbeat"),
    (Fetcher, "_proc_fetch_request"),
    *[(AIOKafkaConnection, name) for name in WRITING],
    (aiokafka.AIOKafkaProducer, "send_batch"),
    (aiokafka.AIOKafkaProducer, "create_batch"),
]


@pytest.mark.parametrize("package", PINNED)
def test_the_package_has_the_version_whose_internals_the_runtime_overrides(package: str) -> None:
    assert version(package) == PINNED[package]


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDDEN)
def test_an_override_takes_the_parameters_of_what_it_replaces(ours: type, theirs: type, name: str) -> None:
    assert name in vars(ours)
    assert _parameters(vars(ours)[name]) == _parameters(getattr(theirs, name))


@pytest.mark.parametrize(("owner", "name"), CALLED)
def test_a_private_part_that_the_runtime_calls_is_there(owner: type, name: str) -> None:
    assert callable(getattr(owner, name))


def test_a_client_that_its_group_has_forgotten_has_the_member_id_that_the_runtime_looks_for() -> None:
    assert JoinGroupRequest.UNKNOWN_MEMBER_ID == UNKNOWN_MEMBER


@pytest.mark.parametrize(("seconds", "is_given_up"), [(-1.0, True), (math.inf, False)])
async def test_a_batch_of_a_partition_without_a_leader_is_given_up_when_its_time_is_over(
    seconds: float, is_given_up: bool
) -> None:
    accumulator = MessageAccumulator(ClusterMetadata(), 1024, 0, seconds)
    batch = accumulator.create_builder()
    batch.append(timestamp=None, key=None, value=b"v")
    future = await accumulator.add_batch(batch, TopicPartition("t", 0), timeout=1)
    accumulator.drain_by_nodes(ignore_nodes=[])
    await asyncio.sleep(0)
    assert future.done() is is_given_up
    assert not is_given_up or isinstance(future.exception(), NotLeaderForPartitionError)


async def test_the_time_of_the_runtime_s_batches_is_never_over(make_settings: Callable[..., Settings]) -> None:
    producer = BridgeApp(make_settings(), Identity("s", "0", "i", "n", "test")).producer
    client = cast(BatchProducer, producer)._new_producer()
    seconds = client._message_accumulator._batch_ttl
    await client.stop()
    assert seconds == math.inf


def test_the_table_manager_makes_its_recovery_in_a_property() -> None:
    assert isinstance(vars(TableManager)["recovery"], property)
    assert isinstance(vars(ParkedTableManager)["recovery"], property)


def _parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]
