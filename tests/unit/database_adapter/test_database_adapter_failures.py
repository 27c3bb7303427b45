"""How errors of asyncpg are told to the rest (database-adapter §5)."""

import asyncpg
import pytest

from bridge_app.domain.database_adapter.failures import Kind, kind_of, spoils_session
from bridge_app.effects.postgres import failure_of


def test_error_of_the_server_keeps_what_is_known() -> None:
    error = asyncpg.CheckViolationError("refused")
    error.table_name, error.constraint_name = "event_logs", "odd"
    failure = failure_of(error)
    assert (failure.sqlstate, failure.message) == ("23514", "refused")
    assert failure.context == {"sqlstate": "23514", "table": "event_logs", "constraint": "odd"}


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("no"),
        TimeoutError(),
        asyncpg.InterfaceError("connection is closed"),
        # What asyncpg says of a connection that the server ended while it was idle.
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"),
    ],
)
def test_lost_connection_is_transient(error: Exception) -> None:
    failure = failure_of(error)
    assert kind_of(failure.sqlstate) is Kind.TRANSIENT
    assert failure.message


@pytest.mark.parametrize("sqlstate", [None, "25006", "53100", "55P03", "57P01", "57P03", "28000", "3D000", "08006"])
def test_after_an_outage_the_next_try_has_a_new_session(sqlstate: str | None) -> None:
    assert spoils_session(sqlstate)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "57014", "22000", "23505", "42P01", "XX000"])
def test_what_says_nothing_against_the_session_keeps_it(sqlstate: str) -> None:
    assert not spoils_session(sqlstate)
