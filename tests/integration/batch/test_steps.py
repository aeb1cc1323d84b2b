"""All steps of the batch pipeline on a real database; asserted on what ended up there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import batches, scraper, steps
from batch_pipeline.parameters import ParameterError
from batch_pipeline.record import LARGEST_RECORD
from batch_pipeline.rules import RULE_VERSION, Verdict, validate_record
from batch_pipeline.scraper import VENDORS, scrape
from tests.integration.batch.conftest import (
    ledger,
    places,
    product,
    rows,
    run_batch,
    validate_and_load,
)

NEWEST_VALID = """
    SELECT DISTINCT ON (product_id) raw_id FROM product_verdicts JOIN batches USING (batch_id)
    WHERE issues IS NULL
    ORDER BY product_id, product_date DESC, ingested_at DESC, batch_id DESC, source, raw_id"""
CLEAN = "SELECT product_id, price, batch_id FROM clean_products WHERE raw_id IS NOT NULL ORDER BY 1"


def scraped(seed: int = 1, count: int = 15) -> dict[str, list[str]]:
    return {vendor: list(scrape(vendor, count, seed)) for vendor in VENDORS}


# --- One run --------------------------------------------------------------------------------------


def test_a_run_accounts_for_each_of_its_45_rows_and_leaves_the_samples_alone(
    connection: Connection,
) -> None:
    run_batch(connection, "run", scraped())
    assert rows(connection, "SELECT count(*), count(*) FILTER (WHERE processed) FROM raw_products")[
        0
    ] == (49, 45)
    assert len(places(connection, "run")) == 45
    assert ledger(connection, "sample")[:4] == (4, 0, 0, 0)


def test_the_raw_zone_keeps_what_was_received(connection: Connection) -> None:
    json_of = {
        '{"a":  1}': {"a": 1},
        '{"🖱": 1}': {"🖱": 1},
        '{"nul": "\\u0000"}': None,
        '{"half": "\\ud83d"}': None,
        "<html>": None,
        "": None,
        "a\n\\.\r\nb": None,  # COPY's own end mark
        "[" * 9**5: None,
    }
    run_batch(connection, "run", {"vendor": json_of})
    kept = rows(
        connection,
        """SELECT raw_text, raw_data FROM raw_products
           WHERE batch_id = 'run' ORDER BY line_number""",
    )
    assert kept == list(json_of.items())


@pytest.mark.parametrize(
    ("record", "issue"),
    [
        (b'{"name": "a\x00b"}', "not_json"),
        (b'{"name": "\xff"}', "not_utf8"),
        (b'{"name": "\xed\xa0\xbd"}', "not_utf8"),  # half of a surrogate pair
        (b"\\\x00\t\n", "not_json"),
    ],
)
def test_what_text_cannot_hold_is_kept_byte_for_byte(
    connection: Connection, record: bytes, issue: str
) -> None:
    run_batch(connection, "run", {"vendor": [record]})
    for table in ("raw_products", "quarantine_products"):
        query = f"SELECT raw_bytes, raw_size, raw_data FROM {table} WHERE batch_id = 'run'"
        ((kept, *others),) = rows(connection, query)
        assert (bytes(kept), others) == (record, [None, None])
    assert places(connection, "run") == {"vendor/1": issue}


def test_text_that_is_no_json_is_never_a_clean_product(connection: Connection) -> None:
    run_batch(connection, "run", {"vendor": [product("A", more="\x00").replace("\\u0000", "\x00")]})
    assert places(connection, "run") == {"vendor/1": "not_json"}


def test_a_record_of_16_mib_is_quarantined_with_its_beginning_and_its_size(
    connection: Connection,
) -> None:
    huge = product("A", more="é" * 2**23)
    run_batch(connection, "run", {"vendor": [huge, product("B")], "other": [product("C")]})
    assert places(connection, "run") == {
        "vendor/1": "record_too_large",
        "vendor/2": "clean",
        "other/1": "clean",
    }
    ((kept, size),) = rows(connection, "SELECT raw_bytes, raw_size FROM quarantine_products")
    assert size == len(huge.encode())
    assert bytes(kept) == huge.encode()[: LARGEST_RECORD + 1]


def test_the_largest_record_is_a_product_as_any_other(connection: Connection) -> None:
    record = product("A", more="")
    record = product("A", more="x" * (LARGEST_RECORD - len(record)))
    run_batch(connection, "run", {"vendor": [record]})
    assert places(connection, "run") == {"vendor/1": "clean"}
    assert rows(connection, "SELECT raw_text FROM raw_products WHERE batch_id = 'run'") == [
        (record,)
    ]


def test_a_short_record_that_postgresql_would_write_out_long_has_no_raw_data(
    connection: Connection,
) -> None:
    bomb = product("A")[:-1] + ', "more": [' + ", ".join(["1e131071"] * 20_000) + "]}"
    run_batch(connection, "run", {"vendor": [bomb, product("B")]})
    assert places(connection, "run") == {"vendor/1": "clean", "vendor/2": "clean"}
    assert rows(connection, "SELECT line_number FROM raw_products WHERE raw_data IS NULL") == [(1,)]


def test_a_price_is_exact_and_a_quarantined_row_has_all_its_reasons_and_its_text(
    connection: Connection,
) -> None:
    bad = product("B", name=None, price="CALL")
    run_batch(connection, "run", {"vendor": [product("A", price="$1,299.10"), bad]})
    (clean,) = rows(connection, "SELECT price::text FROM clean_products WHERE product_id = 'A'")
    assert clean == ("1299.10",)
    assert rows(connection, "SELECT raw_text, issues, rule_version FROM quarantine_products") == [
        (bad, ["name_missing", "price_not_a_number"], RULE_VERSION)
    ]


def test_a_duplicate_inside_a_batch_is_quarantined_and_the_first_valid_row_stands(
    connection: Connection,
) -> None:
    lines = [product("A", price="CALL"), product("A"), product("A", price=6)]
    run_batch(connection, "run", {"vendor": lines})
    assert places(connection, "run") == {
        "vendor/1": "price_not_a_number",
        "vendor/2": "clean",
        "vendor/3": "duplicate_in_batch",
    }


def test_a_batch_without_rows_is_an_error_that_says_what_to_do(connection: Connection) -> None:
    with pytest.raises(batches.BatchError, match="extract_products"):
        steps.load_to_raw_zone(connection, "nonsense")


@pytest.mark.parametrize("batch_id", ["", "x" * 10_240, "a\x00b"])
@pytest.mark.parametrize(
    "step",
    [
        steps.load_to_raw_zone,
        lambda connection, batch_id: steps.land(connection, batch_id, "vendor", []),
    ],
)
def test_an_impossible_batch_id_is_refused_with_a_sentence(
    connection: Connection, step: Callable[[Connection, str], int], batch_id: str
) -> None:
    with pytest.raises(ParameterError, match=r"^batch id: .{,200}$"):
        step(connection, batch_id)


def test_the_raw_zone_has_the_order_of_the_lists_whichever_vendor_landed_first(
    connection: Connection,
) -> None:
    for vendor in ("zoo", "art"):
        steps.land(connection, "run", vendor, [product("A"), product("B")])
    steps.load_to_raw_zone(connection, "run")
    in_order = "SELECT source, line_number FROM raw_products WHERE batch_id = 'run' ORDER BY id"
    assert rows(connection, in_order) == [("art", 1), ("art", 2), ("zoo", 1), ("zoo", 2)]


# --- Again ----------------------------------------------------------------------------------------


def test_every_step_may_be_repeated(connection: Connection) -> None:
    first = run_batch(connection, "run", scraped())
    before = places(connection, "run"), rows(connection, CLEAN)
    assert run_batch(connection, "run", scraped(seed=2)) == first  # nothing is scraped twice
    assert (places(connection, "run"), rows(connection, CLEAN)) == before


def test_a_scrape_that_breaks_off_lands_nothing_and_can_be_repeated(connection: Connection) -> None:
    def breaks_off() -> Any:
        yield product("A")
        raise scraper.ScrapeError("timeout")

    with pytest.raises(scraper.ScrapeError):
        steps.land(connection, "run", "vendor", breaks_off())
    assert rows(connection, "SELECT count(*) FROM landing_products") == [(0,)]
    assert steps.land(connection, "run", "vendor", [product("A"), product("B")]) == 2


def test_a_vendor_that_is_missing_stands_in_the_report_until_it_has_landed(
    connection: Connection,
) -> None:
    steps.land(connection, "run", "tech_store", [product("A")])
    steps.load_to_raw_zone(connection, "run", ["tech_store", "home_goods"])
    assert "MISSING, could not be scraped: home_goods" in validate_and_load(connection, "run")
    missing = "SELECT missing_sources FROM batch_reports"
    assert rows(connection, missing) == [(["home_goods"],)]

    steps.land(connection, "run", "home_goods", [product("B")])
    steps.load_to_raw_zone(connection, "run", ["tech_store", "home_goods"])
    assert "MISSING" not in validate_and_load(connection, "run")
    assert rows(connection, missing) == [([],)]


def test_a_vendor_that_lands_between_the_steps_is_not_marked_without_a_verdict(
    connection: Connection,
) -> None:
    steps.land(connection, "run", "tech_store", [product("A")])
    steps.load_to_raw_zone(connection, "run")
    steps.validate(connection, "run")
    steps.land(connection, "run", "home_goods", [product("B")])
    steps.load_to_raw_zone(connection, "run")
    steps.load_to_clean_zone(connection, "run")
    steps.load_to_quarantine(connection, "run")
    with pytest.raises(batches.BatchError, match="does not add up"):
        steps.mark_processed(connection, "run")
    validate_and_load(connection, "run")
    assert ledger(connection, "run").adds_up


# --- Several batches ------------------------------------------------------------------------------


@pytest.mark.parametrize("loaded_first", ["older", "newer"])
def test_the_newer_row_stands_whichever_batch_finishes_first(
    connection: Connection, loaded_first: str
) -> None:
    for batch_id, price in (("older", 5), ("newer", 6)):
        steps.land(connection, batch_id, "vendor", [product("A", price=price)])
        steps.load_to_raw_zone(connection, batch_id)
    for batch_id in (loaded_first, "older", "newer"):
        validate_and_load(connection, batch_id)
    assert [(str(p), b) for _, p, b in rows(connection, CLEAN)] == [("6.00", "newer")]
    assert places(connection, "older") == {"vendor/1": "superseded"}


def test_batches_at_once_lose_and_double_nothing(
    connection: Connection, pipeline_db: dict[str, Any]
) -> None:
    batches = [f"run-{number}" for number in range(6)]

    def run(batch_id: str) -> None:
        own = psycopg2.connect(**pipeline_db)
        run_batch(own, batch_id, scraped(count=60))
        own.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(run, [*batches, *batches]))  # each twice, some at the same time
    for batch_id in batches:
        assert ledger(connection, batch_id).received == len(places(connection, batch_id)) == 180
    clean = rows(connection, "SELECT raw_id FROM clean_products WHERE raw_id IS NOT NULL")
    assert sorted(clean) == sorted(rows(connection, NEWEST_VALID))


# --- Rules change ---------------------------------------------------------------------------------


def test_a_new_rule_releases_and_withdraws_and_gives_its_version(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [product("A", price="CALL"), product("B", name="Mouse"), product("C", name="Cable")]
    run_batch(connection, "run", {"vendor": lines})
    change_rules(monkeypatch)
    validate_and_load(connection, "run")
    assert places(connection, "run") == {
        "vendor/1": "clean",
        "vendor/2": "no_mice",
        "vendor/3": "clean",
    }
    versions = rows(
        connection,
        """SELECT rule_version FROM clean_products WHERE batch_id = 'run'
           UNION SELECT rule_version FROM quarantine_products""",
    )
    assert versions == [(RULE_VERSION + 1,)]


def test_a_row_that_is_withdrawn_brings_back_the_one_it_had_superseded(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch_id, name in (("first", "Cable"), ("second", "Cable"), ("third", "Mouse")):
        run_batch(connection, batch_id, {"vendor": [product("B", name=name)]})
    change_rules(monkeypatch)
    validate_and_load(connection, "third")
    assert [batch for _, _, batch in rows(connection, CLEAN)] == ["second"]
    found = [places(connection, batch)["vendor/1"] for batch in ("first", "second", "third")]
    assert found == ["superseded", "clean", "no_mice"]


def test_rules_that_are_taken_back_give_the_old_outcome(connection: Connection) -> None:
    lines = [product("A", price="CALL"), product("B", name="Mouse"), product("C", name="Cable")]
    run_batch(connection, "run", {"vendor": lines})
    before = places(connection, "run"), rows(connection, CLEAN)
    with pytest.MonkeyPatch.context() as rules:
        change_rules(rules)
        validate_and_load(connection, "run")
        assert places(connection, "run") != before[0]
    validate_and_load(connection, "run")
    assert (places(connection, "run"), rows(connection, CLEAN)) == before


def test_a_row_that_is_released_does_not_push_a_newer_one_aside(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(connection, "older", {"vendor": [product("A", price="CALL")]})
    run_batch(connection, "newer", {"vendor": [product("A", name="Cable")]})
    change_rules(monkeypatch)
    validate_and_load(connection, "older")
    assert places(connection, "older") == {"vendor/1": "superseded"}
    assert places(connection, "newer") == {"vendor/1": "clean"}


def test_a_superseded_row_that_is_not_valid_any_more_goes_to_quarantine(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(connection, "older", {"vendor": [product("A", name="Mouse")]})
    run_batch(connection, "newer", {"vendor": [product("A", name="Cable")]})
    change_rules(monkeypatch)
    validate_and_load(connection, "older")
    assert places(connection, "older") == {"vendor/1": "no_mice"}
    assert places(connection, "newer") == {"vendor/1": "clean"}


def change_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules of another day, played by a stand-in: "CALL" is worth 1 dollar, mice are not sold."""

    def validate_otherwise(raw_text: str) -> Verdict:
        if '"Mouse"' in raw_text and "CALL" not in raw_text:
            return Verdict(issues=("no_mice",))
        return validate_record(raw_text.replace('"CALL"', "1"))

    monkeypatch.setattr("batch_pipeline.verdicts.validate_record", validate_otherwise)
    monkeypatch.setattr("batch_pipeline.verdicts.RULE_VERSION", RULE_VERSION + 1)
