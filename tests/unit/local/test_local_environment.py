from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from deploy.local.bridge import banner
from deploy.local.environment import (
    given_consul,
    given_kafka,
    given_postgres,
    load_profile,
    read_addresses,
    variable,
    write_addresses,
)
from deploy.local.errors import UsageError
from deploy.local.toolchain import PROJECT


def test_the_two_profiles_share_neither_a_port_nor_a_folder() -> None:
    local, test = load_profile("local", {}), load_profile("test", {})

    assert not set(local.ports.values()) & set(test.ports.values())
    assert local.ports["WEB"] == 6066
    assert local.ports["KAFKA"] == 19092
    assert test.ports["POSTGRES"] == 25432
    assert test.folder == local.folder / "test"
    assert local.run_folder != test.run_folder


def test_a_port_is_set_by_the_variable_of_its_profile_only() -> None:
    environ = {"BRIDGE_LOCAL_KAFKA_PORT": "1234", "BRIDGE_WEB_PORT": "1235", "BRIDGE_TEST_WEB_PORT": "1236"}

    assert load_profile("local", environ).ports["KAFKA"] == 1234
    assert load_profile("local", environ).web_port(2) == 1237
    assert load_profile("test", environ).ports["KAFKA"] == 29092
    assert load_profile("test", environ).web_port(0) == 1236


def test_each_block_of_the_tests_has_a_folder_and_ports_of_its_own() -> None:
    blocks = [load_profile("test", {"BRIDGE_TEST_BLOCK": str(block)}) for block in range(3)]

    assert blocks[0] == load_profile("test", {})
    assert [block.ports["KAFKA"] for block in blocks] == [29092, 29392, 29692]
    assert len({block.folder for block in blocks}) == 3
    assert len({port for block in blocks for port in block.ports.values()}) == 3 * len(blocks[0].ports)
    assert load_profile("local", {"BRIDGE_TEST_BLOCK": "1"}) == load_profile("local", {})


@pytest.mark.parametrize("text", ["3", "-1", "a", "01"])
def test_a_block_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"BRIDGE_TEST_BLOCK={text} is not a block"):
        load_profile("test", {"BRIDGE_TEST_BLOCK": text})


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "1.5"])
def test_what_is_not_a_port_is_refused_by_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(UsageError, match=f"BRIDGE_LOCAL_CONSUL_RPC_PORT={text} is not a port") as caught:
        load_profile("local", {"BRIDGE_LOCAL_CONSUL_RPC_PORT": text})

    assert caught.value.exit_code == 2


def test_one_port_for_two_parts_is_refused() -> None:
    with pytest.raises(UsageError, match="BRIDGE_LOCAL_POSTGRES_PORT=19092"):
        load_profile("local", {"BRIDGE_LOCAL_POSTGRES_PORT": "19092"})


def test_the_variable_of_a_port_is_found_by_its_number() -> None:
    profile = load_profile("test", {"BRIDGE_TEST_CONSUL_PORT": "4000"})

    assert profile.variable_of(4000) == "BRIDGE_TEST_CONSUL_PORT"
    assert profile.variable_of(29093) == "BRIDGE_TEST_KAFKA_CONTROLLER_PORT"
    assert profile.variable_of(profile.web_port(3)) == "BRIDGE_TEST_WEB_PORT"
    assert load_profile("local", {}).variable_of(6066) == "BRIDGE_WEB_PORT"


def test_nothing_is_given_by_an_empty_environment_nor_by_empty_values() -> None:
    for environ in ({}, {"KAFKA_BOOTSTRAP_SERVERS": "", "POSTGRES_HOST": "", "CONSUL_HOST": ""}):
        assert given_kafka(environ) is None
        assert given_postgres(environ) is None
        assert given_consul(environ) is None


def test_what_is_given_is_used_as_it_is_with_the_usual_defaults_beside_it() -> None:
    assert given_kafka({"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2"}) == {"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2"}
    assert given_consul({"CONSUL_HOST": "c"}) == {
        "CONSUL_HOST": "c",
        "CONSUL_PORT": "8500",
        "CONSUL_URL": "http://c:8500",
    }
    postgres = given_postgres({"POSTGRES_HOST": "p"})
    assert postgres is not None
    assert postgres["POSTGRES_DSN"] == "postgresql://postgres@p:5432/omninode_bridge"


def test_a_password_with_special_characters_is_quoted_in_the_dsn() -> None:
    postgres = given_postgres({"POSTGRES_HOST": "p", "POSTGRES_PASSWORD": "a/b@c:d", "POSTGRES_USER": "u"})

    assert postgres is not None
    assert postgres["POSTGRES_DSN"] == "postgresql://u:a%2Fb%40c%3Ad@p:5432/omninode_bridge"
    assert postgres["POSTGRES_PASSWORD"] == "a/b@c:d"


def test_the_address_file_can_be_read_back_and_sourced_by_a_shell_and_only_by_its_owner(tmp_path: Path) -> None:
    addresses = {"KAFKA_BOOTSTRAP_SERVERS": "h:1,h:2", "POSTGRES_PASSWORD": "it's $HOME `x`", "EMPTY": ""}
    file = tmp_path / "new" / "local.env"

    write_addresses(file, {"OLD": "1"})
    write_addresses(file, addresses)

    assert read_addresses(file) == addresses
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    script = f'set -eu; . "{file}"; printf %s "$POSTGRES_PASSWORD"'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout == addresses["POSTGRES_PASSWORD"]
    assert read_addresses(tmp_path / "none") == {}


def test_a_start_ends_with_something_to_try() -> None:
    addresses = {"BRIDGE_URL": "http://127.0.0.1:7000", "CONSUL_URL": "http://127.0.0.1:1"}

    lines = banner(addresses, 1, "local.env")

    assert any("http://127.0.0.1:7000" in line for line in lines)
    assert lines[-1].strip() == "curl -s localhost:7000/intelligence/patterns"
    assert "curl -s localhost:7000/hooks/service/lifecycle" in lines[-2]
    assert not any("BRIDGE_URL" in line for line in banner(addresses, 0, "local.env"))


def test_the_documentation_names_every_port_with_its_variable() -> None:
    rows = (PROJECT / "docs" / "local-stack.md").read_text().splitlines()

    local, test = load_profile("local", {}), load_profile("test", {})
    for name in local.ports:
        cells = [str(local.ports[name]), variable("local", name), str(test.ports[name]), variable("test", name)]
        assert any(all(cell in row for cell in cells) for row in rows if row.startswith("|")), cells
