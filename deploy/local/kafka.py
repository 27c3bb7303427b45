"""Apache Kafka, one KRaft node that is broker and controller."""

from __future__ import annotations

import base64
import socket
import struct
import subprocess
import uuid
from pathlib import Path
from typing import ClassVar

from . import aot_cache, toolchain
from .errors import ServerFailed
from .server import HOST, Server

_MIB = 1024 * 1024

# What a developer's machine needs to differ in: small heap and buffers, one replica, no waiting for a group to fill,
# and logs whose size is bounded (8 segments of 16 MiB per partition; compacted topics are cleaned segment by segment).
_PROPERTIES: dict[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # After a crash the broker can register again only when its last session is over: 9 s by default.
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
    "num.partitions": 4,
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.segment.bytes": 16 * _MIB,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.segment.bytes": 16 * _MIB,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "log.segment.bytes": 16 * _MIB,
    "log.retention.bytes": 128 * _MIB,
    "log.retention.check.interval.ms": 30_000,
    "log.index.size.max.bytes": 256 * 1024,
    "log.cleaner.dedupe.buffer.size": 16 * _MIB,
    "log.cleaner.io.buffer.size": 1 * _MIB,
    "metadata.log.segment.bytes": 16 * _MIB,
    "metadata.max.retention.bytes": 64 * _MIB,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "num.recovery.threads.per.data.dir": 2,
}


class Kafka(Server):
    """`Kafka(folder, port=…, controller_port=…)`; `bootstrap_servers` is its address."""

    name: ClassVar[str] = "kafka"

    def __init__(self, folder: Path, *, port: int = 19092, controller_port: int = 19093) -> None:
        super().__init__(folder, {"clients": port, "controller": controller_port})
        self._properties = self.folder / "server.properties"
        self._data = self.folder / "data"
        self._draft = self.folder / "classes.aot"

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.ports['clients']}"

    def command(self) -> list[str]:
        return self._java("kafka.Kafka", str(self._properties))

    def environ(self) -> dict[str, str]:
        self._draft.unlink(missing_ok=True)
        return aot_cache.environ(toolchain.KAFKA, self._draft)

    def stop(self) -> None:
        super().stop()
        aot_cache.keep(toolchain.KAFKA, self._draft)

    def prepare(self) -> None:
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in self.properties().items()))
        if (self._data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        arguments = ("format", "--ignore-formatted", "-t", cluster, "-c", str(self._properties))
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments),
            capture_output=True,
            text=True,
            check=False,
            env=aot_cache.environ(toolchain.KAFKA),
        )
        if done.returncode:
            raise ServerFailed(f"kafka: its data folder could not be formatted:\n{done.stdout}{done.stderr}")

    def properties(self) -> dict[str, object]:
        controller = f"{HOST}:{self.ports['controller']}"
        return {
            **_PROPERTIES,
            "log.dirs": self._data,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
        }

    def is_ready(self) -> bool:
        """True when it answers a metadata request with a broker in it: elected, registered and unfenced."""
        try:
            with socket.create_connection((HOST, self.ports["clients"]), timeout=2.0) as connection:
                connection.sendall(_METADATA_REQUEST)
                answer = connection.makefile("rb")
                (size,) = struct.unpack(">i", answer.read(4))
                correlation, _throttle, brokers = struct.unpack(">iii", answer.read(size)[:12])
        except (OSError, struct.error):
            return False
        return bool(correlation == _CORRELATION and brokers > 0)

    def _java(self, *arguments: str) -> list[str]:
        return [
            toolchain.java(),
            *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
            *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
            *("-cp", ":".join(toolchain.classpath(toolchain.KAFKA))),
            *arguments,
        ]


def _metadata_request() -> bytes:
    """Metadata, version 4, of no topic: the answer lists the brokers right behind correlation id and throttle time."""
    client = b"bridge-local"
    header = struct.pack(">hhih", 3, 4, _CORRELATION, len(client)) + client
    body = struct.pack(">ib", 0, 0)
    return struct.pack(">i", len(header) + len(body)) + header + body


_CORRELATION = 6066
_METADATA_REQUEST = _metadata_request()
