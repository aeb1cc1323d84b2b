"""The batch as a pandas data frame, validated by pandera and by Great Expectations."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.benchmarks.batch.in_one_go import Row, as_array, in_one_go

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from psycopg2.extensions import connection as Connection

PRICE = r"\$?(\d+(?:,\d{3})*(?:\.\d+)?)"


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
    frame.loc[again[again].index, "issues"] = as_array(["duplicate_in_batch"])
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

    def verdicts(raw: list[Any]) -> Iterator[Row]:
        frame, issues = as_frame(raw), None
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as error:
            cases = error.failure_cases.dropna(subset="index")
            codes = cases["column"] + "_" + cases["check"]
            issues = codes.groupby(cases["index"].astype(int)).agg(as_array)
        return with_issues(frame, issues)

    in_one_go(connection, verdicts)


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

    def verdicts(raw: list[Any]) -> Iterator[Row]:
        frame = as_frame(raw)
        complete = {"result_format": "COMPLETE", "include_unexpected_rows": False}
        found = whole.get_batch({"dataframe": frame}).validate(suite, result_format=complete)
        failures = [
            (raw_id, f"{result.expectation_config.kwargs['column']}_unexpected")
            for result in found.results
            for raw_id in result.result.get("unexpected_index_list") or ()
        ]
        cases = pd.DataFrame(failures, columns=["raw_id", "code"])
        return with_issues(frame, cases.groupby("raw_id")["code"].agg(as_array))

    in_one_go(connection, verdicts)
