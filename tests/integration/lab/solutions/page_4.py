"""Page 4 solved, and solved wrong: what a learner may do instead, and what is said of it."""

from batch_pipeline import scraper, steps
from tests.integration.batch.conftest import product
from tests.integration.lab.solutions.batch_learner import VENDORS, BatchLearner, Solutions, week

NEW_VENDOR = "book_shop"


def same_seed_twice(learner: BatchLearner) -> None:
    learner.run(7)
    learner.run(7)


def two_seeds(learner: BatchLearner) -> None:
    learner.run(7)
    learner.run(8)


def same_seed_other_vendors(learner: BatchLearner) -> None:
    learner.run(7)
    learner.run(7, vendors=VENDORS[:2])


def landed_without_a_run(learner: BatchLearner) -> None:
    for batch in ("by hand 1", "by hand 2"):
        steps.land(learner.connection, batch, VENDORS[0], scraper.scrape(VENDORS[0], 15, 7))
        learner.validate_and_load(batch)


def first_run_stopped_half_way(learner: BatchLearner) -> None:
    learner.land("manual__stopped", {v: scraper.scrape(v, 15, 7) for v in VENDORS})
    learner.run(7)


def a_row_brought_back_by_hand(learner: BatchLearner) -> None:
    same_seed_twice(learner)
    learner.execute(
        """UPDATE clean_products SET batch_id = 'manual__1' WHERE product_id = (
               SELECT min(product_id) FROM clean_products WHERE batch_id = 'manual__2')"""
    )


def second_run_stopped_half_way(learner: BatchLearner) -> None:
    learner.run(7)
    learner.land("manual__stopped", {v: scraper.scrape(v, 15, 7) for v in VENDORS})


def away_and_back(learner: BatchLearner) -> None:
    learner.run(8, vendors=VENDORS[1:], expected=VENDORS)
    learner.run(9)


def vendor_left_out(learner: BatchLearner) -> None:
    learner.run(8, vendors=VENDORS[1:])
    learner.run(9)


def away_without_report(learner: BatchLearner) -> None:
    learner.land("manual__away", {v: scraper.scrape(v, 15, 8) for v in VENDORS[1:]})
    learner.run(9)


def another_one_away(learner: BatchLearner) -> None:
    learner.run(8, vendors=VENDORS[1:], expected=VENDORS)
    learner.run(9, vendors=VENDORS[:2], expected=VENDORS)


def whole_before_not_after(learner: BatchLearner) -> None:
    learner.run(9)
    learner.run(8, vendors=VENDORS[1:], expected=VENDORS)


LATE = [product("LATE-1"), product("LATE-2"), "no JSON"]


def late_list(learner: BatchLearner, *lines: str) -> str:
    batch = learner.run(8, vendors=VENDORS[1:], expected=VENDORS)
    steps.land(learner.connection, batch, VENDORS[0], lines or LATE)
    return batch


def late_and_loaded(learner: BatchLearner) -> None:
    learner.validate_and_load(late_list(learner))


def late_in_a_batch_of_its_own(learner: BatchLearner) -> None:
    learner.run(8, vendors=VENDORS[1:], expected=VENDORS)
    learner.validate_and_load(learner.land("manual__late", {VENDORS[0]: LATE}))


def late_but_all_good(learner: BatchLearner) -> None:
    learner.validate_and_load(late_list(learner, product("LATE-1")))


def late_and_left_in_the_landing_table(learner: BatchLearner) -> None:
    late_list(learner)


def late_but_another_is_missing(learner: BatchLearner) -> None:
    batch = learner.run(8, vendors=VENDORS[2:], expected=VENDORS)
    steps.land(learner.connection, batch, VENDORS[0], LATE)
    learner.validate_and_load(batch)


def late_without_a_new_report(learner: BatchLearner) -> None:
    batch = late_list(learner)
    for step in steps.AFTER_LANDING:
        step(learner.connection, batch)


def cleared(learner: BatchLearner) -> None:
    learner.validate_and_load(learner.run(3))


def only_validated_again(learner: BatchLearner) -> None:
    steps.validate(learner.connection, learner.run(3))


def late_rows_of_a_superseded_run(learner: BatchLearner) -> None:
    batch = late_list(learner)
    learner.run(8)
    learner.validate_and_load(batch)


def triggered_again(learner: BatchLearner) -> None:
    learner.run(3)
    learner.run(3)


def put_in_by_hand(learner: BatchLearner) -> None:
    batch = learner.run(3)
    learner.execute("DELETE FROM clean_products WHERE batch_id = %s", batch)
    learner.execute(
        """INSERT INTO clean_products (product_id, name, price, stock, source, category, batch_id,
                                       raw_id, ingestion_time, rule_version)
           SELECT product_id, name, price, stock, source, category, batch_id, raw_id,
                  ingestion_time, rule_version
           FROM product_verdicts AS v WHERE batch_id = %s AND issues IS NULL
             AND raw_id = (SELECT max(raw_id) FROM product_verdicts AS w
                           WHERE w.product_id = v.product_id)
           LIMIT 5""",
        batch,
    )


def cleared_and_triggered_again(learner: BatchLearner) -> None:
    first = learner.run(3, day=week()[-1])
    again = learner.run(3)
    for batch in (first, again):
        learner.validate_and_load(batch)


