"""Exercises of course page 5: rules that change."""

from lab.exercises.exercise import Exercise, Lab, expect, expect_view, rows
from lab.exercises.facts import by_facts
from pipeline_common.sql_files import read_sql

PAGE = "5-rules-that-change"
#: As the project comes. The rules' own RULE_VERSION is what a learner has made of it.
RELEASED_VERSION = 2


def grade_worst_vendor(lab: Lab) -> None:
    """The view names the vendor of which the largest share is rejected."""
    truth = read_sql("lab/worst_vendor")
    with lab.looking("pipeline_db") as cursor:
        rejected = rows(cursor, "SELECT DISTINCT source FROM quarantine_products")
        expect(len(rejected) > 1, "Fewer than two vendors have rows in quarantine.")
        expect(len(rows(cursor, truth)) == 1, "Two vendors share the first place: make a run.")
    gone = "DELETE FROM quarantine_products WHERE source IN (SELECT source FROM lab.worst_vendor)"
    expect_view(lab, "pipeline_db", "lab.worst_vendor", truth, gone)


#: One batch has the newer rule version in each of its rows, and the others the older one.
grade_one_batch = by_facts(
    "pipeline_db",
    "one_batch",
    "There are not two runs that were validated.",
    "All runs were validated by the same rule version.",
    "Not exactly one run has the newer version, or a run has rows of both.",
)

#: Rows with negative stock are valid, with stock 0, in every batch.
grade_stock_zero = by_facts(
    "pipeline_db",
    "stock_zero",
    "No row that came with a negative stock is valid with stock 0.",
    "Quarantine still has rows for stock_negative, perhaps in another batch.",
    "A row that came with a negative stock has another stock, or its verdict carries the "
    "rule version that rejected it.",
    released=RELEASED_VERSION,
)

#: Quarantine has the prices above the 99th percentile of their category, and no others.
grade_percentile = by_facts(
    "pipeline_db",
    "percentile",
    "No row is in quarantine for price_above_category.",
    "The verdicts of some batches carry the rule version of before.",
    "A price above its category's 99th percentile is valid, or one below it is rejected.",
    released=RELEASED_VERSION,
)

#: The rules call negative stock valid, the table refuses it, and no row has moved.
grade_against_the_table = by_facts(
    "pipeline_db",
    "against_the_table",
    "No verdict calls a negative stock valid.",
    "The clean zone has lost the constraint that refuses negative stock.",
    "The rows with negative stock are not in quarantine any more.",
)

#: The new field is stored, its impossible values are rejected, and no record is missing.
grade_new_field = by_facts(
    "timeseries_db",
    "new_field",
    "Fewer than ten valid readings have a co2.",
    "Quarantine has no row for co2_out_of_range under a newer rule version, or a reading "
    "with such a co2 is still valid.",
    "The stream's ledger does not add up: a record is missing.",
    released=RELEASED_VERSION,
)


