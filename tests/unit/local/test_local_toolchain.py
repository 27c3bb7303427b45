from __future__ import annotations

import hashlib
import re
import sys
import threading
from pathlib import Path

import pytest

from deploy.local import consul_build, toolchain
from deploy.local.errors import StackError, Stopped
from deploy.local.kafka import Kafka
from deploy.local.postgres import open_to_pass


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert toolchain.cache_folder() == tmp_path / "omninode-bridge"


def test_the_cache_is_in_the_checkout_where_the_home_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(toolchain, "PROJECT", tmp_path)

    assert toolchain.cache_folder() == tmp_path / ".bridge" / "cache"


def test_files_are_taken_only_if_they_are_exactly_the_listed_ones(tmp_path: Path) -> None:
    jar, listing = tmp_path / "a.jar", tmp_path / "list.sha256"
    jar.write_bytes(b"code")
    line = f"{hashlib.sha256(b'code').hexdigest()}  a.jar\n"

    listing.write_text(line)
    toolchain.check_hashes([jar], listing)
    for wrong in ("", line + line.replace("a.jar", "b.jar"), line.replace("a.jar", "c.jar"), "0" + line[1:]):
        listing.write_text(wrong)
        with pytest.raises(StackError, match=r"list\.sha256"):
            toolchain.check_hashes([jar], listing)


def test_kafka_is_not_resolved_when_it_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jar = tmp_path / "a.jar"
    jar.touch()
    (toolchain.cache_folder() / f"kafka-{toolchain.KAFKA.version}.classpath").write_text(f"{jar}\n")

    def resolve(_library: toolchain.Library) -> list[Path]:
        raise StackError("a network was used")

    monkeypatch.setattr(toolchain, "_resolve", resolve)
    assert toolchain.classpath(toolchain.KAFKA) == [str(jar)]
    jar.unlink()
    with pytest.raises(StackError, match="a network was used"):
        toolchain.classpath(toolchain.KAFKA)


def test_what_another_process_fetches_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    stop.set()

    with (
        toolchain.locked(tmp_path / "x.lock", "kafka"),
        pytest.raises(Stopped),
        toolchain.locked(tmp_path / "x.lock", "kafka", stop),
    ):
        pass

    assert "waiting" in capsys.readouterr().out
    with toolchain.locked(tmp_path / "x.lock", "kafka", stop):
        pass


def test_versions_are_read_from_what_programs_say() -> None:
    assert toolchain.major_version(sys.executable, "--version", pattern=r"Python (\d+)") == sys.version_info.major
    assert toolchain.major_version(sys.executable, "--version", pattern=r"Ruby (\d+)") == 0
    assert toolchain.major_version("no-such-program", pattern=r"(\d+)") == 0


def test_consul_is_pinned_in_go_mod_and_its_source_verified_by_go_sum() -> None:
    version = consul_build.pinned_version()

    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert f"consul-{version}-" in consul_build.built_program().name
    sums = (toolchain.HERE / "consul" / "go.sum").read_text()
    assert f"{consul_build.MODULE} v{version} h1:" in sums


def test_the_build_of_consul_is_the_same_everywhere_but_keeps_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")

    environ = consul_build.go_environment(tmp_path)

    assert environ["GOPROXY"] == "off"
    assert "-mod=readonly" in environ["GOFLAGS"]
    assert environ["CGO_ENABLED"] == "0"
    assert environ["GOMODCACHE"].startswith(str(tmp_path))


def test_the_logs_of_kafka_are_bounded_and_no_topic_appears_by_itself(tmp_path: Path) -> None:
    properties = Kafka(tmp_path, port=1, controller_port=2).properties()

    assert properties["auto.create.topics.enable"] == "false"
    assert properties["group.initial.rebalance.delay.ms"] == 0
    assert properties["log.retention.bytes"] == 128 * 1024 * 1024
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"


def test_a_folder_is_opened_only_to_pass_and_only_if_it_was_closed(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)

    assert open_to_pass(folder)
    assert folder.stat().st_mode & 0o777 == 0o701
    assert not open_to_pass(folder)
