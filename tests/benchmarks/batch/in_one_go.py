"""How a peer stores a batch: raw zone, verdicts by COPY, both zones, in one transaction."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

RAW = """
    INSERT INTO raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data)
    SELECT batch_id, source, line_number, landed_at, raw_text, raw_text::jsonb
    FROM landing_products WHERE batch_id = 'bench' ORDER BY source COLLATE "C", line_number"""
READ = "SELECT id, raw_text FROM raw_products WHERE batch_id = 'bench' ORDER BY id"
VERDICTS = "raw_id, product_id, name, price, stock, category, issues"
LOAD_CLEAN = """
    INSERT INTO clean_products (product_id, name, price, stock, category, source, batch_id, raw_id,
                                ingestion_time, rule_version)
    SELECT product_id, name, price, stock, category, source, batch_id, id, ingestion_time, 1
    FROM verdicts JOIN raw_products ON id = raw_id WHERE issues IS NULL
    ON CONFLICT (product_id) DO UPDATE SET
        (name, price, stock, category, source, batch_id, raw_id, ingestion_time, rule_version) =
        ROW (excluded.name, excluded.price, excluded.stock, excluded.category, excluded.source,
             excluded.batch_id, excluded.raw_id, excluded.ingestion_time, excluded.rule_version)
    WHERE clean_products.ingestion_time < excluded.ingestion_time"""
LOAD_QUARANTINE = """
    INSERT INTO quarantine_products
        (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
    SELECT id, batch_id, source, raw_data, raw_text, issues, 1
    FROM verdicts JOIN raw_products ON id = raw_id WHERE issues IS NOT NULL"""
CREATE_VERDICTS = """
    CREATE TEMPORARY TABLE verdicts (raw_id bigint, product_id text, name text, price numeric,
                                   stock integer, category text, issues text[])"""
MARK = "UPDATE raw_products SET processed = true WHERE batch_id = 'bench'"
REPORT = """
    SELECT source, issues, count(*) FROM verdicts JOIN raw_products ON id = raw_id
    GROUP BY source, issues"""
Row = Sequence[object]


def in_one_go(connection: "Connection", verdicts: Callable[[list[Any]], Iterable[Row]]) -> None:
    """Raw zone, the verdicts by COPY, both zones: all in one transaction."""
    with connection, connection.cursor() as cursor:
        cursor.execute(RAW)
        cursor.execute(CREATE_VERDICTS)
        cursor.execute(READ)
        copy(cursor, verdicts(cursor.fetchall()))
        cursor.execute("ANALYZE verdicts")
        for statement in (LOAD_CLEAN, LOAD_QUARANTINE, MARK, REPORT):
            cursor.execute(statement)


def copy(cursor: "Cursor", rows: Iterable[Row]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    text.seek(0)
    cursor.copy_expert(f"COPY verdicts ({VERDICTS}) FROM STDIN (FORMAT csv)", text)


def as_array(codes: Iterable[str]) -> str:
    """Reason codes as the text of a PostgreSQL array."""
    return f"{{{','.join(codes)}}}"
