"""SQL that needs the Timescale licence cannot run here; its text and its numbers are checked."""

import re
from datetime import timedelta

import pytest

from pipeline_common.sql_files import SQL_FOLDER, read_sql
from streaming_pipeline.rules import OLDEST_MS

INIT = read_sql("init_timescale")
LICENSED = INIT.split("\\if :licensed\n")[1].split("\\else\n")[0]
KEEP = 90
REFRESH = 89


def test_every_reading_that_is_taken_is_refreshed_and_what_is_refreshed_is_kept() -> None:
    assert f"start_offset => INTERVAL '{REFRESH} days'" in LICENSED
    assert f"""add_job('expire', '1 day', config => '{{"keep": "{KEEP} days"}}')""" in LICENSED
    assert timedelta(milliseconds=OLDEST_MS) < timedelta(days=REFRESH) < timedelta(days=KEEP)


def test_nothing_drops_chunks_without_counting_their_rows() -> None:
    assert "add_retention_policy" not in INIT
    counted, dropped = INIT.index("INSERT INTO stream_expired"), INIT.index("PERFORM drop_chunks")
    assert INIT.index("LOCK TABLE") < counted < dropped


@pytest.mark.parametrize("name", [path.stem for path in (SQL_FOLDER / "stream").glob("*.sql")])
def test_a_search_or_deletion_of_readings_names_bounds_of_time(name: str) -> None:
    """As parameters, which are constants for the planner: this enables chunk exclusion."""
    sql = read_sql(f"stream/{name}")
    if re.search(r"(FROM|JOIN) sensor_readings\b", sql):
        assert re.search(r"time BETWEEN %\(\w+\)s AND %\(\w+\)s", sql)


def test_the_limit_of_decompression_ends_with_the_transaction() -> None:
    sql = read_sql("stream/raise_decompression_limit")
    assert "timescaledb.max_tuples_decompressed_per_dml_transaction" in sql
    assert re.search(r"set_config\(name, '0', true\)", sql)
