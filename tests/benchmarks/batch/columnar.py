"""The batch by Polars and by DuckDB: whole columns at a time; peers.py says what a peer does.

Each takes (raw id, text) and gives rows as in peers.VERDICTS, by the rules as far as the generated
products need them.
"""

import csv
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

Row = Sequence[object]
PRICE = r"^\$?([0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)$"

DUCKDB = rf"""
    COPY (
        SELECT raw_id, product_id, name, price, stock, category,
               CASE WHEN issues <> [] THEN '{{' || array_to_string(issues, ',') || '}}'
                    WHEN row_number() OVER same_product > 1 THEN '{{duplicate_in_batch}}' END
        FROM (
            SELECT *, list_filter([
                CASE WHEN length(product_id) BETWEEN 1 AND 100 THEN NULL ELSE 'product_id' END,
                CASE WHEN length(name) BETWEEN 1 AND 500 THEN NULL ELSE 'name' END,
                CASE WHEN price BETWEEN 0.01 AND 9999999999.99 THEN NULL ELSE 'price' END,
                CASE WHEN stock BETWEEN 0 AND 2147483647 THEN NULL ELSE 'stock' END
            ], lambda issue: issue IS NOT NULL) AS issues
            FROM (
                SELECT raw_id, trim(text ->> '$.product_id') AS product_id,
                       trim(text ->> '$.name') AS name, trim(text ->> '$.category') AS category,
                       try_cast(replace(regexp_extract(text ->> '$.price', '{PRICE}', 1), ',', '')
                                AS DECIMAL(14, 2)) AS price,
                       try_cast(text ->> '$.stock' AS BIGINT) AS stock
                FROM read_csv('SOURCE', header = false, names = ['raw_id', 'text'])
            ) AS fields
        ) AS checked
        WINDOW same_product AS (PARTITION BY issues = [], product_id ORDER BY raw_id)
    ) TO 'TARGET' (FORMAT csv, HEADER false)"""


def by_duckdb(raw: Iterable[Row]) -> Iterator[Row]:
    """One SQL statement from a CSV file to another one."""
    import duckdb  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "raw.csv", Path(folder) / "verdicts.csv"
        with source.open("w", newline="") as file:
            csv.writer(file).writerows(raw)
        duckdb.sql(DUCKDB.replace("SOURCE", str(source)).replace("TARGET", str(target)))
        with target.open(newline="") as file:
            yield from csv.reader(file)


def by_polars(raw: list[Any]) -> Iterator[Row]:
    """A data frame whose columns are expressions on the texts."""
    import polars as pl  # noqa: PLC0415

    def field(name: str) -> pl.Expr:
        return pl.col("text").str.json_path_match(f"$.{name}")

    def wrong(good: pl.Expr, code: str) -> pl.Expr:
        return pl.when(good.fill_null(False)).then(None).otherwise(pl.lit(code))

    price = field("price").str.extract(PRICE, 1).str.replace_all(",", "")
    length = {name: pl.col(name).str.len_chars() for name in ("product_id", "name")}
    wrongs = [
        wrong(length["product_id"].is_between(1, 100), "product_id"),
        wrong(length["name"].is_between(1, 500), "name"),
        wrong(pl.col("price").is_between(0.01, 9_999_999_999.99), "price"),
        wrong(pl.col("stock").is_between(0, 2**31 - 1), "stock"),
    ]
    again = pl.col("raw_id").rank("ordinal").over("issues", "product_id") > 1
    frame = (
        pl.DataFrame(raw, schema=["raw_id", "text"], orient="row")
        .lazy()
        .select(
            "raw_id",
            *(field(name).str.strip_chars().alias(name) for name in ("product_id", "name")),
            price.cast(pl.Float64, strict=False).alias("price"),
            field("stock").cast(pl.Int64, strict=False).alias("stock"),
            field("category").str.strip_chars().alias("category"),
        )
        .with_columns(pl.concat_str(wrongs, separator=",", ignore_nulls=True).alias("issues"))
        .with_columns(
            pl.when(pl.col("issues") != "")
            .then("{" + pl.col("issues") + "}")
            .when(again)
            .then(pl.lit("{duplicate_in_batch}"))
            .alias("issues"),
            pl.col("price").round(2),
        )
    )
    yield from frame.collect().iter_rows()
