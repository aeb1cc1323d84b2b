"""Forgotten sessions of a database: a lock, an open transaction, a leak of connections."""

import random

from lab.incidents import culprit
from lab.incidents.incident import Incident, Login, Memory, Note, ask, noted
from pipeline_common.settings import Settings

PROGRAMS = ["price_export", "stock_sync", "weekly_figures", "catalogue_check", "report_draft"]
READER_CONNECTIONS = 20  # sql/roles.sql


def lock(settings: Settings, chance: random.Random, note: Note) -> None:
    """A session of pipeline_db keeps a lock on the clean zone."""
    statements = ["LOCK TABLE clean_products IN ACCESS EXCLUSIVE MODE"]
    hold(settings.postgres, chance, note, statements)


def transaction(settings: Settings, chance: random.Random, note: Note) -> None:
    """A session of timeseries_db keeps a snapshot, so that VACUUM may remove nothing newer."""
    statements = ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT FROM stream_offsets"]
    hold(settings.timescale, chance, note, statements)


def connections(settings: Settings, chance: random.Random, note: Note) -> None:
    """A program of pipeline_db takes every connection that the reader may have."""
    hold(settings.reader(settings.postgres), chance, note, [], READER_CONNECTIONS)


def hold(
    login: Login, chance: random.Random, note: Note, statements: list[str], count: int = 1
) -> None:
    """Let the culprit open sessions and leave them in their transactions."""
    program = chance.choice(PROGRAMS)
    named = login | {"application_name": program}
    task = {"login": named, "statements": statements, "count": count}
    note(program=program, pids=None)
    note(**culprit.start("hold_sessions", note, **task))


def still_there(settings: Settings, memory: Memory) -> str | None:
    """Whether the program still has a session, on either server."""
    logins = (settings.postgres, settings.timescale)
    count = sum(len(ask(login, "sessions_of_program", memory)) for login in logins)
    return f"What causes it is still there (sessions on the server: {count})." if count else None


def end_sessions(settings: Settings, memory: Memory) -> None:
    """End the process and what is left of its sessions."""
    if "process" in memory:
        culprit.end(memory["process"])
    for login in (settings.postgres, settings.timescale):
        ask(settings.admin(login), "end_sessions_of_program", memory)


LOCK = Incident(
    symptom="python python_scripts/explore_postgres.py shows its first tables and then fails, and "
    "the night's DAG run does not get beyond load_to_clean_zone. Nothing was deployed.",
    hints=(
        "Who waits, and for whom? pg_stat_activity has wait_event_type; ask pg_blocking_pids().",
        "Ask pg_locks for clean_products: which session has AccessExclusiveLock, and since when?",
        "The evidence is the pid of that session; SELECT pg_terminate_backend(pid) ends it.",
    ),
    inject=lock,
    answers=noted("pid"),
    still_wrong=still_there,
    put_back=end_sessions,
)
TRANSACTION = Incident(
    symptom="stream_offsets in timeseries_db grows, though it has a few rows only. VACUUM VERBOSE "
    "stream_offsets says that dead rows cannot be removed yet. Nobody waits for a lock.",
    hints=(
        "VACUUM keeps what the oldest snapshot may still see. Which session has the oldest one?",
        "pg_stat_activity has state, xact_start and backend_xmin of each session.",
        "It is idle in transaction. The evidence is its pid; pg_terminate_backend(pid) ends it.",
    ),
    inject=transaction,
    answers=noted("pid"),
    still_wrong=still_there,
    put_back=end_sessions,
)
CONNECTIONS = Incident(
    symptom="python python_scripts/explore_postgres.py cannot even connect, and the dashboard "
    "neither. The pipelines themselves write to the same database without trouble.",
    hints=(
        "Read what explore_postgres.py says: which login is refused, and why?",
        "As pipeline_user: pg_stat_activity has each session's usename and application_name.",
        "The evidence is the application_name that has all of them. pipeline_admin may end its "
        "sessions by pg_terminate_backend(pid), or end the program itself.",
    ),
    inject=connections,
    answers=noted("program"),
    still_wrong=still_there,
    put_back=end_sessions,
)
