"""What `GET /admin/config` shows (configuration §6, §7). Secrets are masked here, whoever asks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bridge_app.domain.configuration.events import shown
from bridge_app.domain.configuration.keys import BY_DOTTED, BY_VARIABLE, KEYS
from bridge_app.domain.configuration.precedence import DEFAULT, ENV, Effective, Trees, effective
from bridge_app.domain.configuration.sections import sections
from bridge_app.domain.configuration.values import plain
from bridge_app.events.envelope import Identity
from bridge_app.masking import is_secret, mask
from bridge_app.settings import Settings


class State(NamedTuple):
    """The configuration of a worker: what Consul holds, and what counts without it."""

    settings: Settings
    trees: Trees
    base: Mapping[str, Effective]


def report(state: State, identity: Identity) -> dict[str, Any]:
    """Return all settings with their sources, and what is wrong in Consul."""
    rows = effective_rows(state)
    values = {_variable(row["key"]): row["value"] for row in rows}
    return {
        "configuration": {
            "service_name": identity.service_name,
            "version": identity.service_version,
            "environment": identity.environment,
            **sections(values),
        },
        "effective": rows,
        "unknown_keys": [path for tree in state.trees for path in tree.unknown()],
        "rejected": rejected_rows(state.trees),
    }


def effective_rows(state: State) -> list[dict[str, Any]]:
    """Return one row per setting, those that may change first."""
    fixed = [name for name in state.settings.readings if name not in BY_VARIABLE]
    return [*_mutable_rows(state), *(_fixed_row(state.settings, name) for name in fixed)]


def rejected_rows(trees: Trees) -> list[dict[str, Any]]:
    """Return one row per value that does not count."""
    return [
        {"path": tree.path(key), "value": shown(found.raw), "reason": found.reason}
        for tree in trees
        for key in KEYS
        if (found := tree.rejected.get(key.dotted)) is not None
    ]


def _mutable_rows(state: State) -> Sequence[dict[str, Any]]:
    rows = []
    for key in KEYS:
        value, source, _, modify_index = effective(key, state.trees, state.base)
        rows.append(
            {
                "key": key.dotted,
                "value": value,
                "source": source,
                "mutable": True,
                "default": plain(state.settings.readings[key.variable].default),
                "path": state.trees.environment.path(key),
                "modify_index": modify_index,
            }
        )
    return rows


def _fixed_row(settings: Settings, variable: str) -> dict[str, Any]:
    reading = settings.readings[variable]
    return {
        "key": variable,
        "value": _shown(variable, reading.value),
        "source": ENV if reading.is_given else DEFAULT,
        "mutable": False,
        "default": _shown(variable, reading.default),
        "path": None,
        "modify_index": None,
    }


def _variable(name: str) -> str:
    """Return the variable of a row."""
    return BY_DOTTED[name].variable if name in BY_DOTTED else name


def _shown(variable: str, value: Any) -> Any:
    """Return a value as JSON has it; a secret that is not set is null."""
    if is_secret(variable) and value in ("", None):
        return None
    return mask(variable, str(value) if isinstance(value, Path) else plain(value))
