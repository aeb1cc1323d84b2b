"""Exercises of course page 4: batch."""

from lab.exercises.exercise import Exercise, Lab, expect, expect_view, rows
from lab.exercises.facts import by_facts
from pipeline_common.sql_files import read_sql

PAGE = "4-batch"
SMALL, LARGE = 100, 3000  # products of a run

#: Two runs hold the same records; all valid rows of the older one are superseded.
grade_same_seed = by_facts(
    "pipeline_db",
    "same_seed",
    "No run of the DAG has raw rows.",
    "No two runs hold the same records.",
    "Two runs hold the same records, but the clean zone has rows of the older one, or one "
    "of them has not come to its end.",
)

#: A run went on without a vendor and said so; a later one is whole again.
grade_vendor_away = by_facts(
    "pipeline_db",
    "vendor_away",
    "In every run each vendor that was asked for has answered.",
    "A vendor is missing in a run, but that run's report does not say so yet.",
    "No run after that one has the vendor, and all others, again.",
)

#: What a vendor sent after the report is in the zones of the same batch.
grade_late_vendor = by_facts(
    "pipeline_db",
    "late_vendor",
    "No vendor has landed after the report of its batch.",
    "A vendor has landed late, but its batch does not have both a clean row and a "
    "quarantined row of it.",
    "The late rows are loaded, but the batch's report still misses a vendor.",
)

#: The clean rows of a run are newer than its report, and each row is in one zone.
grade_loaded_again = by_facts(
    "pipeline_db",
    "loaded_again",
    "No run has a report.",
    "In no run all clean rows were loaded after the run's first report.",
    "Rows were loaded again, but the batch does not add up, or another run holds the same records.",
)

#: Seven days in a row were backfilled, each to its end.
grade_backfill = by_facts(
    "pipeline_db",
    "backfill",
    "There is no batch of a backfill.",
    "A run of the backfill has no report, or its report misses a vendor.",
    "The days that were backfilled are not seven in a row.",
)

#: A run has four vendors, and the new one's products are its own.
grade_fourth_vendor = by_facts(
    "pipeline_db",
    "fourth_vendor",
    "No vendor has landed but the three that there were.",
    "The new vendor is not in a finished run together with the other three.",
    "The new vendor has no clean product, or a product id that another vendor has, too.",
)


def grade_batch_speed(lab: Lab) -> None:
    """A small and a large run were made; the view says how long each took."""
    truth = read_sql("lab/batch_speed")
    with lab.looking("pipeline_db") as cursor:
        received = [batch[1] for batch in rows(cursor, truth)]
    expect(
        received and min(received) <= SMALL and max(received) >= LARGE,
        f"There is not both a run of at most {SMALL} products and one of {LARGE} or more.",
    )
    later = "UPDATE batch_reports SET reported_at = reported_at + INTERVAL '5 seconds'"
    expect_view(lab, "pipeline_db", "lab.batch_speed", truth, later)


