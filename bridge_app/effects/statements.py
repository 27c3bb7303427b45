"""The statement that writes the rows of a table, made from the table's declaration.

One `INSERT … SELECT FROM unnest(…)`: the rows travel as one array per column, and Postgres plans one statement,
whatever their number. JSON travels as text.
"""

from bridge_app.domain.database_adapter.tables import Column, Conflict, Table

_SENT_AS = {"jsonb": "text", "text[]": "text"}
_READ_AS = {
    "jsonb": "given.{name}::jsonb",
    "text[]": "ARRAY(SELECT jsonb_array_elements_text(given.{name}::jsonb))",
}


def insert(table: Table) -> str:
    """Return the statement; its parameters are one array per column, in the order of the columns."""
    names = ", ".join(_quoted(column.name) for column in table.columns)
    arrays = ", ".join(
        f"${number}::{_SENT_AS.get(column.kind.type, column.kind.type)}[]"
        for number, column in enumerate(table.columns, start=1)
    )
    values = ", ".join(map(_value, table.columns))
    return (
        f"INSERT INTO {table.name} AS stored ({names}) SELECT {values} "  # noqa: S608 (names from declarations)
        f"FROM unnest({arrays}) AS given ({names}) ON CONFLICT {_resolution(table)}"
    )


def _value(column: Column) -> str:
    name = _quoted(column.name)
    value = _READ_AS.get(column.kind.type, "given.{name}").format(name=name)
    return value if column.default is None else f"COALESCE({value}, {column.default})"


def _resolution(table: Table) -> str:
    if table.conflict is Conflict.FIRST:
        return "DO NOTHING"
    fixed = {*table.key, *table.kept}
    changes = {column.name: _change(table, column) for column in table.columns if column.name not in fixed}
    sets = [f"{_quoted(name)} = {value}" for name, value in changes.items()]
    if table.touched:
        sets.append(f"{_quoted(table.touched)} = now()")
    key = ", ".join(map(_quoted, table.key))
    return f"({key}) DO UPDATE SET {', '.join(sets)} WHERE {_condition(table, changes)}"


def _condition(table: Table, changes: dict[str, str]) -> str:
    """Return when a stored row changes at all."""
    rank = _quoted(table.rank)
    if table.conflict is Conflict.HIGHER:
        return f"excluded.{rank} > stored.{rank}"
    if table.conflict is Conflict.NEWEST:
        return f"excluded.{rank} >= stored.{rank} OR stored.{rank} IS NULL"
    before = ", ".join(f"stored.{_quoted(name)}" for name in changes)
    return f"({before}) IS DISTINCT FROM ({', '.join(changes.values())})"


def _change(table: Table, column: Column) -> str:
    name, rank = _quoted(column.name), _quoted(table.rank)
    new, old = f"excluded.{name}", f"stored.{name}"
    if table.conflict is not Conflict.MERGED:
        return new
    if column.name == table.rank:
        return f"GREATEST({old}, {new})"
    if column.name in table.earliest:
        return f"LEAST({old}, {new})"
    return (
        f"CASE WHEN excluded.{rank} > stored.{rank} THEN COALESCE({_set(new, column)}, {old}) "
        f"ELSE COALESCE({_set(old, column)}, {new}) END"
    )


def _set(value: str, column: Column) -> str:
    """Return a value, or null where it is but the default."""
    return value if column.default is None else f"NULLIF({value}, {column.default})"


def _quoted(name: str) -> str:
    return f'"{name}"'
