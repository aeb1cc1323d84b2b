"""Page 5 solved, and solved wrong: rules as a learner changes them, and history re-validated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest

from batch_pipeline import report, rules, verdicts
from batch_pipeline.rules import RULE_VERSION, Verdict, validate_record
from tests.integration.batch.conftest import product
from tests.integration.lab.solutions.batch_learner import VENDORS, BatchLearner, Solutions

Rules = Callable[[str | bytes], Verdict]


@contextmanager
def changed_rules(rule: Rules, version: int = RULE_VERSION + 1) -> Iterator[None]:
    """The steps as they are after batch_pipeline/rules.py was edited."""
    with (
        patch.object(verdicts, "validate_record", rule),
        patch.object(verdicts, "RULE_VERSION", version),
        patch.object(report, "RULE_VERSION", version),
    ):
        yield


# --- worst_vendor ---------------------------------------------------------------------------------

SHARE = "count(q.raw_id)::numeric / count(*)"


def uneven_vendors(learner: BatchLearner) -> None:
    """tech_store has the most rejected rows, home_goods the largest share of them."""
    few = [product("A"), "bad", "bad", "bad"]
    many = [product(f"B-{n}") for n in range(20)] + ["bad"] * 5
    records = {VENDORS[0]: many, VENDORS[1]: few, VENDORS[2]: [product("C")]}
    learner.validate_and_load(learner.land("manual__uneven", records))


def worst(learner: BatchLearner, by: str = SHARE, direction: str = "DESC LIMIT 1") -> None:
    uneven_vendors(learner)
    learner.execute(
        f"""CREATE VIEW lab.worst_vendor AS
            SELECT r.source FROM raw_products AS r
            LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
            WHERE processed GROUP BY r.source ORDER BY {by} {direction}"""
    )


def worst_by_number(learner: BatchLearner) -> None:
    worst(learner, "count(q.raw_id)")


def worst_all_listed(learner: BatchLearner) -> None:
    worst(learner, direction="DESC")


def worst_typed_in(learner: BatchLearner) -> None:
    uneven_vendors(learner)
    learner.execute("CREATE VIEW lab.worst_vendor AS SELECT 'home_goods' AS source")


def worst_before_any_run(learner: BatchLearner) -> None:
    learner.execute("CREATE VIEW lab.worst_vendor AS SELECT 'home_goods' AS source")


# --- one_batch ------------------------------------------------------------------------------------


def two_runs(learner: BatchLearner) -> list[str]:
    return [learner.run(1), learner.run(2)]


def one_of_two(learner: BatchLearner) -> None:
    batch, _ = two_runs(learner)
    with changed_rules(validate_record):
        learner.validate_and_load(batch)


def all_of_them(learner: BatchLearner) -> None:
    two_runs(learner)
    with changed_rules(validate_record):
        learner.reprocess_all()


def one_run_and_the_samples(learner: BatchLearner) -> None:
    learner.validate_and_load("sample")
    with changed_rules(validate_record):
        learner.run(1)


def two_of_three(learner: BatchLearner) -> None:
    batches = [*two_runs(learner), learner.run(3)]
    with changed_rules(validate_record):
        for batch in batches[:2]:
            learner.validate_and_load(batch)


def one_without_a_new_version(learner: BatchLearner) -> None:
    learner.validate_and_load(two_runs(learner)[0])


def version_set_by_hand(learner: BatchLearner) -> None:
    batch, _ = two_runs(learner)
    learner.execute("UPDATE clean_products SET rule_version = 9 WHERE batch_id = %s", batch)


# --- stock_zero -----------------------------------------------------------------------------------


def stock_as(value: int) -> Rules:
    """The rules as they are when a negative stock counts as `value`."""
    original = rules.stock_of

    def lenient(record: dict[str, Any], issues: list[str]) -> int | None:
        stock = original(record, issues)
        if "stock_negative" in issues:
            issues.remove("stock_negative")
            return value
        return stock

    def rule(record: str | bytes) -> Verdict:
        with patch.object(rules, "stock_of", lenient):
            return validate_record(record)

    return rule


def negative_stock(learner: BatchLearner) -> list[str]:
    """Two batches, each with a row of which the stock is negative."""
    batches = []
    for run in ("manual__a", "manual__b"):
        lines = [product(f"{run}-1"), product(f"{run}-2", stock=-3)]
        batches.append(learner.land(run, {VENDORS[0]: lines}))
        learner.validate_and_load(batches[-1])
    return batches


def released(learner: BatchLearner) -> None:
    negative_stock(learner)
    with changed_rules(stock_as(0)):
        learner.reprocess_all()


def released_in_one_batch(learner: BatchLearner) -> None:
    batches = negative_stock(learner)
    with changed_rules(stock_as(0)):
        learner.validate_and_load(batches[0])


def released_with_another_stock(learner: BatchLearner) -> None:
    negative_stock(learner)
    with changed_rules(stock_as(3)):
        learner.reprocess_all()


def released_under_the_old_version(learner: BatchLearner) -> None:
    negative_stock(learner)
    with changed_rules(stock_as(0), RULE_VERSION):
        learner.reprocess_all()


# --- percentile -----------------------------------------------------------------------------------

LIMITS = """
    SELECT {category}, percentile_cont(0.99) WITHIN GROUP (ORDER BY price)
    FROM product_verdicts WHERE issues IS NULL GROUP BY 1"""


def price_limits(limits: dict[str | None, Decimal]) -> Rules:
    def rule(record: str | bytes) -> Verdict:
        verdict = validate_record(record)
        limit = limits.get(verdict.category, limits.get("any"))
        if verdict.price is not None and limit is not None and verdict.price > limit:
            return Verdict(issues=("price_above_category",))
        return verdict

    return rule


def percentile(
    learner: BatchLearner, category: str = "category", only: str = "", factor: float = 1
) -> None:
    for seed in (1, 2):
        learner.run(seed, count=200)
    measured = learner.rows(LIMITS.format(category=category))
    limits = {name: Decimal(str(price * factor)) for name, price in measured}
    with changed_rules(price_limits(limits)):
        if only:
            learner.validate_and_load(only)
        else:
            learner.reprocess_all()


def percentile_of_all_categories_together(learner: BatchLearner) -> None:
    percentile(learner, "'any'")


def too_strict(learner: BatchLearner) -> None:
    percentile(learner, factor=0.99)


def too_mild(learner: BatchLearner) -> None:
    percentile(learner, factor=1.001)


def percentile_in_one_batch(learner: BatchLearner) -> None:
    percentile(learner, only="manual__1")


def percentile_by_hand(learner: BatchLearner) -> None:
    learner.run(1, count=200)
    learner.execute(
        """WITH limits AS (
               SELECT category, percentile_cont(0.99) WITHIN GROUP (ORDER BY price) AS highest
               FROM clean_products GROUP BY category),
           gone AS (
               DELETE FROM clean_products AS c USING limits
               WHERE c.category = limits.category AND price > highest RETURNING raw_id)
           INSERT INTO quarantine_products
               (raw_id, batch_id, source, raw_text, issues, rule_version)
           SELECT id, batch_id, source, raw_text, '{price_above_category}', 3
           FROM gone JOIN raw_products ON id = raw_id"""
    )


# --- against_the_table ----------------------------------------------------------------------------


def contradicted(learner: BatchLearner) -> list[str]:
    batches = negative_stock(learner)
    with changed_rules(stock_as(-3)), pytest.raises(psycopg2.errors.CheckViolation):
        learner.validate_and_load(batches[0])
    return batches


def contradicted_without_constraint(learner: BatchLearner) -> None:
    batches = negative_stock(learner)
    learner.execute_as_admin(
        "ALTER TABLE clean_products DROP CONSTRAINT clean_products_stock_check"
    )
    with changed_rules(stock_as(-3)):
        learner.validate_and_load(batches[0])


def contradicted_and_moved_by_hand(learner: BatchLearner) -> None:
    contradicted(learner)
    learner.execute("DELETE FROM quarantine_products WHERE 'stock_negative' = ANY (issues)")


def rule_not_used(learner: BatchLearner) -> None:
    negative_stock(learner)


SOLUTIONS = {
    "worst_vendor": Solutions(
        worst,
        {
            worst_before_any_run: "Fewer than two vendors",
            worst_typed_in: "does not follow",
            worst_all_listed: "not what the database holds",
            worst_by_number: "not what the database holds",
        },
    ),
    "one_batch": Solutions(
        one_of_two,
        {
            one_run_and_the_samples: "not two runs",
            one_without_a_new_version: "by the same rule version",
            all_of_them: "by the same rule version",
            two_of_three: "Not exactly one run",
            version_set_by_hand: "Not exactly one run",
        },
    ),
    "stock_zero": Solutions(
        released,
        {
            released_with_another_stock: "valid with stock 0",
            released_in_one_batch: "still has rows",
            released_under_the_old_version: "rule version that rejected it",
        },
    ),
    "percentile": Solutions(
        percentile,
        {
            rule_not_used: "price_above_category",
            percentile_in_one_batch: "some batches",
            percentile_by_hand: "some batches",
            too_strict: "99th percentile is valid",
            too_mild: "99th percentile is valid",
            percentile_of_all_categories_together: "99th percentile is valid",
        },
    ),
    "against_the_table": Solutions(
        contradicted,
        {
            rule_not_used: "No verdict",
            released: "No verdict",
            contradicted_without_constraint: "lost the constraint",
            contradicted_and_moved_by_hand: "not in quarantine any more",
        },
    ),
}