EXERCISES = [
    Exercise(
        "same_seed",
        PAGE,
        "see",
        "Run the DAG twice with the same seed, such as `seed=7`, and wait until both runs have "
        "ended. Before you look: which zone holds the valid rows of the first run now, and which "
        "those of the second? (The check looks only at the zones.)",
        "The same products of a newer batch supersede the older ones: nothing is twice in the "
        "clean zone, and nothing is deleted.",
        (
            "Each run is a batch of its own, with its own raw rows.",
            "Wait for the end of both runs: SELECT batch_id, received FROM batch_reports.",
            "python python_scripts/run_dag.py seed=7, and the same once more.",
        ),
        grade_same_seed,
    ),
    Exercise(
        "vendor_away",
        PAGE,
        "break",
        "Make a run in which one vendor does not answer, and then one in which it does.",
        "A vendor that fails is retried and then left out; the report says so, and the next run "
        "asks every vendor again.",
        (
            "A parameter of the DAG simulates a vendor whose site does not answer.",
            "A vendor that the run does not ask for is not missing: leave `vendors` as it is.",
            "python python_scripts/run_dag.py seed=8 broken_vendor=home_goods, then the same "
            "without broken_vendor.",
        ),
        grade_vendor_away,
    ),
    Exercise(
        "late_vendor",
        PAGE,
        "change",
        "The vendor of exercise 24 that did not answer sends its list by mail: some valid lines of "
        "JSON, and one that is not JSON. Write such a file, land it for the batch that lacks it, "
        "and load that batch again. (To land records, `extract_products` calls `steps.land`.)",
        "A batch may be completed later: each step takes what is there and replaces what an "
        "earlier attempt did.",
        (
            "steps.land takes a connection, the batch id, the vendor and the lines.",
            "After landing, run the steps from load_to_raw_zone on: clear that task with those "
            "downstream of it, or re-validate the batch.",
            'python -c "from batch_pipeline import database, steps; from pipeline_common.settings '
            "import Settings; steps.land(database.connect(Settings().postgres), 'BATCH', "
            "'home_goods', open('list.jsonl'))\", then python batch_pipeline/reprocess.py BATCH.",
        ),
        grade_late_vendor,
    ),
    Exercise(
        "loaded_again",
        PAGE,
        "break",
        "In a finished run, clear `load_to_clean_zone` and the tasks downstream of it. Is any "
        "product doubled afterwards? (Choose the newest run, or one of which no product was "
        "superseded.)",
        "A task that runs again replaces what it did before: it is idempotent.",
        (
            "On Airflow's pages, open the run, then the task, and clear it with Downstream.",
            "Triggering the DAG is not the same: that makes another batch.",
            'make airflow ARGS="tasks clear product_batch_pipeline --task-regex '
            'load_to_clean_zone --downstream --yes" clears it in every run.',
        ),
        grade_loaded_again,
    ),
    Exercise(
        "backfill",
        PAGE,
        "change",
        "Backfill the last seven days, so that each has a batch with its own day of products.",
        "A backfill makes a run for each data interval; the day of products decides which row is "
        "newer, not the hour at which it was scraped.",
        (
            "A run that you trigger by hand has the products of today.",
            "airflow backfill create makes the runs; they begin once the DAG is unpaused.",
            'make airflow ARGS="backfill create --dag-id product_batch_pipeline --from-date DAY '
            '--to-date DAY", with days as 2026-11-20. They mean midnight: the night of the second '
            "day is not among them, so give today.",
        ),
        grade_backfill,
    ),
    Exercise(
        "fourth_vendor",
        PAGE,
        "change",
        "Add a fourth vendor to `batch_pipeline/scraper.py`, and make a run with all four. Once "
        "the check says that it is done, restore the file: `git checkout "
        "batch_pipeline/scraper.py`.",
        "A vendor is data, not code: the DAG maps one task over the list, and a new vendor only "
        "needs product ids of its own.",
        (
            "VENDORS names the vendors, CATALOGUE says what they sell.",
            "make_product builds ids from the part of the vendor's name before the first _.",
            'Add "book_shop" to VENDORS, and an entry for it to CATALOGUE; the DAG\'s file is read '
            "again within half a minute, then trigger it.",
        ),
        grade_fourth_vendor,
    ),
    Exercise(
        "batch_speed",
        PAGE,
        "measure",
        "Make a run of 45 products and one of 3,000. Then make the view `lab.batch_speed` with "
        "`batch_id`, `received` and `seconds`: the time of each run from `run_started_at` to "
        "`reported_at`, rounded to one decimal.",
        "Starting tasks takes longer than the work: a larger batch loads more rows per second.",
        (
            "products_per_vendor is a parameter of the DAG.",
            "batch_reports has received and reported_at, batches has run_started_at. Show runs "
            "only: the samples have no start.",
            "CREATE VIEW lab.batch_speed AS SELECT batch_id, received, round(extract(epoch FROM "
            "reported_at - run_started_at), 1) AS seconds FROM batch_reports JOIN batches USING "
            "(batch_id) WHERE run_started_at IS NOT NULL",
        ),
        grade_batch_speed,
    ),
]
