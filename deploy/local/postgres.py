"""PostgreSQL on loopback TCP, with a generated password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from . import toolchain
from .errors import ServerFailed
from .server import HOST, Server
from .terminal import say

USER = "postgres"
DATABASE = "omninode_bridge"
UNPRIVILEGED = "nobody"

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Server):
    """`Postgres(folder, port=…)`; the addresses are `host`, `port`, `user`, `password`, `database` and `dsn`.

    The server refuses to run as root: root starts it as `nobody`, to whom the data folder then belongs.
    """

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[int] = signal.SIGINT  # "fast": sessions are cut off, the data is checkpointed

    user = USER
    database = DATABASE
    host = HOST

    def __init__(self, folder: Path, *, port: int = 15432) -> None:
        super().__init__(folder, {"clients": port})
        self.port = port
        self._bin = toolchain.postgres_folder()
        self._data = self.folder / f"data-{toolchain.postgres_major(self._bin)}"
        self._password_file = self.folder / "password"

    @property
    def password(self) -> str:
        """Generated when the data folder is laid out; raises FileNotFoundError before the first start."""
        return self._password_file.read_text().strip()

    @property
    def dsn(self) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def command(self) -> list[str]:
        settings = {**_SETTINGS, "port": str(self.port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._data), *options]

    def prepare(self) -> None:
        self._give_to_unprivileged()
        if self._data.exists():
            return
        if not self._password_file.exists():
            self._write_password()
        draft = self.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        self._run("initdb", "-D", str(draft), "-U", USER, f"--pwfile={self._password_file}", *self._initdb_options())
        self._run("postgres", "--single", "-D", str(draft), "postgres", stdin=f"CREATE DATABASE {DATABASE}\n")
        draft.rename(self._data)

    def is_ready(self) -> bool:
        ask = ["-h", HOST, "-p", str(self.port), "-U", USER, "-d", DATABASE, "-t", "1"]
        try:
            done = subprocess.run([str(self._bin / "pg_isready"), *ask], capture_output=True, timeout=2.0, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def popen_options(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        account = pwd.getpwnam(UNPRIVILEGED)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _initdb_options(self) -> list[str]:
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        if toolchain.postgres_major(self._bin) >= 17:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return options

    def _write_password(self) -> None:
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
        self._give_to_unprivileged()

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        command = [str(self._bin / program), *arguments]
        options: dict[str, Any] = {"cwd": self.folder, **self.popen_options()}
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, **options)
        except OSError as error:
            raise ServerFailed(f"postgres: {program} cannot be run: {error}") from error
        if done.returncode:
            raise ServerFailed(f"postgres: {program} failed:\n{done.stdout}{done.stderr}")

    def _give_to_unprivileged(self) -> None:
        """As root: hand the data folder over, and let the server's user reach it and the programs."""
        options = self.popen_options()
        if not options:
            return
        if self.folder.stat().st_uid != options["user"] or not self._data.exists():
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, options["user"], options["group"], follow_symlinks=False)
        opened = [str(folder) for start in (self.folder, self._bin) for folder in start.parents if open_to_pass(folder)]
        if opened:
            say(self.name, f"root runs it as '{UNPRIVILEGED}', who may now pass through (o+x) {', '.join(opened)}")


def open_to_pass(folder: Path) -> bool:
    """Give everybody the right to pass through `folder` (not to list it); False when that was so already."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IXOTH:
        return False
    folder.chmod(mode | stat.S_IXOTH)
    return True
