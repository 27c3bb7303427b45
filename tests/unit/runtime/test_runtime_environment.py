"""Faust's own environment variables change nothing: what an operator can set is in the bridge's settings."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.types.settings import Settings as FaustSettings

from bridge_app.events.envelope import Identity
from bridge_app.runtime.app import BridgeApp
from bridge_app.settings import Settings

ROOT = Path(__file__).parents[3]
IDENTITY = Identity("omninode-bridge", "0.1.0", "i-1", "n-1", "test")
#: Faust's settings that the environment can hold, by the name of the variable.
BY_VARIABLE = {param.env_name: name for name, param in FaustSettings.SETTINGS.items() if param.env_name}
#: `reply_to` is another one in every process.
ACTIVE = sorted(FaustSettings.setting_names() - {"reply_to"})
#: By the kind of the setting: a value that is not the default of any.
OTHER = {
    "Bool": ("true", "false"),
    "Int": ("77",),
    "UnsignedInt": ("77",),
    "Port": ("7777",),
    "Seconds": ("77",),
    "BrokerList": ("kafka://elsewhere:1",),
    "URL": ("rocksdb://elsewhere",),
    "EnumParam": ("exactly_once",),
    "Timezone": ("America/New_York",),
}
#: What Faust reads when it is imported, with either prefix. `…LOOP` is left out: it is the launcher's `--loop`.
AT_IMPORT = ("DEBUG", "DATADIR", "BLOCKING_TIMEOUT", "FORCE_BLOCKING_TIMEOUT", "STRICT", "WEB_PORT", "WEB_TRANSPORT")
SHOW = """
from bridge_app import app
for name in sorted(app.conf.setting_names() - {"reply_to"}):
    print(name, getattr(app.conf, name))
"""


def configuration(settings: Settings) -> dict[str, str]:
    """Return all settings that Faust has for a worker, as text."""
    app = BridgeApp(settings, IDENTITY)
    return {name: str(getattr(app.conf, name)) for name in ACTIVE}


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    return configuration(Settings.from_environ({}))


@pytest.mark.parametrize("variable", sorted(BY_VARIABLE))
def test_conventions_8_a_variable_of_fausts_has_no_effect(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, str], variable: str
) -> None:
    for value in _values(variable):
        monkeypatch.setenv(variable, value)
        assert configuration(Settings.from_environ({})) == expected


@pytest.mark.parametrize("prefix", ["", "EVIL_", "OMNINODE_BRIDGE_FAUST_"])
def test_conventions_8_a_prefix_that_the_environment_sets_opens_no_door(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, str], prefix: str
) -> None:
    monkeypatch.setenv("APP_ENV_PREFIX", prefix)
    monkeypatch.setenv(f"{prefix}BROKER_URL", "kafka://elsewhere:1")
    monkeypatch.setenv(f"{prefix}STREAM_WAIT_EMPTY", "false")
    assert configuration(Settings.from_environ({})) == expected


def test_the_control_stock_faust_heeds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "kafka://elsewhere:1")
    monkeypatch.setenv("STREAM_WAIT_EMPTY", "false")
    conf = faust.App("control", broker="kafka://here:1", stream_wait_empty=True).conf
    assert (str(conf.broker[0]), conf.stream_wait_empty) == ("kafka://elsewhere:1", False)


def test_conventions_8_what_faust_reads_when_it_is_imported_has_no_effect() -> None:
    values = {"WEB_TRANSPORT": "unix:///nowhere", "DATADIR": "/nowhere", "DEBUG": "1", "STRICT": "1"}
    own = {prefix + name: values.get(name, "7777") for prefix in ("F_", "FAUST_") for name in AT_IMPORT}
    own |= {variable: _values(variable)[0] for variable in BY_VARIABLE}
    assert _shown(own) == _shown({})


def _shown(extra: dict[str, str]) -> str:
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "VIRTUAL_ENV")}
    run = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env={**environ, **extra},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return re.sub(r"0x[0-9a-f]+", "0x…", run.stdout)


def _values(variable: str) -> tuple[str, ...]:
    kind: Callable[..., Any] = type(FaustSettings.SETTINGS[BY_VARIABLE[variable]])
    return OTHER.get(kind.__name__, ("changed",))
