"""All steps of the batch pipeline on a real database; asserted on what ended up there."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import scraper, steps
from batch_pipeline.scraper import VENDORS, scrape
from batch_pipeline.validator import Verdict, judge
from tests.batch.conftest import judge_and_load, ledger, places, rows, run_batch

NEWEST_VALID = """
    SELECT max(raw_id) FROM product_verdicts WHERE issues IS NULL GROUP BY product_id ORDER BY 1"""
CLEAN = "SELECT product_id, price, batch_id FROM clean_products WHERE raw_id IS NOT NULL ORDER BY 1"


def product(product_id: str, **fields: object) -> str:
    """A record in good order, but for `fields`."""
    return json.dumps({"product_id": product_id, "name": "Mouse", "price": 5, "stock": 1} | fields)


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
    assert ledger(connection, "sample") == (4, 0, 0, 0)


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


def test_text_that_postgresql_cannot_hold_is_kept_as_its_json_escape(
    connection: Connection,
) -> None:
    run_batch(connection, "run", {"vendor": ['{"name": "a\x00b\ud83d"}']})
    query = "SELECT raw_text, raw_data, issues FROM quarantine_products"
    assert rows(connection, query)[0][:2] == ('{"name": "a\\u0000b\\ud83d"}', None)


def test_a_price_is_exact_and_a_quarantined_row_has_all_its_reasons_and_its_text(
    connection: Connection,
) -> None:
    bad = product("B", name=None, price="CALL")
    run_batch(connection, "run", {"vendor": [product("A", price="$1,299.10"), bad]})
    (clean,) = rows(connection, "SELECT price::text FROM clean_products WHERE product_id = 'A'")
    assert clean == ("1299.10",)
    assert rows(connection, "SELECT raw_text, issues, rule_version FROM quarantine_products") == [
        (bad, "name_missing, price_not_a_number", 1)
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
    with pytest.raises(steps.BatchError, match="extract_products"):
        steps.load_to_raw_zone(connection, "nonsense")


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
        raise scraper.ScrapeError("time-out")

    with pytest.raises(scraper.ScrapeError):
        steps.land(connection, "run", "vendor", breaks_off())
    assert rows(connection, "SELECT count(*) FROM landing_products") == [(0,)]
    assert steps.land(connection, "run", "vendor", [product("A"), product("B")]) == 2


def test_a_vendor_that_is_missing_stands_in_the_report_until_it_has_landed(
    connection: Connection,
) -> None:
    steps.land(connection, "run", "tech_store", [product("A")])
    steps.load_to_raw_zone(connection, "run", ["tech_store", "home_goods"])
    assert "MISSING, could not be scraped: home_goods" in judge_and_load(connection, "run")
    missing = "SELECT missing_sources FROM batch_reports"
    assert rows(connection, missing) == [(["home_goods"],)]

    steps.land(connection, "run", "home_goods", [product("B")])
    steps.load_to_raw_zone(connection, "run", ["tech_store", "home_goods"])
    assert "MISSING" not in judge_and_load(connection, "run")
    assert rows(connection, missing) == [([],)]


def test_a_vendor_that_lands_between_the_steps_is_not_marked_unjudged(
    connection: Connection,
) -> None:
    steps.land(connection, "run", "tech_store", [product("A")])
    steps.load_to_raw_zone(connection, "run")
    steps.validate(connection, "run")
    steps.land(connection, "run", "home_goods", [product("B")])
    steps.load_to_raw_zone(connection, "run")
    steps.load_to_clean_zone(connection, "run")
    steps.load_to_quarantine(connection, "run")
    with pytest.raises(steps.BatchError, match="does not add up"):
        steps.mark_processed(connection, "run")
    judge_and_load(connection, "run")
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
        judge_and_load(connection, batch_id)
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
    newest = """SELECT product_id FROM product_verdicts v WHERE issues IS NULL AND NOT EXISTS (
        SELECT FROM clean_products c WHERE c.product_id = v.product_id
        AND (c.ingestion_time, c.raw_id) >= (v.ingestion_time, v.raw_id))"""
    assert rows(connection, newest) == []


# --- Rules change ---------------------------------------------------------------------------------


def test_a_new_rule_releases_and_withdraws_and_gives_its_version(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [product("A", price="CALL"), product("B", name="Mouse"), product("C", name="Cable")]
    run_batch(connection, "run", {"vendor": lines})
    change_rules(monkeypatch)
    judge_and_load(connection, "run")
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
    assert versions == [(2,)]


def test_a_row_that_is_withdrawn_brings_back_the_one_it_had_superseded(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch_id, name in (("first", "Cable"), ("second", "Cable"), ("third", "Mouse")):
        run_batch(connection, batch_id, {"vendor": [product("B", name=name)]})
    change_rules(monkeypatch)
    judge_and_load(connection, "third")
    assert [batch for _, _, batch in rows(connection, CLEAN)] == ["second"]
    found = [places(connection, batch)["vendor/1"] for batch in ("first", "second", "third")]
    assert found == ["superseded", "clean", "no_mice"]


def test_rules_that_are_taken_back_give_the_old_outcome(connection: Connection) -> None:
    lines = [product("A", price="CALL"), product("B", name="Mouse"), product("C", name="Cable")]
    run_batch(connection, "run", {"vendor": lines})
    before = places(connection, "run"), rows(connection, CLEAN)
    with pytest.MonkeyPatch.context() as rules:
        change_rules(rules)
        judge_and_load(connection, "run")
        assert places(connection, "run") != before[0]
    judge_and_load(connection, "run")
    assert (places(connection, "run"), rows(connection, CLEAN)) == before


def test_a_row_that_is_released_does_not_push_a_newer_one_aside(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(connection, "older", {"vendor": [product("A", price="CALL")]})
    run_batch(connection, "newer", {"vendor": [product("A", name="Cable")]})
    change_rules(monkeypatch)
    judge_and_load(connection, "older")
    assert places(connection, "older") == {"vendor/1": "superseded"}
    assert places(connection, "newer") == {"vendor/1": "clean"}


def test_a_superseded_row_that_is_not_valid_any_more_goes_to_quarantine(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(connection, "older", {"vendor": [product("A", name="Mouse")]})
    run_batch(connection, "newer", {"vendor": [product("A", name="Cable")]})
    change_rules(monkeypatch)
    judge_and_load(connection, "older")
    assert places(connection, "older") == {"vendor/1": "no_mice"}
    assert places(connection, "newer") == {"vendor/1": "clean"}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_judged_again_in_whatever_order_the_newest_valid_row_stands(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    batches = [f"batch-{number}" for number in range(5)]
    for batch_id in batches:
        ids = chance.choices("ABCDEF", k=5)
        lines = [product(one, name=chance.choice(["Mouse", "Cable"])) for one in ids]
        steps.land(connection, batch_id, "vendor", lines)
        steps.load_to_raw_zone(connection, batch_id)
    for _ in range(20):
        with monkeypatch.context() as rules:
            if chance.random() < 0.5:
                change_rules(rules)
            judge_and_load(connection, chance.choice(batches))
        newest = rows(connection, NEWEST_VALID)
        assert (
            rows(connection, "SELECT raw_id FROM clean_products WHERE raw_id > 0 ORDER BY 1")
            == newest
        )
        valid = "SELECT raw_id FROM product_verdicts WHERE issues IS NULL"
        kept = "SELECT raw_id FROM superseded_products UNION ALL SELECT raw_id FROM clean_products"
        both = f"SELECT raw_id FROM ({kept}) AS kept WHERE raw_id > 0 ORDER BY 1"
        assert rows(connection, both) == rows(connection, f"{valid} ORDER BY 1")


def change_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules of another day, played by a stand-in: "CALL" is worth 1 dollar, mice are not sold."""

    def judge_otherwise(raw_text: str) -> Verdict:
        if '"Mouse"' in raw_text and "CALL" not in raw_text:
            return Verdict(issues="no_mice")
        return judge(raw_text.replace('"CALL"', "1"))

    monkeypatch.setattr("batch_pipeline.steps.judge", judge_otherwise)
    monkeypatch.setattr("batch_pipeline.steps.RULE_VERSION", 2)
