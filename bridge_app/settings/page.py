"""The page of all settings, made of their declarations."""

from collections.abc import Iterator

from bridge_app.settings import Variable, catalogue

INTRODUCTION = """\
# Configuration

Every setting is an environment variable, read once at the start. A variable that is empty counts as not set. A value
that is not what is expected ends the start with exit code 2 and one line that names the variable:

```
omninode-bridge: POSTGRES_PORT=abc: expected a whole number of at least 1 and at most 65535
```

Some settings can be [changed while the bridge runs](runtime-configuration.md). Secrets are shown as `***`, there and
everywhere else. Settings of parts that the [changelog](../CHANGELOG.md) does not list yet are read and checked, and
change nothing. Faust's own variables (`BROKER_URL`, `WEB_PORT`, …) have no effect.

This page is made of the declarations in [`bridge_app/settings/`](../bridge_app/settings) by `make docs`.
"""


def page() -> str:
    """Return the page as Markdown: a table for each area."""
    return "\n".join([INTRODUCTION, *_areas()])


def _areas() -> Iterator[str]:
    for area, variables in catalogue():
        title, _, about = (area.__doc__ or "").rstrip(".").partition("; ")
        yield f"## {title}\n"
        if about:
            yield f"{about[0].upper()}{about[1:]}.\n"
        yield "| variable | default | expected | what for |\n|---|---|---|---|"
        yield "\n".join(_row(variable) for variable in variables) + "\n"


def _row(variable: Variable) -> str:
    help = f"{variable.help} (secret)" if variable.secret else variable.help
    cells = (f"`{variable.name}`", _default(variable), variable.kind.expected, help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(variable: Variable) -> str:
    """Return the default as an operator would write it; nothing where the variable is empty."""
    if variable.shown_default:
        return variable.shown_default
    default = variable.default
    if default in ("", None, ()):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:.15g}`" if isinstance(default, float) else f"`{default}`"
