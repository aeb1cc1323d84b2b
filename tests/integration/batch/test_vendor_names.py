"""A vendor's name is untrusted text: it reaches SQL, COPY and the report as a value."""

import pytest
from psycopg2.extensions import connection as Connection

from tests.integration.batch.conftest import ledger, rows, run_batch

PRODUCT = '{"product_id": "A", "name": "Thing", "price": 1, "stock": 1, "category": "red"}'


@pytest.mark.parametrize(
    "vendor",
    [
        "'; DROP TABLE raw_products; --",
        "%s %(batch_id)s {0}",
        "tab\tline\nback\\slash\\N",
        "a\"b'c$1",
    ],
)
def test_a_vendor_s_name_is_stored_as_it_is(connection: Connection, vendor: str) -> None:
    run_batch(connection, "odd", {vendor: [PRODUCT, "rubbish"]})
    assert rows(connection, "SELECT DISTINCT source FROM raw_products WHERE batch_id = 'odd'") == [
        (vendor,)
    ]
    assert ledger(connection, "odd").adds_up


def test_the_report_shows_a_vendor_s_control_characters_escaped(connection: Connection) -> None:
    assert "\x1b" not in run_batch(connection, "odd", {"shop\x1b]0;title\x07": [PRODUCT]})
