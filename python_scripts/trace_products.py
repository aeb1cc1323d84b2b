"""The path of one product or raw row: as received, validated, its zone, and what superseded it."""

import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batch_pipeline.rules import DUPLICATE_IN_BATCH, RULE_VERSION, validate_record
from pipeline_common.console import counted
from pipeline_common.errors import StackError
from pipeline_common.settings import DAG_ID
from python_scripts.trace_records import Step, rows

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LONGEST_TEXT = 2000  # characters of a raw row that are shown


def trace_product(connection: "Connection", airflow_url: str, product_id: str) -> list[Step]:
    """The path of every raw row that names the product, oldest first, and its current clean row."""
    found = rows(connection, "raw_rows_of_product", {"product_id": product_id})
    now = rows(connection, "product_in_clean_zone", {"product_id": product_id})
    if not found and not now:
        raise StackError(
            f"No raw row names product {product_id}: looked at product_verdicts, raw_products, "
            "quarantine_products and clean_products. Batches: "
            "python python_scripts/explore_postgres.py batches"
        )
    steps = [
        step for row in found for step in trace_raw_row(connection, airflow_url, row["raw_id"])
    ]
    for row in now:
        came = f"raw row {row['raw_id']}" if row["raw_id"] else "a sample row of the init SQL"
        steps.append(Step("now", f"clean_products has {came}, batch {row['batch_id']}"))
    return steps if now else [*steps, Step("now", "clean_products has no row of it")]


def trace_raw_row(connection: "Connection", airflow_url: str, raw_id: int) -> list[Step]:
    """The path of one raw row, which may be in an archive file by now."""
    found = rows(connection, "raw_row", {"raw_id": raw_id})
    if not found:
        raise StackError(f"raw_products has no row {raw_id}; ids are in explore_postgres.py raw.")
    row = found[0]
    line = "" if row["file"] else f"line {row['line_number']} of "
    steps = [
        Step("raw row", f"{raw_id}: {line}{row['source']}"),
        Step("batch", f"{row['batch_id']}, products of {row['product_date']}"),
        Step("received", str(row["ingestion_time"])),
        archived(row) if row["file"] else Step("as received", shortened(row["raw_text"])),
        Step("validated", stored_verdict(row)),
    ]
    if not row["file"]:
        steps.append(Step("validated now", verdict_now(row)))
    steps.append(Step("stored", zone(row)))
    steps += other_row(connection, row)
    return [*steps, Step("task log", task_log(airflow_url, row))]


def archived(row: dict[str, Any]) -> Step:
    """Which file holds the row, and how it comes back."""
    command = f"python batch_pipeline/reprocess.py {shlex.quote(row['batch_id'])}"
    return Step("archived", f"in {row['file']}; to read it back and re-validate it: {command}")


def shortened(text: str) -> str:
    """The text, or its beginning and how much is left out."""
    rest = len(text) - LONGEST_TEXT
    return text if rest <= 0 else f"{text[:LONGEST_TEXT]} … and {counted(rest, 'more character')}"


def stored_verdict(row: dict[str, Any]) -> str:
    """What the rules said when the row was validated."""
    if row["rule_version"] is None:
        return "not yet: validate_products has not run for its batch"
    said = ", ".join(row["issues"]) if row["issues"] else "valid"
    return f"{said} (rule version {row['rule_version']})"


def verdict_now(row: dict[str, Any]) -> str:
    """What the rules in force say."""
    received = row["raw_text"] if row["raw_bytes"] is None else bytes(row["raw_bytes"])
    issues = validate_record(received).issues
    return f"{', '.join(issues) or 'valid'} (rule version {RULE_VERSION})"


def zone(row: dict[str, Any]) -> str:
    """The table that holds the row's product, and since when."""
    for column, table in (
        ("loaded_at", "clean_products"),
        ("superseded_at", "superseded_products"),
        ("quarantined_at", "quarantine_products"),
    ):
        if row[column]:
            return f"{table}, since {row[column]}"
    return "raw_products only: no run has loaded it into a zone yet"


def other_row(connection: "Connection", row: dict[str, Any]) -> list[Step]:
    """The row that superseded this one, or the earlier row of the same product in the batch."""
    values = {"product_id": row["product_id"], "batch_id": row["batch_id"]}
    if row["superseded_at"]:
        newer = rows(connection, "product_in_clean_zone", values)
        return [
            Step("superseded by", f"raw row {each['raw_id']} of batch {each['batch_id']}")
            for each in newer
        ]
    if DUPLICATE_IN_BATCH in (row["issues"] or []):
        first = rows(connection, "first_in_batch", values)
        return [Step("duplicate of", f"raw row {each['raw_id']}") for each in first]
    return []


def task_log(airflow_url: str, row: dict[str, Any]) -> str:
    """Where Airflow shows the log of the task that stored the row."""
    if row["run_id"] is None or row["run_id"] == row["batch_id"] == "sample":
        return "none: no run of Airflow has loaded it"
    task = "load_to_quarantine" if row["quarantined_at"] else "load_to_clean_zone"
    return f"{airflow_url}/dags/{DAG_ID}/runs/{quote(row['run_id'], safe='')}/tasks/{task}"
