"""Each error is of one of three kinds, and the kind decides what the stream does."""

import psycopg2
import pytest
from kafka import errors

from streaming_pipeline.failures import Failure, advice, kind_of
from streaming_pipeline.writer import is_too_much


def database_error(state: str) -> psycopg2.Error:
    """An error as the server would send it; psycopg2 lets nobody set `pgcode`."""

    class ServerError(psycopg2.Error):
        pgcode = state

    return ServerError(f"SQLSTATE {state}")


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", Failure.TRANSIENT),  # connection lost
        ("25006", Failure.TRANSIENT),  # read-only after a failover
        ("40P01", Failure.TRANSIENT),  # deadlock
        ("53100", Failure.TRANSIENT),  # disk full
        ("55P03", Failure.TRANSIENT),  # lock not available
        ("57P03", Failure.TRANSIENT),  # starting up
        ("22003", Failure.RECORD),  # value out of range
        ("23505", Failure.RECORD),  # unique violation
        ("54000", Failure.RECORD),  # row too large for an index
        ("P0001", Failure.RECORD),  # RAISE EXCEPTION in a trigger
        ("MYAPP", Failure.RECORD),  # RAISE with a state of the user's own
        ("3D000", Failure.PERMANENT),  # no such database
        ("42501", Failure.PERMANENT),  # permission
        ("42P01", Failure.PERMANENT),  # no such table
    ],
)
def test_a_database_error_is_told_apart_by_its_sqlstate(state: str, kind: Failure) -> None:
    assert kind_of(database_error(state)) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg2.OperationalError("connection refused"), Failure.TRANSIENT),
        (psycopg2.InterfaceError("connection already closed"), Failure.TRANSIENT),
        (errors.KafkaTimeoutError(), Failure.TRANSIENT),
        (errors.NodeNotReadyError(), Failure.TRANSIENT),
        (ConnectionResetError(), Failure.TRANSIENT),
        (errors.TopicAuthorizationFailedError(), Failure.PERMANENT),
        (errors.InvalidGroupIdError(), Failure.PERMANENT),
        (errors.UnsupportedVersionError(), Failure.PERMANENT),
    ],
)
def test_an_error_of_a_client_is_told_apart_by_its_class(error: Exception, kind: Failure) -> None:
    assert kind_of(error) is kind


def test_an_error_of_the_program_itself_is_none_of_the_three() -> None:
    with pytest.raises(KeyError):
        kind_of(KeyError("a bug"))


def test_the_hint_for_a_missing_permission_is_not_the_hint_for_a_missing_table() -> None:
    assert "Grant" in advice(database_error("42501"))
    assert "init_timescale.sql" in advice(database_error("42P01"))


@pytest.mark.parametrize("state", ["53200", "53400", "57014"])  # memory, a limit of ours, time
def test_less_at_once_may_pass_where_a_limit_was_met(state: str) -> None:
    assert is_too_much(psycopg2.errors.lookup(state)())


@pytest.mark.parametrize("state", ["53100", "57P03", "40P01", "23505"])
def test_less_at_once_does_not_help_where_the_server_is_at_fault(state: str) -> None:
    assert not is_too_much(psycopg2.errors.lookup(state)())


def test_an_error_of_the_client_is_a_lost_connection_or_a_fault_of_ours() -> None:
    assert kind_of(psycopg2.OperationalError("server closed the connection")) is Failure.TRANSIENT
    assert kind_of(psycopg2.ProgrammingError("the cursor is closed")) is Failure.PERMANENT
