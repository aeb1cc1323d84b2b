"""What else one could judge a batch with; bench.py runs each in an environment of its own.

python peers.py CONTENDER LOGIN ROWS

All start from the landed rows, keep them in raw_products, judge them by the rules of validator.py
as far as the generated products need them, fill the clean zone and quarantine, and print what
measure() says. pydantic, pandera and great_expectations write by COPY, as the pipeline does, and
hold the whole batch in memory: so they are usually used. naive goes row by row, with autocommit.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from batch_pipeline.validator import judge
from tests.benchmarks.batch.measure import measure

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

RAW = """
    INSERT INTO raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data)
    SELECT batch_id, source, line_number, landed_at, raw_text, raw_text::jsonb
    FROM landing_products WHERE batch_id = 'bench' ORDER BY source COLLATE "C", line_number"""
READ = "SELECT id, raw_text FROM raw_products WHERE batch_id = 'bench' ORDER BY id"
JUDGED = "raw_id, product_id, name, price, stock, category, issues"
LOAD_CLEAN = """
    INSERT INTO clean_products (product_id, name, price, stock, category, source, batch_id, raw_id,
                                ingestion_time, rule_version)
    SELECT product_id, name, price, stock, category, source, batch_id, id, ingestion_time, 1
    FROM judged JOIN raw_products ON id = raw_id WHERE issues IS NULL
    ON CONFLICT (product_id) DO UPDATE SET
        (name, price, stock, category, source, batch_id, raw_id, ingestion_time, rule_version) =
        ROW (excluded.name, excluded.price, excluded.stock, excluded.category, excluded.source,
             excluded.batch_id, excluded.raw_id, excluded.ingestion_time, excluded.rule_version)
    WHERE clean_products.ingestion_time < excluded.ingestion_time"""
LOAD_QUARANTINE = """
    INSERT INTO quarantine_products
        (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
    SELECT id, batch_id, source, raw_data, raw_text, issues, 1
    FROM judged JOIN raw_products ON id = raw_id WHERE issues IS NOT NULL"""
MARK = "UPDATE raw_products SET processed = true WHERE batch_id = 'bench'"
REPORT = """
    SELECT source, issues, count(*) FROM judged JOIN raw_products ON id = raw_id
    GROUP BY source, issues"""
PRICE = r"\$?(\d+(?:,\d{3})*(?:\.\d+)?)"
Row = Sequence[object]


def in_one_go(connection: "Connection", judged: Callable[[list[Any]], Iterable[Row]]) -> None:
    """Raw zone, the verdicts of `judged` by COPY, both zones: all in one transaction."""
    with connection, connection.cursor() as cursor:
        cursor.execute(RAW)
        cursor.execute(
            """CREATE TEMPORARY TABLE judged (raw_id bigint, product_id text, name text,
               price numeric, stock integer, category text, issues text)"""
        )
        cursor.execute(READ)
        copy(cursor, judged(cursor.fetchall()))
        cursor.execute("ANALYZE judged")
        for statement in (LOAD_CLEAN, LOAD_QUARANTINE, MARK, REPORT):
            cursor.execute(statement)


def copy(cursor: "Cursor", rows: Iterable[Row]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    text.seek(0)
    cursor.copy_expert(f"COPY judged ({JUDGED}) FROM STDIN (FORMAT csv)", text)


# --- A model of pydantic for each row -------------------------------------------------------------


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

    def judged(raw: list[Any]) -> Iterator[Row]:
        seen = set()
        for raw_id, text in raw:
            try:
                product = Product.model_validate_json(text)
            except ValidationError as error:
                issues = ", ".join(f"{e['loc'][0]}_{e['type']}" for e in error.errors())
                yield (raw_id, *[None] * 5, issues)
                continue
            known = product.product_id in seen
            seen.add(product.product_id)
            fields = (product.name, product.price, product.stock, product.category)
            yield (raw_id, product.product_id, *fields, "duplicate_in_batch" if known else None)

    in_one_go(connection, judged)


# --- pandas, judged by pandera and by Great Expectations ------------------------------------------


def as_frame(raw: list[Any]) -> "DataFrame":
    """The batch as columns: texts stripped, price and stock as numbers, NaN where they are none."""
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame([json.loads(text) for _, text in raw])
    for name in ("product_id", "name", "category"):
        frame[name] = frame[name].str.strip()
    prices = frame["price"].astype(str).str.extract(f"^{PRICE}$", expand=False)
    frame["price"] = pd.to_numeric(prices.str.replace(",", ""))
    frame["stock"] = pd.to_numeric(frame["stock"], errors="coerce")
    frame.index = pd.Index([raw_id for raw_id, _ in raw])
    return frame


def with_issues(frame: "DataFrame", issues: "Series[str]") -> Iterator[Row]:
    """The frame's rows with their issues; of a product's valid rows the first one stands."""
    import pandas as pd  # noqa: PLC0415

    frame["issues"] = issues
    again = frame["issues"].isna() & frame[frame["issues"].isna()]["product_id"].duplicated()
    frame.loc[again[again].index, "issues"] = "duplicate_in_batch"
    bad = frame["issues"].notna()
    texts = frame["price"].map("{:.2f}".format).mask(bad, None)
    stock = frame["stock"].mask(bad, None).astype("Int64")
    columns = [frame.index, frame["product_id"], frame["name"], texts, stock, frame["category"]]
    for row in zip(*columns, frame["issues"], strict=True):
        yield [None if value is pd.NA or value != value else value for value in row]  # noqa: PLR0124


def pandera(connection: "Connection") -> None:
    """A DataFrameSchema, all failures collected ("lazy")."""
    import pandera.pandas as pa  # noqa: PLC0415

    schema = pa.DataFrameSchema(
        {
            "product_id": pa.Column(str, pa.Check.str_length(1, 100)),
            "name": pa.Column(str, pa.Check.str_length(1, 500)),
            "price": pa.Column(float, pa.Check.in_range(0.01, 9_999_999_999.99)),
            "stock": pa.Column(float, pa.Check.in_range(0, 2**31 - 1)),
            "category": pa.Column(str, pa.Check.str_length(1, 100), nullable=True),
        }
    )

    def judged(raw: list[Any]) -> Iterator[Row]:
        frame, issues = as_frame(raw), None
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as error:
            cases = error.failure_cases.dropna(subset="index")
            codes = cases["column"] + "_" + cases["check"]
            issues = codes.groupby(cases["index"].astype(int)).agg(", ".join)
        return with_issues(frame, issues)

    in_one_go(connection, judged)


def great_expectations(connection: "Connection") -> None:
    """A suite of expectations, with the list of all unexpected rows."""
    import great_expectations as gx  # noqa: PLC0415
    import great_expectations.expectations as gxe  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    length, between = gxe.ExpectColumnValueLengthsToBeBetween, gxe.ExpectColumnValuesToBeBetween
    suite = gx.ExpectationSuite(
        name="products",
        expectations=[
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=name)
                for name in ("product_id", "name", "price", "stock")
            ),
            length(column="product_id", min_value=1, max_value=100),
            length(column="name", min_value=1, max_value=500),
            length(column="category", min_value=1, max_value=100),
            between(column="price", min_value=0.01, max_value=9_999_999_999.99),
            between(column="stock", min_value=0, max_value=2**31 - 1),
        ],
    )
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("products")
    whole = asset.add_batch_definition_whole_dataframe("batch")

    def judged(raw: list[Any]) -> Iterator[Row]:
        frame = as_frame(raw)
        complete = {"result_format": "COMPLETE", "include_unexpected_rows": False}
        found = whole.get_batch({"dataframe": frame}).validate(suite, result_format=complete)
        failures = [
            (raw_id, f"{result.expectation_config.kwargs['column']}_unexpected")
            for result in found.results
            for raw_id in result.result.get("unexpected_index_list") or ()
        ]
        cases = pd.DataFrame(failures, columns=["raw_id", "code"])
        return with_issues(frame, cases.groupby("raw_id")["code"].agg(", ".join))

    in_one_go(connection, judged)


# --- The naive way --------------------------------------------------------------------------------


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
        *fields, issues = judge(text)
        cursor.execute("SELECT FROM clean_products WHERE product_id = %s", [fields[0]])
        if issues is None and not cursor.rowcount:
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
                [raw_id, source, text, text, issues or "duplicate_in_batch"],
            )
        cursor.execute("UPDATE raw_products SET processed = true WHERE id = %s", [raw_id])


PEERS: dict[str, Any] = {peer.__name__: peer for peer in (pydantic, pandera, great_expectations)}


def main(name: str, login: str, rows: int) -> None:
    work = PEERS.get(name, lambda connection: naive(connection, rows))
    print(json.dumps({"contender": name} | measure(json.loads(login), rows, work)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
