"""A batch in slices: several processes work on it, and it ends as if one had."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection as Connection

from batch_pipeline import batches, steps
from batch_pipeline.database import OneTransaction, slice_transaction
from batch_pipeline.scraper import VENDORS, scrape
from batch_pipeline.slices import WHOLE, Slice, cut
from tests.integration.batch.conftest import places, product, rows, run_batch, validate_and_load

CLEAN = "SELECT product_id, source, batch_id FROM clean_products WHERE raw_id > 0 ORDER BY 1"
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


def land(connection: Connection, batch_id: str, count: int = 60) -> None:
    for vendor in VENDORS:
        steps.land(connection, batch_id, vendor, scrape(vendor, count, seed=1))
    steps.load_to_raw_zone(connection, batch_id, VENDORS)


def work_in_slices(login: dict[str, Any], batch_id: str, number: int) -> None:
    """Validate and load in `number` slices, three at a time, as the DAG does it."""

    def work(*steps_and_parts: Any) -> None:
        def call(step: Any, *part: Slice) -> None:
            with closing(psycopg2.connect(**login)) as connection:
                step(connection, batch_id, *part)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda one: call(*one), steps_and_parts))

    work(*((steps.validate, part) for part in cut(number)))
    loads = [(steps.load_to_clean_zone, part) for part in cut(number)]
    work((steps.load_to_quarantine,), *loads)
    work((steps.mark_processed,))


@pytest.mark.parametrize("number", [2, 5, 16])
def test_slices_end_as_one_does(
    connection: Connection, pipeline_db: dict[str, Any], number: int
) -> None:
    land(connection, "run")
    validate_and_load(connection, "run")
    whole = places(connection, "run"), rows(connection, CLEAN)
    work_in_slices(pipeline_db, "run", number)
    assert (places(connection, "run"), rows(connection, CLEAN)) == whole


def test_two_overlapping_batches_in_different_slices_at_once(
    connection: Connection, pipeline_db: dict[str, Any]
) -> None:
    for batch_id in ("older", "newer"):
        land(connection, batch_id)
    with ThreadPoolExecutor(2) as threads:
        list(
            threads.map(lambda one: work_in_slices(pipeline_db, *one), [("newer", 2), ("older", 7)])
        )
    assert {batch for _, _, batch in rows(connection, CLEAN)} == {"newer"}
    assert "clean" not in places(connection, "older").values()


def test_a_slice_does_not_touch_the_products_of_the_others(connection: Connection) -> None:
    land(connection, "run")
    steps.validate(connection, "run")
    counts = [steps.load_to_clean_zone(connection, "run", part) for part in cut(4)]
    assert min(counts) > 0
    assert sum(counts) == len(rows(connection, CLEAN))
    before = rows(connection, CLEAN)
    assert steps.load_to_clean_zone(connection, "run", cut(4)[2]) == counts[2]
    assert rows(connection, CLEAN) == before


@pytest.mark.parametrize(
    ("other", "waits"), [(Slice(0, 32), True), (Slice(31, 40), True), (Slice(32, 64), False)]
)
def test_slices_exclude_each_other_only_where_they_have_a_part_in_common(
    connection: Connection, pipeline_db: dict[str, Any], other: Slice, waits: bool
) -> None:
    second = psycopg2.connect(**pipeline_db, options="-c lock_timeout=200ms")
    with slice_transaction(connection, "one", "clean_products", Slice(0, 32)):
        if waits:
            with pytest.raises(LockNotAvailable):
                steps.load_to_clean_zone(second, "two", other)
        else:
            steps.load_to_clean_zone(second, "two", other)
    second.close()


def test_a_step_on_the_whole_batch_waits_for_its_slices(
    connection: Connection, pipeline_db: dict[str, Any]
) -> None:
    run_batch(connection, "run", {"vendor": [product("A")]})
    second = psycopg2.connect(**pipeline_db, options="-c lock_timeout=200ms")
    with (
        slice_transaction(connection, "run", "clean_products", Slice(0, 1)),
        pytest.raises(LockNotAvailable),
    ):
        steps.mark_processed(second, "run")
    second.close()


@pytest.mark.parametrize(
    ("other", "waits"), [("clean_products", False), ("quarantine of run", True)]
)
def test_quarantine_waits_for_its_like_but_not_for_the_clean_zone(
    connection: Connection, pipeline_db: dict[str, Any], other: str, waits: bool
) -> None:
    land(connection, "run")
    steps.validate(connection, "run")
    second = psycopg2.connect(**pipeline_db, options="-c lock_timeout=200ms")
    with slice_transaction(connection, "run", other, WHOLE):
        if waits:
            with pytest.raises(LockNotAvailable):
                steps.load_to_quarantine(second, "run")
        else:
            assert steps.load_to_quarantine(second, "run") > 0
    second.close()


def test_a_dry_run_takes_one_lock_for_quarantine(
    connection: Connection, pipeline_db: dict[str, Any]
) -> None:
    land(connection, "run")
    with closing(psycopg2.connect(**pipeline_db, connection_factory=OneTransaction)) as dry_run:
        steps.load_to_quarantine(dry_run, "run")
        assert rows(dry_run, LOCKS) == [(2,)]  # one more, which it shares, on the batch


def test_all_batches_are_those_that_have_raw_rows(connection: Connection) -> None:
    run_batch(connection, "run", {"vendor": [product("A")]})
    assert batches.batch_ids(connection) == ["sample", "run"]


def test_a_whole_validation_takes_one_lock(
    connection: Connection, pipeline_db: dict[str, Any]
) -> None:
    """A dry run of all batches is one transaction, which keeps the locks of each of them."""
    land(connection, "run")
    with closing(psycopg2.connect(**pipeline_db, connection_factory=OneTransaction)) as dry_run:
        steps.validate(dry_run, "run")
        assert rows(dry_run, LOCKS) == [(1,)]
