from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from deploy.local import aot_cache
from deploy.local.toolchain import KAFKA


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache will be; the user has options of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-Xlog:gc")
    found = aot_cache.path(KAFKA)
    assert found is not None
    return found


def test_the_first_broker_writes_what_the_next_ones_read(cache: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    assert aot_cache.environ(KAFKA)["JDK_JAVA_OPTIONS"] == "-Xlog:gc"
    assert aot_cache.environ(KAFKA, draft)["JDK_JAVA_OPTIONS"] == f"-Xlog:gc -XX:AOTCacheOutput={draft}"

    draft.write_bytes(b"classes")
    aot_cache.keep(KAFKA, draft)

    assert (cache.read_bytes(), draft.exists()) == (b"classes", False)
    for environ in (aot_cache.environ(KAFKA), aot_cache.environ(KAFKA, draft)):
        assert environ["JDK_JAVA_OPTIONS"] == f"-Xlog:gc -XX:AOTCache={cache}"
    assert list(cache.parent.iterdir()) == [cache]


def test_a_broker_that_was_killed_leaves_no_cache(cache: Path, tmp_path: Path) -> None:
    aot_cache.keep(KAFKA, tmp_path / "draft")
    assert not cache.exists()


def test_another_java_than_the_pinned_one_gets_no_option(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(aot_cache, "version", missing)
    assert aot_cache.environ(KAFKA, tmp_path / "draft")["JDK_JAVA_OPTIONS"] == "-Xlog:gc"
