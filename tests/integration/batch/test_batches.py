"""Which batch is newer, which rows belong to which batch, and whether each row is in one zone."""

from datetime import date, datetime, timedelta, timezone

import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import batches, report, steps
from batch_pipeline.rules import Verdict
from tests.integration.batch.conftest import (
    ledger,
    places,
    product,
    rows,
    run_batch,
    validate_and_load,
)

TODAY = date(2026, 11, 27)
STARTED = datetime(2026, 11, 27, 2, tzinfo=timezone.utc)
STANDING = "SELECT product_id, source, batch_id FROM clean_products WHERE raw_id > 0 ORDER BY 1"


def execute(connection: Connection, sql: str) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)


# --- Newest ---------------------------------------------------------------------------------------


def test_a_backfill_of_past_days_does_not_overtake_newer_rows(connection: Connection) -> None:
    for batch_id, day in (("today", TODAY), ("backfill", TODAY - timedelta(days=9))):
        batches.batch_of_run(connection, batch_id, day)
        run_batch(connection, batch_id, {"vendor": [product("A")]})
    assert rows(connection, STANDING) == [("A", "vendor", "today")]
    assert places(connection, "backfill") == {"vendor/1": "superseded"}


def test_a_row_that_is_withdrawn_brings_back_the_one_of_the_newest_day(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch_id, age in (("today", 0), ("yesterday", 1), ("long ago", 9)):
        batches.batch_of_run(connection, batch_id, TODAY - timedelta(days=age))
        run_batch(connection, batch_id, {"vendor": [product("A")]})
    no_longer = Verdict(issues=("no_mice",))
    monkeypatch.setattr("batch_pipeline.verdicts.validate_record", lambda _: no_longer)
    validate_and_load(connection, "today")
    assert rows(connection, STANDING) == [("A", "vendor", "yesterday")]


def test_of_two_batches_of_one_day_the_one_ingested_later_is_newer(connection: Connection) -> None:
    for batch_id in ("zzz", "aaa"):
        batches.batch_of_run(connection, batch_id, TODAY)
    for batch_id in ("aaa", "zzz"):  # whichever is loaded first
        run_batch(connection, batch_id, {"vendor": [product("A")]})
    assert rows(connection, STANDING) == [("A", "vendor", "aaa")]


@pytest.mark.parametrize("landed", [("art", "zoo"), ("zoo", "art")])
def test_the_same_product_from_two_vendors_does_not_depend_on_who_landed_first(
    connection: Connection, landed: tuple[str, str]
) -> None:
    for vendor in landed:
        steps.land(connection, "run", vendor, [product("A")])
        steps.load_to_raw_zone(connection, "run")
    validate_and_load(connection, "run")
    assert places(connection, "run") == {"art/1": "clean", "zoo/1": "duplicate_in_batch"}


def test_a_vendor_that_recovers_after_a_later_run_does_not_make_its_batch_newer(
    connection: Connection,
) -> None:
    run_batch(connection, "first", {"zoo": [product("A")]})
    run_batch(connection, "second", {"zoo": [product("A")]})
    run_batch(connection, "first", {"art": [product("A")]})
    assert rows(connection, STANDING) == [("A", "zoo", "second")]
    assert places(connection, "first") == {"art/1": "superseded", "zoo/1": "duplicate_in_batch"}


# --- A run id that is used again ------------------------------------------------------------------


def test_a_run_that_was_cleared_or_asks_again_keeps_its_batch(connection: Connection) -> None:
    later = STARTED + timedelta(hours=1)
    first = batches.batch_of_run(connection, "run", TODAY, run_started_at=STARTED)
    again = batches.batch_of_run(connection, "run", TODAY, run_started_at=STARTED)
    cleared = batches.batch_of_run(connection, "run", TODAY, run_started_at=later, cleared=True)
    assert {first, again, cleared} == {"run"}


def test_a_new_run_with_the_id_of_a_deleted_one_gets_a_batch_of_its_own(
    connection: Connection,
) -> None:
    found = []
    for hour, vendor in ((0, "art"), (1, "zoo"), (1, "art")):
        started = STARTED + timedelta(hours=hour)
        batch_id = batches.batch_of_run(connection, "run", TODAY, run_started_at=started)
        run_batch(connection, batch_id, {vendor: [product(f"{vendor}-{hour}")]})
        found.append(batch_id)
    assert found == ["run", "run#2", "run#2"]
    assert places(connection, "run") == {"art/1": "clean"}
    assert places(connection, "run#2") == {"art/1": "clean", "zoo/1": "clean"}


def test_a_run_that_is_cleared_before_it_has_a_batch_takes_none_of_a_deleted_run(
    connection: Connection,
) -> None:
    old = batches.batch_of_run(connection, "run", TODAY, due_at=STARTED, run_started_at=STARTED)
    run_batch(connection, old, {"art": [product("A")]})
    new = []
    for hour in (2, 3):
        due, started = STARTED + timedelta(hours=1), STARTED + timedelta(hours=hour)
        new.append(
            batches.batch_of_run(
                connection, "run", TODAY, due_at=due, run_started_at=started, cleared=True
            )
        )
    assert new == ["run#2", "run#2"]
    run_batch(connection, new[0], {"art": [product("A")], "zoo": [product("B")]})
    assert places(connection, "run") == {"art/1": "superseded"}
    assert places(connection, "run#2") == {"art/1": "clean", "zoo/1": "clean"}


# --- A vendor with nothing to sell ----------------------------------------------------------------


def test_a_vendor_with_no_rows_stays_in_the_report(connection: Connection) -> None:
    printed = run_batch(connection, "run", {"art": [product("A")], "zoo": []})
    (line,) = [line for line in printed.splitlines() if line.startswith("| zoo")]
    assert line.split("|")[2:5] == [cell for cell in line.split("|")[2:5] if cell.strip() == "0"]


def test_a_vendor_with_no_rows_may_land_some_later(connection: Connection) -> None:
    run_batch(connection, "run", {"art": [product("A")], "zoo": []})
    run_batch(connection, "run", {"zoo": [product("B")]})
    assert places(connection, "run") == {"art/1": "clean", "zoo/1": "clean"}


# --- Each row in one place ------------------------------------------------------------------------


def test_a_row_in_two_zones_and_one_in_none_do_not_add_up_and_are_named(
    connection: Connection,
) -> None:
    run_batch(connection, "run", {"vendor": [product("A"), product("B"), product("C", price=0)]})
    numbers = "SELECT id FROM raw_products WHERE batch_id = 'run' ORDER BY line_number"
    (first,), (second,), _ = rows(connection, numbers)
    execute(connection, "DELETE FROM clean_products WHERE product_id = 'B'")
    execute(
        connection,
        f"""INSERT INTO superseded_products
                (raw_id, product_id, name, price, stock, source, batch_id, ingestion_time,
                 rule_version)
            SELECT raw_id, product_id, name, price, stock, source, batch_id, ingestion_time,
                   rule_version
            FROM clean_products WHERE raw_id = {first}""",
    )
    assert ledger(connection, "run")[:4] == (3, 1, 1, 1)  # the counts are right
    with pytest.raises(batches.BatchError) as error:
        steps.mark_processed(connection, "run")
    assert f"row {first} is in clean_products and superseded_products" in str(error.value)
    assert f"row {second} is in no zone" in str(error.value)
    assert "DOES NOT ADD UP" in report.generate_report(connection, "run")
