"""What an error of Postgres means for the batch that met it (database-adapter §5)."""

from enum import Enum

CANCELLED = "57014"

_TRANSIENT_CLASSES = frozenset({"08", "28", "3D", "40", "53", "55", "57", "58"})
_TRANSIENT_STATES = frozenset({"25006"})
_SCHEMA_CLASSES = frozenset({"3F", "42"})
_ROW_CLASSES = frozenset({"22", "23", "54"})


#: Transient, and nothing is wrong with the session: the statement was cancelled, or lost to another transaction.
_SESSION_STAYS_CLASSES = frozenset({"40"})


class Kind(Enum):
    """TRANSIENT waits and tries again, SCHEMA migrates or stops, ROW is bisected, UNKNOWN is tried a few times."""

    TRANSIENT = "transient"
    SCHEMA = "schema"
    ROW = "row"
    UNKNOWN = "unknown"


def kind_of(sqlstate: str | None) -> Kind:
    """Classify a SQLSTATE; None is a lost connection, a timeout or a name that does not resolve."""
    if sqlstate is None or sqlstate in _TRANSIENT_STATES:
        return Kind.TRANSIENT
    sql_class = sqlstate[:2]
    if sql_class in _TRANSIENT_CLASSES:
        return Kind.TRANSIENT
    if sql_class in _SCHEMA_CLASSES:
        return Kind.SCHEMA
    return Kind.ROW if sql_class in _ROW_CLASSES else Kind.UNKNOWN


def spoils_session(sqlstate: str | None) -> bool:
    """Tell whether the next try should have a session of its own.

    A session keeps the defaults it began with, such as `default_transaction_read_only`, and the server it began on,
    which may be a standby now: what has passed for others may go on for it for ever.
    """
    if kind_of(sqlstate) is not Kind.TRANSIENT:
        return False
    return sqlstate is None or (sqlstate != CANCELLED and sqlstate[:2] not in _SESSION_STAYS_CLASSES)
