"""Take products through the zones, step by step, with the functions that the DAG's tasks call.

\b
python python_scripts/insert_and_validate.py            # five examples
python python_scripts/insert_and_validate.py '{"product_id": "X-1", "name": "Chair", "price": 5}'
python python_scripts/insert_and_validate.py - < products.jsonl
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from batch_pipeline import steps
from batch_pipeline.database import OneTransaction, connect
from pipeline_common.console import run, stdin_lines
from pipeline_common.settings import Settings
from python_scripts.explorer import AsJson
from python_scripts.queries import Result, print_results, result_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EXAMPLES = [
    '{"product_id": "MINE-1", "name": "Desk Lamp", "price": 34.5, "stock": 8, "category": "light"}',
    '{"product_id": "MINE-2", "name": " Office  Chair ", "price": "$1,299.00", "stock": "3"}',
    '{"product_id": "MINE-3", "name": null, "price": "CALL", "stock": -1}',
    '{"product_id": "MINE-1", "name": "Desk Lamp", "price": 34.5, "stock": 8, "category": "light"}',
    "this is not JSON",
]

RAW = """-- 1. raw_products: exactly as received
SELECT id, line_number, processed, left(raw_text, 200) AS raw_text
FROM raw_products WHERE batch_id = %(id)s ORDER BY id"""
VERDICTS = """-- 2. product_verdicts: what the rules say, and the values in their standard form
SELECT raw_id, product_id, name, price, stock, issues
FROM product_verdicts WHERE batch_id = %(id)s ORDER BY raw_id"""
CLEAN = """-- 3. clean_products: what passed, one row for each product_id
SELECT raw_id, product_id, name, price, stock, category
FROM clean_products WHERE batch_id = %(id)s ORDER BY raw_id"""
QUARANTINE = """-- 4. quarantine_products: what did not, with its reasons and its original text
SELECT raw_id, issues, left(raw_text, 200) AS raw_text
FROM quarantine_products WHERE batch_id = %(id)s ORDER BY raw_id"""
LEDGER = """-- 5. The ledger: raw = clean + superseded + quarantined
SELECT (SELECT count(*) FROM raw_products WHERE batch_id = %(id)s) AS raw,
       (SELECT count(*) FROM clean_products WHERE batch_id = %(id)s) AS clean,
       (SELECT count(*) FROM superseded_products WHERE batch_id = %(id)s) AS superseded,
       (SELECT count(*) FROM quarantine_products WHERE batch_id = %(id)s) AS quarantined"""

#: Each step, the query that shows its result, and the result's name in --json.
STEPS: list[tuple[Callable[["Connection", str], object], str, str]] = [
    (steps.load_to_raw_zone, RAW, "raw"),
    (steps.validate, VERDICTS, "verdicts"),
    (steps.load_to_clean_zone, CLEAN, "clean"),
    (steps.load_to_quarantine, QUARANTINE, "quarantine"),
    (steps.mark_processed, LEDGER, "ledger"),
]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def walk(connection: "Connection", batch_id: str, products: list[bytes]) -> Iterator[Result]:
    """Do each step for these products and yield what its zone holds afterwards."""
    steps.land(connection, batch_id, "by_hand", products)
    for step, query, name in STEPS:
        step(connection, batch_id)
        yield result_of(connection, name, query, {"id": batch_id})


@app.command(help=__doc__)
def main(
    products: Annotated[
        list[str] | None,
        typer.Argument(help="JSON, one product each; - reads lines from standard input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take products through raw, verdict, clean and quarantine, showing each zone."""
    given = [os.fsencode(product) for product in products or EXAMPLES]
    if given == [b"-"]:
        given = list(stdin_lines())
    batch_id = f"by_hand_{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%f}"
    # All or nothing, and stored before it is shown: so neither Ctrl-C nor `| head` leaves rows that
    # are not validated.
    login = Settings().postgres | {"connection_factory": OneTransaction}
    with closing(connect(login)) as connection:
        results = list(walk(connection, batch_id, given))
        connection.commit()
    print_results(results, as_json)


if __name__ == "__main__":
    run(app)
