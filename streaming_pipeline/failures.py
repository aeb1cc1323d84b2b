"""Classifies errors; nothing else decides whether to retry.

TRANSIENT   a server restarts, a lost connection, a deadlock, a failover: retry with backoff.
RECORD      caused by a record: halve the batch until the record is found, and quarantine it.
PERMANENT   no schema, no permission, a wrong setting: end, and report the reason.

PostgreSQL's errors are classified by SQLSTATE:
https://www.postgresql.org/docs/15/errcodes-appendix.html
"""

from enum import Enum

import psycopg2
from kafka import errors


class Failure(Enum):
    """The three kinds of failure."""

    TRANSIENT = "transient"
    RECORD = "record"
    PERMANENT = "permanent"


#: SQLSTATEs, or classes of them (their first two characters).
_TRANSIENT_STATES = (
    "08",  # connection exception
    "40",  # transaction rollback: deadlock, serialization failure
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "57",  # operator intervention: shutdown, starting up, statement_timeout
    "58",  # system error: the server's own disk
    "55P03",  # lock_timeout
    "25006",  # read-only: a standby that is being promoted
    "25P03",  # idle_in_transaction_session_timeout
)
_PERMANENT_STATES = (
    "0A",  # feature not supported
    "25",  # invalid transaction state: a bug of ours
    "26",  # invalid statement name: a bug, too
    "28",  # login
    "34",  # invalid cursor name
    "3D",  # no such database
    "3F",  # no such schema
    "42",  # no such table or column, no permission
    "55",  # object not in prerequisite state
    "F0",  # the server's configuration file
    "XX",  # internal error, corrupted data
)
#: The server's function behind RAISE in PL/pgSQL (src/pl/plpgsql/src/pl_exec.c).
RAISE = "exec_stmt_raise"
_TRANSIENT_KAFKA = (
    errors.RetriableError,
    errors.BrokerNotAvailableError,
    errors.CommitFailedError,
    errors.CorruptRecordError,  # damaged in transit: fetch it again
    errors.FencedMemberEpochError,
    errors.IllegalGenerationError,
    errors.RebalanceInProgressError,
    errors.StaleBrokerEpochError,
    errors.UnknownBrokerIdError,
    errors.UnknownError,
    errors.UnknownMemberIdError,
)


def kind_of(error: BaseException) -> Failure:
    """The kind of an error; raises it if no server caused it (a bug in the program)."""
    if isinstance(error, psycopg2.Error):
        return _kind_of_database_error(error)
    if isinstance(error, errors.KafkaError):
        transient = isinstance(error, _TRANSIENT_KAFKA)
        return Failure.TRANSIENT if transient else Failure.PERMANENT
    if isinstance(error, OSError):  # from a socket
        return Failure.TRANSIENT
    raise error


def _kind_of_database_error(error: psycopg2.Error) -> Failure:
    if error.diag.source_function == RAISE:
        return Failure.RECORD  # a user's own trigger has checked the row; it may raise any SQLSTATE
    state = error.pgcode
    if state is None:  # raised by the client library: not connected, or no longer
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        if lost or type(error) is psycopg2.DatabaseError:
            return Failure.TRANSIENT
        return Failure.PERMANENT
    if state.startswith(_TRANSIENT_STATES):
        return Failure.TRANSIENT
    if state.startswith(_PERMANENT_STATES):
        return Failure.PERMANENT
    return Failure.RECORD  # data, constraints, limits, and anything that a user's trigger raises


def is_of_a_server(error: BaseException) -> bool:
    """Whether a database or Kafka caused the error; else it is a bug in the program."""
    return isinstance(error, psycopg2.Error | errors.KafkaError | OSError)


def is_transient(error: BaseException) -> bool:
    """Whether waiting helps."""
    return is_of_a_server(error) and kind_of(error) is Failure.TRANSIENT


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_ADVICE = {
    "28": "Check user and password in .env.",
    "3D": "Check the database's name in .env.",
    "42501": "Grant the permission, or use another login in .env.",
    "42": "Is the schema there, and of this version? psql ... -f sql/init_timescale.sql makes it.",
    "3F": "Is the schema there, and of this version? psql ... -f sql/init_timescale.sql makes it.",
    "XX": "The server's log says more.",
}


def advice(error: BaseException) -> str:
    """The next step for a user who meets a permanent failure; empty where none is sure."""
    state = getattr(error, "pgcode", None) or ""
    return next((text for prefix, text in _ADVICE.items() if state.startswith(prefix)), "")
