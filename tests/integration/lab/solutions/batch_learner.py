"""What a learner does with the batch pipeline, without Airflow: the steps, in order."""

import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection

from batch_pipeline import report, scraper, steps
from batch_pipeline.batches import batch_ids, batch_of_run
from lab.exercises.exercise import Lab
from tests.databases import as_admin

VENDORS = scraper.VENDORS


class BatchLearner:
    """A learner with a fresh pipeline_db; `lab` is what the grader gets."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.login = lab.settings.postgres
        self.connection: Connection = psycopg2.connect(**self.login)
        self.runs = 0
        self.processes: list[subprocess.Popen[bytes]] = []  # left running by a wrong solution

    def leave(self) -> None:
        """End the session and the processes that are left."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.connection.close()

    def land(
        self,
        run_id: str,
        records: Mapping[str, Iterable[str | bytes]],
        *,
        expected: Iterable[str] = VENDORS,
        day: date | None = None,
    ) -> str:
        """The tasks extract_products and load_to_raw_zone of a run; its batch."""
        now = datetime.now(timezone.utc)
        batch = batch_of_run(self.connection, run_id, day or now.date(), run_started_at=now)
        for vendor, lines in records.items():
            steps.land(self.connection, batch, vendor, lines)
        steps.load_to_raw_zone(self.connection, batch, expected)
        return batch

    def run(
        self,
        seed: int,
        *,
        count: int = 15,
        vendors: Iterable[str] = VENDORS,
        expected: Iterable[str] | None = None,
        run_id: str = "",
        day: date | None = None,
    ) -> str:
        """A whole run; its batch. Other vendors that are `expected` do not answer."""
        self.runs += 1
        vendors = list(vendors)
        records = {vendor: scraper.scrape(vendor, count, seed) for vendor in vendors}
        run_id = run_id or f"manual__{self.runs}"
        batch = self.land(run_id, records, expected=expected or vendors, day=day)
        self.validate_and_load(batch)
        return batch

    def validate_and_load(self, batch: str) -> None:
        """The tasks after load_to_raw_zone, as after a clear, or by reprocess.py."""
        for step in steps.AFTER_LANDING:
            step(self.connection, batch)
        report.generate_report(self.connection, batch)

    def reprocess_all(self) -> None:
        """reprocess.py --all"""
        for batch in batch_ids(self.connection):
            self.validate_and_load(batch)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def execute(self, sql: str, *values: object) -> None:
        """Run statements by hand, with the login of the pipeline."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)

    def execute_as_admin(self, sql: str, *values: object) -> None:
        """Run statements by hand, as pipeline_admin."""
        with closing(psycopg2.connect(**as_admin(self.login))) as connection, connection:
            connection.cursor().execute(sql, values or None)


Solution = Callable[[BatchLearner], object]


class Solutions(NamedTuple):
    """A solution that the grader accepts, and wrong ones with what it must say of them."""

    right: Solution
    wrong: dict[Solution, str]


def week(days: int = 7) -> list[date]:
    """The last days before today, oldest first."""
    today = datetime.now(timezone.utc).date()
    return [today - timedelta(days=back) for back in range(days, 0, -1)]
