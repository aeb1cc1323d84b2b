"""What the dashboard's pages share: colours, rows of a query, tables of reasons."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import psycopg2
import streamlit as st

from pipeline_common.untrusted import visible
from python_scripts.queries import as_objects, run_query

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

REFRESH_SECONDS = 2
HEIGHT = 240
# White text is readable on each of them, and each on the page's background, light or dark.
GOOD, BAD, NEUTRAL, WAITING = "#2f7a3f", "#b84c40", "#6b7079", "#936514"
BLUE, VIOLET = "#3567b5", "#7a5aa6"


@contextmanager
def told_if_away(name: str) -> Iterator[None]:
    """During the block, say on the page that a database does not answer."""
    try:
        yield
    except psycopg2.OperationalError as error:
        st.warning(plain(f"{name} does not answer: {error} This page keeps trying."))


def plain(text: str) -> str:
    """A text escaped so that Streamlit, which renders Markdown, shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#+.!|$:~-])", r"\\\1", visible(text))


def frame(connection: "Connection", name: str) -> pd.DataFrame:
    """The rows of sql/queries/NAME.sql; exact decimals become floats, which charts need."""
    result = run_query(connection, name)
    rows = pd.DataFrame(as_objects(result), columns=list(result.headers))
    decimals = [
        name for name in rows if rows[name].map(type).astype(str).str.contains("Decim").any()
    ]
    return rows.astype(dict.fromkeys(decimals, float))


def utc(name: str, parts: str, kind: str = "T") -> alt.X:
    """A time axis in UTC, as everywhere in this project; a browser would use its own zone."""
    return alt.X(f"utc{parts}({name}):{kind}", title=None)


def show_reasons(place: Any, rows: pd.DataFrame) -> None:
    """The table of reasons, or that there are none."""
    if rows.empty:
        place.info("Nothing has been rejected so far.")
    else:
        place.table(by_reason(rows))


def by_reason(rows: pd.DataFrame) -> "pd.io.formats.style.Styler":
    """A table with the reason at the head of each row."""
    return rows.set_index("reason").style.format(precision=2)


def quoted(text: str) -> str:
    """A text as a quoted string of the DOT language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
