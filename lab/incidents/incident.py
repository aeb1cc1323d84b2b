"""What an incident is, and the few database functions that all of them need."""

import random
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

from pipeline_common.database import connect
from pipeline_common.settings import Settings
from pipeline_common.sql_files import read_sql

#: What an incident notes when it is injected: JSON, kept until it is over.
Memory = dict[str, Any]
Login = dict[str, Any]
#: Adds to the memory, and writes it to disk at once.
Note = Callable[..., None]


class Incident(NamedTuple):
    """A fault and all that is known of it.

    `symptom` is what a colleague reports; it may name fields of the memory. `inject` notes what
    `put_back` has to know before each change, so that it can be undone when it is interrupted.
    `answers` gives the evidence that is right. `still_wrong` says what is not repaired yet, or
    None. `put_back` takes back whatever the incident changed, repaired or not, whole or half.
    """

    symptom: str
    hints: tuple[str, str, str]
    inject: Callable[[Settings, random.Random, Note], None]
    answers: Callable[[Settings, Memory], set[str]]
    still_wrong: Callable[[Settings, Memory], str | None]
    put_back: Callable[[Settings, Memory], None]


def noted(name: str) -> Callable[[Settings, Memory], set[str]]:
    """The evidence is what was noted under this name: it stays the same while the fault lasts."""
    return lambda _settings, memory: {str(memory[name])}


def ask(login: Login, name: str, values: Memory | None = None) -> list[tuple[Any, ...]]:
    """The rows that sql/lab/<name>.sql gives; none if it gives no result. One transaction."""
    with closing(connect(login, "incident")) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(read_sql(f"lab/{name}"), values or {})
        return cursor.fetchall() if cursor.description else []
