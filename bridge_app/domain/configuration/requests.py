"""The body of `PUT /admin/config`, and the transaction that it becomes (configuration §6)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from bridge_app.domain.configuration.keys import BY_DOTTED, KEYS, Key
from bridge_app.domain.configuration.notes import Author, note_path, write_note
from bridge_app.domain.configuration.sections import dotted_of, variable_named
from bridge_app.domain.configuration.tree import Entry, Tree
from bridge_app.domain.configuration.values import Value, convert
from bridge_app.errors import FieldError, ValidationError
from bridge_app.events.fields import Text
from bridge_app.json_values import MAX_ERRORS, unstorable

REASON: Final = "change_reason"
MOST_KEYS: Final = 30
REASON_RULE: Final = Text(0, 500)

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ConfigurationRequest(NamedTuple):
    """Values by key, None to delete it; all keys are known and all values good."""

    values: Sequence[tuple[Key, Value | None]]
    reason: str | None


class Operation(NamedTuple):
    """One operation of a transaction, as Consul has them; `expected` is the index that the key must still have."""

    verb: str
    path: str
    value: bytes | None = None
    expected: int | None = None


def read_request(body: Any) -> ConfigurationRequest:
    """Check a whole body.

    Raises:
        ValidationError: naming every key that is unknown or fixed, and every bad value.
    """
    if type(body) is not dict:
        raise ValidationError([FieldError("$", "Expected object")])
    errors = list(unstorable(body))
    reason = body.get(REASON)
    if reason is not None:
        REASON_RULE.read(reason, (None, REASON), errors)
    given = {name: value for name, value in body.items() if name != REASON}
    if not 1 <= len(given) <= MOST_KEYS:
        raise ValidationError([FieldError("$", f"Expected 1 to {MOST_KEYS} keys, got {len(given)}")])
    values: list[tuple[Key, Value | None]] = []
    for name, value in given.items():
        try:
            values.append(_read(name, value))
        except ValueError as error:
            errors.append(FieldError(_place(name), str(error)))
    if errors:
        raise ValidationError(errors[:MAX_ERRORS])
    return ConfigurationRequest(values, reason)


def operations(request: ConfigurationRequest, tree: Tree, author: Author) -> Iterator[Operation]:
    """Yield the transaction: it fails as a whole when another has changed one of the keys since the tree was read.

    Two operations per key at most, as Consul takes 64. What is as asked for already is not written, and so keeps its
    index and the note that belongs to it.
    """
    for key, value in request.values:
        path, present = tree.path(key), tree.entries.get(tree.path(key))
        wanted = None if value is None else as_text(value)
        if (None if present is None else present.value) == wanted:
            yield _check(path, present)
        elif wanted is None:
            assert present is not None
            yield Operation("delete-cas", path, None, present.modify_index)
            yield Operation("set", note_path(tree, key), write_note(author, present.modify_index))
        else:
            yield Operation("cas", path, wanted, 0 if present is None else present.modify_index)
            yield Operation("set", note_path(tree, key), write_note(author, None))


def written(entries: Mapping[str, Entry], done: Sequence[Operation], index: int) -> dict[str, Entry]:
    """Return entries with what a transaction has written at an index, unless they are newer already."""
    after = dict(entries)
    for verb, path, value, _ in done:
        known = after.get(path)
        if verb.startswith("check") or (known is not None and known.modify_index > index):
            continue
        if value is None:
            after.pop(path, None)
        else:
            after[path] = Entry(value, index)
    return after


def as_text(value: Value) -> bytes:
    """Return a value as it is written: text as it is, everything else as JSON."""
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


def _read(name: str, value: Any) -> tuple[Key, Value | None]:
    key = BY_DOTTED.get(name)
    if key is not None:
        return key, None if value is None else convert(key.kind, value)
    variable = variable_named(name)
    if variable is not None:
        dotted = dotted_of(variable)
        raise ValueError(
            f"Expected {dotted}" if dotted else f"Fixed at the start: set {variable} in the environment and restart"
        )
    raise ValueError(f"Expected one of {', '.join(one.dotted for one in KEYS)}")


def _check(path: str, present: Entry | None) -> Operation:
    if present is None:
        return Operation("check-not-exists", path)
    return Operation("check-index", path, None, present.modify_index)


def _place(name: str) -> str:
    return f"$.{name}" if _PLAIN.fullmatch(name) else f"$[{orjson.dumps(name).decode()}]"
