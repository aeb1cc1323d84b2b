"""The verdicts on a batch's raw rows, as lines for COPY."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from batch_pipeline.database import FETCHED_ROWS, escape
from batch_pipeline.rules import RULE_VERSION, Verdict, validate_record
from pipeline_common.sql_files import read_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def verdict_lines(connection: "Connection", rows: dict[str, Any]) -> Iterator[str]:
    """Validate the raw rows of a slice (batch_id, first, last); yields a line for each.

    A server-side cursor reads them, so memory does not grow with the batch.
    """
    batch = escape(rows["batch_id"])
    with connection.cursor(name="raw_rows") as raw_rows:
        raw_rows.itersize = FETCHED_ROWS
        raw_rows.execute(read_sql("batch/read_raw_zone"), rows)
        for raw_id, source, ingestion_time, raw_text, raw_bytes in raw_rows:
            record = raw_text if raw_bytes is None else bytes(raw_bytes)
            row = f"{raw_id}\t{batch}\t{escape(source)}\t{ingestion_time}\t{RULE_VERSION}"
            yield f"{row}\t{_verdict_columns(validate_record(record))}\n"


def _verdict_columns(verdict: Verdict) -> str:
    product_id, name, price, stock, category, issues = verdict
    if issues:
        return f"\t\t\t\t\t{{{','.join(issues)}}}"
    # !s: without it the price's own format() is called, which takes three times as long.
    columns = f"{product_id}\t{name}\t{price!s}\t{stock}\t{category or ''}\t"
    return columns.replace("\\", r"\\")  # the rules allow no tab or newline in a text
