"""Consul, a single server."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import ClassVar

from .consul_build import consul_program
from .server import HOST, Server

_OFF = "-1"


class Consul(Server):
    """`Consul(folder, port=…, rpc_port=…, serf_port=…)`; the addresses are `host`, `port` and `url`.

    `start` needs the program. `fetch` gets it, which takes minutes the first time; otherwise `start` does so.
    """

    name: ClassVar[str] = "consul"
    host = HOST

    def __init__(self, folder: Path, *, port: int = 18500, rpc_port: int = 18300, serf_port: int = 18301) -> None:
        super().__init__(folder, {"http": port, "rpc": rpc_port, "serf": serf_port})
        self.port = port
        self._root = folder.resolve()
        self._program: Path | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def fetch(self, stop: threading.Event | None = None) -> None:
        """Find the program or build it. Raises ServerFailed, Stopped."""
        if self._program is None:
            self._program = consul_program(self._root, stop)

    def command(self) -> list[str]:
        self.fetch()
        return [
            *(str(self._program), "agent", "-server", "-bootstrap-expect=1", "-ui", "-log-level=warn"),
            *(f"-bind={HOST}", f"-client={HOST}", "-node=bridge-local", "-datacenter=local"),
            *(f"-data-dir={self.folder / 'data'}", f"-config-file={self.folder / 'consul.json'}"),
            *(f"-http-port={self.port}", f"-server-port={self.ports['rpc']}", f"-serf-lan-port={self.ports['serf']}"),
            *(f"-serf-wan-port={_OFF}", f"-dns-port={_OFF}", f"-grpc-port={_OFF}", f"-grpc-tls-port={_OFF}"),
        ]

    def prepare(self) -> None:
        settings = {
            "disable_update_check": True,
            "disable_anonymous_signature": True,
            "connect": {"enabled": False},
            "peering": {"enabled": False},
            "performance": {"raft_multiplier": 1},
        }
        (self.folder / "consul.json").write_text(json.dumps(settings, indent=2) + "\n")

    def is_ready(self) -> bool:
        """True when there is a leader, so that writes are taken."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2.0)
        try:
            connection.request("GET", "/v1/status/leader")
            answer = connection.getresponse()
            return answer.status == 200 and len(json.loads(answer.read())) > 0
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
