"""The servers of a profile together: those that the environment gives, and those that are started here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from .consul import Consul
from .environment import (
    HOST,
    Profile,
    consul_addresses,
    given_consul,
    given_kafka,
    given_postgres,
    postgres_addresses,
)
from .errors import PortTaken, StackError, Stopped, UsageError
from .kafka import Kafka
from .postgres import DATABASE, USER, Postgres
from .server import Server
from .terminal import say
from .waiting import Backoff, wait_until


class Stack:
    """Kafka, PostgreSQL and Consul of one profile.

    `start` returns when Kafka and PostgreSQL are ready. Consul comes when it comes: `consul_ready` is set then, at once
    if it is given. From `start` to `stop`, a server that ends is started again.
    """

    def __init__(self, profile: Profile, environ: Mapping[str, str]) -> None:
        self._profile = profile
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.consul_ready = threading.Event()
        self.consul_failed: StackError | None = None
        ports = profile.ports
        self._given_kafka = given_kafka(environ)
        self._given_postgres = given_postgres(environ)
        self._given_consul = given_consul(environ)
        self._kafka = None
        self._postgres = None
        self._consul = None
        if self._given_kafka is None:
            self._kafka = Kafka(profile.folder, port=ports["KAFKA"], controller_port=ports["KAFKA_CONTROLLER"])
        if self._given_postgres is None:
            self._postgres = Postgres(profile.folder, port=ports["POSTGRES"])
        if self._given_consul is None:
            self._consul = Consul(
                profile.folder, port=ports["CONSUL"], rpc_port=ports["CONSUL_RPC"], serf_port=ports["CONSUL_SERF"]
            )

    def start(self) -> None:
        """Block until Kafka and PostgreSQL are ready. Raises StackError; call `stop` then, too."""
        if self._consul is None:
            self.consul_ready.set()
        else:
            self._thread("consul", self._bring_consul)
        servers = [server for server in (self._postgres, self._kafka) if server is not None]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for started in as_completed([pool.submit(self._start_one, server) for server in servers]):
                if error := started.exception():
                    self._stop.set()  # the other one need not be waited for
                    raise error
        for server in servers:
            self._thread(f"watch-{server.name}", partial(self._watch, server))

    def interrupt(self) -> None:
        """Let `start` raise Stopped; may be called from a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Stop what was started, all at once, and return when it is gone."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        servers = [server for server in (self._consul, self._kafka, self._postgres) if server is not None]
        with ThreadPoolExecutor(max_workers=3) as pool:
            list(pool.map(lambda server: server.stop(), servers))

    def addresses(self) -> dict[str, str]:
        """Return the lines of local.env; only after `start`."""
        return {
            "BRIDGE_URL": f"http://{HOST}:{self._profile.web_port(0)}",
            **(self._given_kafka or self._kafka_addresses()),
            **(self._given_postgres or self._postgres_addresses()),
            **(self._given_consul or consul_addresses(HOST, self._profile.ports["CONSUL"])),
        }

    def wait_for_consul(self) -> None:
        """Block until Consul is ready. Raises the StackError that it failed with, or Stopped."""
        wait_until(lambda: self.consul_ready.is_set() or self.consul_failed is not None, float("inf"), stop=self._stop)
        if self.consul_failed is not None:
            raise self.consul_failed

    def _kafka_addresses(self) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self._profile.ports['KAFKA']}"}

    def _postgres_addresses(self) -> dict[str, str]:
        assert self._postgres is not None
        password = self._postgres.password
        return postgres_addresses(host=HOST, port=self._postgres.port, database=DATABASE, user=USER, password=password)

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _start_one(self, server: Server) -> None:
        try:
            server.start(self._stop)
        except PortTaken as error:
            hint = self._profile.variable_of(error.port)
            raise UsageError(f"{error}: free it, or set {hint} to another one") from error

    def _bring_consul(self) -> None:
        """Consul's thread: the build may take minutes, and nobody but its callers has to wait for it."""
        assert self._consul is not None
        try:
            self._consul.fetch(self._stop)
            self._start_one(self._consul)
        except Stopped:
            return
        except StackError as error:
            self.consul_failed = error
            say("consul", str(error))
            return
        self.consul_ready.set()
        self._watch(self._consul)

    def _watch(self, server: Server) -> None:
        """Start the server again when it has ended, until `stop`."""
        backoff = Backoff()
        try:
            while True:
                wait_until(lambda: not server.alive(), float("inf"), every=0.5, stop=self._stop)
                say(server.name, f"has ended: starting it again; its log is {server.log}")
                wait_until(lambda: False, backoff.after(0.0), stop=self._stop)
                try:
                    self._start_one(server)
                except Stopped:
                    raise
                except StackError as error:
                    say(server.name, str(error))
        except Stopped:
            return
