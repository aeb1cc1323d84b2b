"""The plans of all statements that a connection executes, with the rows that each node saw.

auto_explain reports them; only a superuser may load it.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from tests.databases import as_admin

EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off;
    SET auto_explain.log_format = json;
    SET auto_explain.log_level = notice"""


class Plans:
    """Takes a connection's notices and keeps the plans among them, as psycopg2 asks for: a list."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def append(self, notice: str) -> None:
        _, is_plan, plan = notice.partition("plan:\n")
        if is_plan:
            self.found.append(json.loads(plan))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_seen(node: dict[str, Any]) -> float:
    """Rows that a node returned or threw away, over all of its loops."""
    removed = sum(value for key, value in node.items() if key.startswith("Rows Removed"))
    return float(node["Actual Loops"] * (node["Actual Rows"] + removed))


def explained(login: dict[str, Any]) -> tuple[Connection, Plans]:
    """A connection whose plans are kept."""
    connection = psycopg2.connect(**as_admin(login))
    plans = Plans()
    connection.notices = plans
    with connection, connection.cursor() as cursor:
        cursor.execute(EXPLAIN)
        cursor.execute("SET SESSION AUTHORIZATION %s", [login["user"]])
    return connection, plans
