from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from deploy.local.kafka import Kafka


def answer(correlation: int, brokers: int) -> bytes:
    body = struct.pack(">iii", correlation, 0, brokers) + b"rest"
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("bytes_sent", "ready"),
    [
        (answer(6066, 1), True),
        (answer(6066, 0), False),  # up, but not registered with its controller yet
        (answer(1, 1), False),  # somebody else's protocol
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
)
def test_kafka_is_ready_only_when_it_names_a_broker(tmp_path: Path, bytes_sent: bytes, ready: bool) -> None:
    with socket.create_server(("127.0.0.1", 23192)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(bytes_sent)

        thread = threading.Thread(target=serve)
        thread.start()
        assert Kafka(tmp_path, port=23192).is_ready() is ready
        thread.join()


def test_nobody_listening_is_not_ready(tmp_path: Path) -> None:
    assert not Kafka(tmp_path, port=23192).is_ready()