EXERCISES = [
    Exercise(
        "worst_vendor",
        PAGE,
        "see",
        "After a run of the DAG, make the view `lab.worst_vendor` with the column `source`: the "
        "vendor with the largest share of its validated rows in quarantine.",
        "A query finds who sends the worst data: quarantine keeps each row with its vendor.",
        (
            "Compare shares, not numbers: a vendor that sends much also has many bad rows.",
            "Validated rows are those of raw_products WHERE processed; quarantine_products.raw_id "
            "joins them.",
            "CREATE VIEW lab.worst_vendor AS SELECT r.source FROM raw_products AS r LEFT JOIN "
            "quarantine_products AS q ON q.raw_id = r.id WHERE processed GROUP BY 1 ORDER BY "
            "count(q.raw_id)::numeric / count(*) DESC LIMIT 1",
        ),
        grade_worst_vendor,
    ),
    Exercise(
        "one_batch",
        PAGE,
        "see",
        "Make two runs, raise `RULE_VERSION` in `batch_pipeline/rules.py`, and re-validate one of "
        "them. All its rows must carry the newer version, and all rows of all other runs, also of "
        "earlier ones, the same older one.",
        "Each row says which rules validated it, so history may be re-validated batch by batch.",
        (
            "reprocess.py takes a batch id: SELECT batch_id FROM batch_reports.",
            "SELECT batch_id, rule_version, count(*) FROM product_verdicts GROUP BY 1, 2 shows the "
            "versions. If runs had several before: put the rules back, re-validate --all, then "
            "raise the version for one batch.",
            "sed -i 's/^RULE_VERSION = .*/RULE_VERSION = 100/' batch_pipeline/rules.py, then "
            "python batch_pipeline/reprocess.py BATCH.",
        ),
        grade_one_batch,
    ),
    Exercise(
        "stock_zero",
        PAGE,
        "change",
        "From now on a negative stock counts as 0. Change the rule and its version, and release "
        "from quarantine what was rejected for that, in all batches.",
        "A milder rule brings rows back from quarantine, and nothing is scraped again.",
        (
            "stock_of in batch_pipeline/rules.py gives the reason code stock_negative.",
            "A row that has another reason as well stays in quarantine, without this one. "
            "Re-validate all batches, also the samples.",
            "In stock_of: if value < 0: return 0. Raise RULE_VERSION, then python "
            "batch_pipeline/reprocess.py --all.",
        ),
        grade_stock_zero,
    ),
    Exercise(
        "percentile",
        PAGE,
        "change",
        "Make a run with `products_per_vendor=200`. Then add a rule that quarantines prices above "
        "the 99th percentile of their category, with the reason code `price_above_category`, and "
        "re-validate history. The percentile is PostgreSQL's `percentile_cont` over the prices of "
        "all verdicts that are valid without the rule.",
        "A rule that depends on other records takes two steps: measure first, then validate by "
        "limits that are part of the rules. So the same record always gets the same verdict.",
        (
            "Rules are pure functions of one record: query the limits, and write them into "
            "batch_pipeline/rules.py as a dictionary.",
            "Raise RULE_VERSION, and re-validate all batches, not only the newest. Each category "
            "has its own limit.",
            "SELECT category, percentile_cont(0.99) WITHIN GROUP (ORDER BY price) FROM "
            "product_verdicts WHERE issues IS NULL GROUP BY 1 gives the limits; at the end of "
            "validate_record compare price with HIGHEST.get(category).",
        ),
        grade_percentile,
    ),
    Exercise(
        "against_the_table",
        PAGE,
        "break",
        "Let the rules accept a negative stock as it is, and re-validate a batch that has one in "
        "quarantine. Check while the rule is broken, then correct it and re-validate.",
        "A constraint of the table is a second guard: the load fails as a whole, and each row "
        "stays where it was.",
        (
            "A command that fails is what you want here: the rows are validated, but not loaded.",
            "Leave the table as it is: without its constraint the clean zone has bad rows.",
            "In stock_of: if value < 0: return int(value). Then python batch_pipeline/reprocess.py "
            "BATCH, with a BATCH of SELECT batch_id FROM quarantine_products WHERE "
            "'stock_negative' = ANY (issues).",
        ),
        grade_against_the_table,
    ),
    Exercise(
        "new_field",
        PAGE,
        "change",
        "A new type of sensor measures `co2`, too. Send readings with that field, at least ten "
        "with values from 0 to 5,000 and one with 9,000, and let the validator store them. Then "
        "add a rule with the reason code `co2_out_of_range`, and re-validate, without losing a "
        "record.",
        "A field that no rule knows is kept in `extra`, so a rule for it can come later.",
        (
            "A KafkaProducer sends them, as in streaming_pipeline/sensor_simulator.py: the records "
            "need all other fields, too, and the time of now. What no rule knows is in extra.",
            "The rule belongs in validate_record of streaming_pipeline/rules.py; raise "
            "RULE_VERSION there, and let replay.py move what was stored.",
            "co2 = record.get('co2'); if isinstance(co2, int | float) and not 0 <= co2 <= 5000: "
            "issues.append('co2_out_of_range'). Then python streaming_pipeline/replay.py.",
        ),
        grade_new_field,
    ),
]
