"""What kind of failure an error is: the one place that decides it.

TRANSIENT   a server restarting, a connection lost, a deadlock, a failover: wait and try again.
RECORD      the fault of a record: make the batch smaller until the record is found, quarantine it.
PERMANENT   no schema, no permission, a wrong setting: end with the true reason.

PostgreSQL's errors are classified by SQLSTATE:
https://www.postgresql.org/docs/15/errcodes-appendix.html
"""

from enum import Enum

import psycopg2
from kafka import errors


class Failure(Enum):
    """The three kinds."""

    TRANSIENT = "transient"
    RECORD = "record"
    PERMANENT = "permanent"


#: SQLSTATEs, or classes of them (their first two characters).
_TRANSIENT_STATES = (
    "08",  # connection exception
    "40",  # transaction rollback: deadlock, serialization failure
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "57",  # operator intervention: shutdown, starting up, a statement's time limit
    "58",  # system error: the server's own disk
    "55P03",  # a lock's time limit
    "25006",  # read-only: a replica that is becoming the primary
    "25P03",  # idle in transaction for too long
)
_PERMANENT_STATES = (
    "0A",  # feature not supported
    "25",  # transaction state: an error of ours
    "26",  # statement name: the same
    "28",  # login
    "34",  # cursor name
    "3D",  # no such database
    "3F",  # no such schema
    "42",  # no such table or column, no permission
    "55",  # not in a state to do that
    "F0",  # the server's configuration file
    "XX",  # internal error, corrupted data
)
#: The server's function behind RAISE in PL/pgSQL (src/pl/plpgsql/src/pl_exec.c).
RAISE = "exec_stmt_raise"
_TRANSIENT_KAFKA = (
    errors.RetriableError,
    errors.BrokerNotAvailableError,
    errors.CommitFailedError,
    errors.CorruptRecordError,  # damaged on its way: fetch it again
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
    if isinstance(error, OSError):  # of a socket
        return Failure.TRANSIENT
    raise error


def _kind_of_database_error(error: psycopg2.Error) -> Failure:
    if error.diag.source_function == RAISE:
        return Failure.RECORD  # a user's own trigger has checked the row; it may raise any SQLSTATE
    state = error.pgcode
    if state is None:  # it comes from the client: there is no connection, or not any more
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        if lost or type(error) is psycopg2.DatabaseError:
            return Failure.TRANSIENT
        return Failure.PERMANENT
    if state.startswith(_TRANSIENT_STATES):
        return Failure.TRANSIENT
    if state.startswith(_PERMANENT_STATES):
        return Failure.PERMANENT
    return Failure.RECORD  # data, constraints, limits, and whatever a user's trigger raises


def is_of_a_server(error: BaseException) -> bool:
    """Whether it comes from a database or from Kafka; else it is a bug in the program."""
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
