"""The new field of page 5, solved and solved wrong, by the stream's own writer: no Kafka."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import psycopg2

from lab.exercises.page_5 import RELEASED_VERSION
from streaming_pipeline import quick_path, relocation, rows, rules
from streaming_pipeline.exact_json import parse
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.revalidation import revalidate
from tests.integration.streaming.conftest import Table

Solution = Callable[[Table], None]


class Solutions(NamedTuple):
    """A solution that the grader accepts, and wrong ones with what it must say of them."""

    right: Solution
    wrong: dict[Solution, str]


def rule(*arguments: Any) -> rules.Reading | rules.Rejection:
    """validate_record of a learner who has read the last hint."""
    verdict = rules.validate_record(*arguments)
    if isinstance(verdict, rules.Reading) and not 0 <= parse(arguments[0]).get("co2", 0) <= 5000:
        return rules.Rejection(verdict.sensor_id, ["co2_out_of_range"])
    return verdict


@contextmanager
def changed_rules(version: int = RELEASED_VERSION + 1) -> Iterator[None]:
    with (
        patch.object(quick_path, "validate_record", rule),
        patch.object(rows, "RULE_VERSION", version),
        patch.object(relocation, "RULE_VERSION", version),
    ):
        yield


def sent(table: Table, count: int = 12, **fields: Any) -> Batch:
    """Readings with the new field, one of them impossible, and old ones; stored."""
    values = [table.reading(n, co2=400 + n, **fields) for n in range(count)]
    batch = table.batch(*values, table.reading(98, co2=9000, **fields), table.reading(99))
    table.writer.write(batch.validate({}))
    return batch


def revalidated(table: Table, batch: Batch, version: int = RELEASED_VERSION + 1) -> None:
    with changed_rules(version), closing(psycopg2.connect(**table.login)) as connection:
        revalidate(connection, batch)


def stored_then_revalidated(table: Table) -> None:
    revalidated(table, sent(table))


def too_few(table: Table) -> None:
    revalidated(table, sent(table, 9))


def without_the_other_fields(table: Table) -> None:
    revalidated(table, sent(table, humidity=None))


def without_a_rule(table: Table) -> None:
    sent(table)


def under_the_old_version(table: Table) -> None:
    revalidated(table, sent(table), RELEASED_VERSION)


def for_new_records_only(table: Table) -> None:
    sent(table)
    with changed_rules():
        table.write(table.reading(100, co2=9000))


def old_one_deleted_by_hand(table: Table) -> None:
    for_new_records_only(table)
    table.execute("DELETE FROM sensor_readings WHERE (extra ->> 'co2')::numeric > 5000")


NEW_FIELD = Solutions(
    stored_then_revalidated,
    {
        too_few: "Fewer than ten",
        without_the_other_fields: "Fewer than ten",
        without_a_rule: "no row for co2_out_of_range",
        under_the_old_version: "no row for co2_out_of_range",
        for_new_records_only: "still valid",
        old_one_deleted_by_hand: "a record is missing",
    },
)
