"""Whatever a vendor sends: no step fails, and each row is found again in exactly one place."""

import itertools
import json
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection

from batch_pipeline.rules import DUPLICATE_IN_BATCH, validate_record
from tests.integration.batch.conftest import ledger, places, rows, run_batch

# Texts that include the characters that often break databases and parsers.
text = st.text(st.characters() | st.sampled_from("\x00\ud800\\\"'\t\n,$€٣🖱"), max_size=30)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(text, inner))
plausible = {
    "product_id": st.sampled_from(["A", "B", " A "]) | anything,
    "name": text | anything,
    "price": st.decimals(-10, 10**11, places=2).map(str) | st.just("$1,299.00") | anything,
    "stock": st.integers(-5, 2**31) | anything,
    "category": text | anything,
}
records = (
    st.fixed_dictionaries({}, optional=plausible).map(json.dumps)
    | st.fixed_dictionaries(plausible).map(lambda record: json.dumps(record, ensure_ascii=False))
    | anything.map(json.dumps)
    | text
    | st.sampled_from(["", "\\.", "\n\\.\n", '"', '"\n"', ",", "\r", "\r\n", "\\N", "NULL"])
)
VERDICTS = """
    SELECT raw_text, raw_bytes, product_id, name, price, stock, category, issues
    FROM raw_products AS raw JOIN product_verdicts ON raw_id = raw.id
    WHERE raw.batch_id = %(batch_id)s ORDER BY line_number"""
batch_numbers = itertools.count()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(records | st.binary(max_size=30), min_size=1, max_size=20))
def test_any_rows_go_through_and_each_ends_in_one_place(
    connection: Connection, lines: list[str | bytes]
) -> None:
    batch_id = f"batch\\t {next(batch_numbers)}"
    run_batch(connection, batch_id, {"vendor\\\n": lines})
    assert ledger(connection, batch_id).adds_up
    assert len(places(connection, batch_id)) == len(lines)
    for line, (raw_text, raw_bytes, *fields, issues) in zip(
        lines, rows(connection, VERDICTS, batch_id), strict=True
    ):
        kept = raw_text.encode() if raw_bytes is None else bytes(raw_bytes)
        assert kept == as_bytes(line)
        expected = validate_record(line)
        assert tuple(fields) == expected[:-1]
        assert issues in (
            list(expected.issues) or None,
            list(expected.issues) or [DUPLICATE_IN_BATCH],
        )


def as_bytes(record: str | bytes) -> bytes:
    return record.encode(errors="surrogatepass") if isinstance(record, str) else record


@settings(max_examples=300, deadline=None)
@given(records)
def test_a_text_gets_the_verdict_of_its_bytes(line: str) -> None:
    assert validate_record(line) == validate_record(as_bytes(line))


@settings(max_examples=300, deadline=None)
@given(records)
def test_a_verdict_is_either_a_whole_product_or_reasons(line: str) -> None:
    verdict = validate_record(line)
    if verdict.issues:
        assert verdict[:-1] == (None,) * 5
    else:
        assert verdict.product_id
        assert verdict.name
        assert verdict.price is not None
        assert verdict.price >= Decimal("0.01")
        assert verdict.price.as_tuple().exponent == -2
        assert verdict.stock is not None
        assert verdict.stock >= 0