def a_week(learner: BatchLearner) -> None:
    for day in week():
        learner.run(1, count=3, run_id=f"backfill__{day}T02:00:00+00:00", day=day)


def seven_runs_of_today(learner: BatchLearner) -> None:
    for _ in range(7):
        learner.run(1, count=3)


def a_week_with_a_gap(learner: BatchLearner) -> None:
    for day in [*week(8)[:4], *week()[4:]]:
        learner.run(1, count=3, run_id=f"backfill__{day}T02:00:00+00:00", day=day)


def a_week_with_a_run_that_stopped(learner: BatchLearner) -> None:
    a_week(learner)
    learner.execute("DELETE FROM batch_reports WHERE batch_id LIKE %s", f"backfill__{week()[3]}%")


def with_a_fourth(
    learner: BatchLearner, prefix: str = "BOOK", run_id: str = "manual__four"
) -> None:
    records = {vendor: list(scraper.scrape(vendor, 15, 1)) for vendor in VENDORS}
    records[NEW_VENDOR] = [product(f"{prefix}-{n:03d}") for n in range(15)]
    batch = learner.land(run_id, records, expected=records)
    learner.validate_and_load(batch)


def fourth_alone(learner: BatchLearner) -> None:
    learner.run(1)
    learner.validate_and_load(
        learner.land("manual__4", {NEW_VENDOR: [product("BOOK-1")]}, expected=())
    )


def fourth_with_the_ids_of_another(learner: BatchLearner) -> None:
    with_a_fourth(learner, "TECH")


def fourth_renamed(learner: BatchLearner) -> None:
    records = {vendor: scraper.scrape(vendor, 15, 1) for vendor in VENDORS[:2]}
    records[NEW_VENDOR] = scraper.scrape(VENDORS[2], 15, 1)
    learner.validate_and_load(learner.land("manual__1", records, expected=records))


SPEED = """
    SELECT batch_id, received, round(extract(epoch FROM reported_at - {begin}), 1) AS seconds
    FROM batch_reports JOIN batches USING (batch_id) WHERE run_started_at IS NOT NULL"""


def small_and_large(learner: BatchLearner, large: int = 1000) -> None:
    learner.run(9)
    learner.run(9, count=large)


def speed(learner: BatchLearner, query: str = SPEED.format(begin="run_started_at")) -> None:
    small_and_large(learner)
    learner.execute(f"CREATE VIEW lab.batch_speed AS {query}")


def speed_without_a_large_run(learner: BatchLearner) -> None:
    small_and_large(learner, large=20)
    learner.execute(f"CREATE VIEW lab.batch_speed AS {SPEED.format(begin='run_started_at')}")


def speed_since_midnight(learner: BatchLearner) -> None:
    speed(learner, SPEED.format(begin="date_trunc('day', run_started_at)"))


def speed_of_the_large_run_only(learner: BatchLearner) -> None:
    speed(learner, f"{SPEED.format(begin='run_started_at')} AND received > 100")


def speed_copied(learner: BatchLearner) -> None:
    small_and_large(learner)
    learner.execute(f"CREATE TABLE lab.batch_speed AS {SPEED.format(begin='run_started_at')}")


SOLUTIONS = {
    "same_seed": Solutions(
        same_seed_twice,
        {
            landed_without_a_run: "No run of the DAG",
            two_seeds: "No two runs",
            same_seed_other_vendors: "No two runs",
            first_run_stopped_half_way: "has not come to its end",
            a_row_brought_back_by_hand: "has rows of the older one",
            second_run_stopped_half_way: "has not come to its end",
        },
    ),
    "vendor_away": Solutions(
        away_and_back,
        {
            vendor_left_out: "each vendor that was asked for",
            away_without_report: "does not say so",
            another_one_away: "No run after that one",
            whole_before_not_after: "No run after that one",
        },
    ),
    "late_vendor": Solutions(
        late_and_loaded,
        {
            late_in_a_batch_of_its_own: "No vendor has landed",
            late_but_all_good: "quarantined row",
            late_and_left_in_the_landing_table: "quarantined row",
            late_but_another_is_missing: "still misses a vendor",
            late_without_a_new_report: "still misses a vendor",
        },
    ),
    "loaded_again": Solutions(
        cleared,
        {
            only_validated_again: "In no run",
            late_rows_of_a_superseded_run: "In no run",
            triggered_again: "In no run",
            put_in_by_hand: "does not add up",
            cleared_and_triggered_again: "another run holds the same",
        },
    ),
    "backfill": Solutions(
        a_week,
        {
            seven_runs_of_today: "no batch of a backfill",
            a_week_with_a_run_that_stopped: "has no report",
            a_week_with_a_gap: "not seven in a row",
        },
    ),
    "fourth_vendor": Solutions(
        with_a_fourth,
        {
            fourth_alone: "together with the other three",
            fourth_renamed: "together with the other three",
            fourth_with_the_ids_of_another: "that another vendor has",
        },
    ),
    "batch_speed": Solutions(
        speed,
        {
            small_and_large: "no table or view",
            speed_without_a_large_run: "not both a run",
            speed_of_the_large_run_only: "not what the database holds",
            speed_since_midnight: "not what the database holds",
            speed_copied: "does not follow",
        },
    ),
}
