"""Other ways to validate a batch; bench.py runs each in an environment of its own.

python peers.py CONTENDER LOGIN ROWS

All start from the landed rows, keep them in raw_products, validate them by the rules of
validator.py as far as the generated products need them, fill the clean zone and quarantine, and
print what measure() says. pydantic, pandera and great_expectations write by COPY, as the pipeline
does, and hold the whole batch in memory: so they are usually used. naive goes row by row, with
autocommit.
"""

import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from batch_pipeline.rules import validate_record
from tests.benchmarks.batch.columnar import by_duckdb, by_polars
from tests.benchmarks.batch.frames import great_expectations, pandera
from tests.benchmarks.batch.in_one_go import (
    CREATE_VERDICTS,
    LOAD_CLEAN,
    LOAD_QUARANTINE,
    MARK,
    RAW,
    REPORT,
    Row,
    as_array,
    in_one_go,
)
from tests.benchmarks.batch.measure import measure

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SQL_RULES = r"""
    INSERT INTO verdicts
    SELECT id, product_id, name, price, stock, category,
           coalesce(issues, CASE WHEN row_number() OVER same_product > 1
                                 THEN ARRAY ['duplicate_in_batch'] END)
    FROM (
        SELECT *, nullif(array_remove(ARRAY [
            CASE WHEN length(product_id) BETWEEN 1 AND 100 THEN NULL ELSE 'product_id' END,
            CASE WHEN length(name) BETWEEN 1 AND 500 THEN NULL ELSE 'name' END,
            CASE WHEN price BETWEEN 0.01 AND 9999999999.99 THEN NULL ELSE 'price' END,
            CASE WHEN stock BETWEEN 0 AND 2147483647 THEN NULL ELSE 'stock' END
        ], NULL), '{}') AS issues
        FROM (
            SELECT id, trim(raw_data ->> 'product_id') AS product_id,
                   trim(raw_data ->> 'name') AS name,
                   CASE WHEN raw_data ->> 'price' ~ '^[$]?[0-9,]+([.][0-9]+)?$'
                        THEN translate(raw_data ->> 'price', '$,', '')::numeric END AS price,
                   CASE WHEN raw_data ->> 'stock' ~ '^-?[0-9]+$'
                        THEN (raw_data ->> 'stock')::integer END AS stock,
                   trim(raw_data ->> 'category') AS category
            FROM raw_products WHERE batch_id = 'bench'
        ) AS fields
    ) AS checked
    WINDOW same_product AS (PARTITION BY issues, product_id ORDER BY id)"""


def pure_sql(connection: "Connection") -> None:
    """The rules as expressions of one statement; no row leaves the server."""
    with connection, connection.cursor() as cursor:
        cursor.execute(RAW)
        cursor.execute(CREATE_VERDICTS)
        for statement in (SQL_RULES, "ANALYZE verdicts", LOAD_CLEAN, LOAD_QUARANTINE, MARK, REPORT):
            cursor.execute(statement)


def pydantic(connection: "Connection") -> None:
    """Validate each row by a model of its own, as one would write it by pydantic's guide."""
    from decimal import Decimal  # noqa: PLC0415

    from pydantic import (  # noqa: PLC0415
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        ValidationError,
    )

    def plain(value: object) -> object:
        return re.sub(r"[$,]", "", value) if isinstance(value, str) else value

    class Product(BaseModel):
        model_config = ConfigDict(str_strip_whitespace=True)
        product_id: str = Field(min_length=1, max_length=100)
        name: str = Field(min_length=1, max_length=500)
        price: Annotated[
            Decimal, BeforeValidator(plain), Field(gt=0, max_digits=12, decimal_places=2)
        ]
        stock: int = Field(ge=0, le=2**31 - 1)
        category: str | None = Field(default=None, max_length=100)

    def verdicts(raw: list[Any]) -> Iterator[Row]:
        seen = set()
        for raw_id, text in raw:
            try:
                product = Product.model_validate_json(text)
            except ValidationError as error:
                issues = as_array(f"{e['loc'][0]}_{e['type']}" for e in error.errors())
                yield (raw_id, *[None] * 5, issues)
                continue
            known = product.product_id in seen
            seen.add(product.product_id)
            fields = (product.name, product.price, product.stock, product.category)
            yield (
                raw_id,
                product.product_id,
                *fields,
                as_array(["duplicate_in_batch"]) if known else None,
            )

    in_one_go(connection, verdicts)


def naive(connection: "Connection", rows: int) -> None:
    """Row by row with the pipeline's own rules, each statement a transaction."""
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SELECT source, line_number, raw_text FROM landing_products LIMIT %s", [rows])
    for source, line_number, text in cursor.fetchall():
        cursor.execute(
            """INSERT INTO raw_products (batch_id, source, line_number, raw_text, raw_data)
               VALUES ('bench', %s, %s, %s, %s) RETURNING id, ingestion_time""",
            [source, line_number, text, text],
        )
        raw_id, at = cursor.fetchone() or (0, None)
        *fields, issues = validate_record(text)
        cursor.execute("SELECT FROM clean_products WHERE product_id = %s", [fields[0]])
        if not issues and not cursor.rowcount:
            cursor.execute(
                """INSERT INTO clean_products (product_id, name, price, stock, category, source,
                       batch_id, raw_id, ingestion_time, rule_version)
                   VALUES (%s, %s, %s, %s, %s, %s, 'bench', %s, %s, 1)""",
                [*fields, source, raw_id, at],
            )
        else:
            cursor.execute(
                """INSERT INTO quarantine_products
                       (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
                   VALUES (%s, 'bench', %s, %s, %s, %s, 1)""",
                [raw_id, source, text, text, list(issues) or ["duplicate_in_batch"]],
            )
        cursor.execute("UPDATE raw_products SET processed = true WHERE id = %s", [raw_id])


PEERS: dict[str, Any] = {
    "pure_sql": pure_sql,
    "polars": partial(in_one_go, verdicts=by_polars),
    "duckdb": partial(in_one_go, verdicts=by_duckdb),
    "pydantic": pydantic,
    "pandera": pandera,
    "great_expectations": great_expectations,
}


def main(name: str, login: str, rows: int) -> None:
    work = PEERS.get(name, lambda connection: naive(connection, rows))
    print(json.dumps({"contender": name} | measure(json.loads(login), rows, work)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
