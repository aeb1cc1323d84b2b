"""This project's SQL is in files below sql/: one text for psql, scripts, pages and tests."""

from functools import cache
from pathlib import Path

SQL_FOLDER = Path(__file__).resolve().parents[1] / "sql"


@cache
def read_sql(name: str) -> str:
    """The text of sql/<name>.sql; `name` may include a folder: "batch/ledger"."""
    return (SQL_FOLDER / f"{name}.sql").read_text()
