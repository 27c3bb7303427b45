"""Kafka Connect and Debezium's JDBC sink as they are published: fetched when a benchmark asks for them, never before.

Both come from the Maven repository of the user's settings, as the stack's Kafka does, and are checked byte for byte.
"""

import hashlib
import os
import shutil
import tarfile
from contextlib import redirect_stdout
from pathlib import Path
from sys import stderr
from typing import NamedTuple

from deploy.local import toolchain
from deploy.local.errors import ServerFailed, StackError
from deploy.local.terminal import Heartbeat, say

#: The newest Connect that the sink is built with; it talks to any broker of these years.
CONNECT_VERSION = "4.3.0"
SINK_VERSION = "3.6.0.Final"
SINK_SHA256 = "c23af8d416f0f801ffb0271b1a8fd9b5360ff8d66b0dd650e066bb56ecfddc05"
CONNECT = toolchain.Library(
    "connect",
    CONNECT_VERSION,
    "+".join(
        (
            f"org.apache.kafka:connect-runtime:{CONNECT_VERSION}",
            f"org.apache.kafka:connect-json:{CONNECT_VERSION}",
            f"org.apache.kafka:connect-transforms:{CONNECT_VERSION}",
            "org.slf4j:slf4j-simple:1.7.36",
        )
    ),
    Path(__file__).parent / "connect.sha256",
    32,
)
_SINK = f"debezium-connector-jdbc-{SINK_VERSION}"


class Jars(NamedTuple):
    """The class path of Connect, and the folder that it finds the sink in."""

    class_path: str
    plugins: Path


def fetched() -> Jars:
    """Return what is needed to run Connect. Blocks for minutes the first time; what it says then goes to stderr.

    Raises:
        StackError: it could not be fetched, or is not what is pinned.
    """
    with redirect_stdout(stderr):
        return Jars(":".join(toolchain.classpath(CONNECT)), _sink())


def are_cached() -> bool:
    """Tell whether `fetched` needs no network."""
    return (toolchain.cache_folder() / f"connect-{CONNECT_VERSION}.classpath").exists() and _sink_folder().exists()


def _sink_folder() -> Path:
    return toolchain.cache_folder() / _SINK


def _sink() -> Path:
    folder = _sink_folder()
    with toolchain.locked(folder.with_name(f"{_SINK}.lock"), "connect"):
        if not folder.exists():
            _unpack(_download(), folder)
    return folder


def _download() -> Path:
    repositories = toolchain.maven_repositories()
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    context = MavenContext(
        repo_cache=Path(os.environ["M2_REPO"]), remote_repos={"central": MAVEN_CENTRAL_URL, **repositories}
    )
    component = context.project("io.debezium", "debezium-connector-jdbc").at_version(SINK_VERSION)
    say("connect", f"fetching Debezium's JDBC sink {SINK_VERSION}: 55 MiB, once")
    try:
        with Heartbeat("connect", lambda: "fetching", every=15.0):
            archive = Path(component.artifact(classifier="plugin", packaging="tar.gz").resolve())
    except Exception as error:  # jgo raises whatever its HTTP client raises
        raise ServerFailed(f"the JDBC sink could not be fetched (a network is needed this once): {error}") from error
    check_sink(archive)
    return archive


def check_sink(archive: Path) -> None:
    """Raise StackError unless the archive is the pinned one; then it is deleted, and the next attempt fetches it."""
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SINK_SHA256:
        archive.unlink()
        raise StackError(f"{archive.name} is not what is pinned: it has another SHA-256")


def _unpack(archive: Path, folder: Path) -> None:
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(draft, filter="data")
    draft.rename(folder)
    archive.unlink()
