"""Whatever is killed, repeated or run at the same time: the tables end as after a normal run.

docs/batch-faults.md shows what these tests found, and each test checks its own cell there;
`WRITE_DOCS=1 pytest tests/faults/test_batch_faults.py` updates the tables.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import chain, count
from typing import Any

import psycopg2
import pytest

from batch_pipeline import report, scraper, steps
from local_stack.stack import Stack
from pipeline_common.settings import PROJECT_FOLDER
from tests.databases import fresh_database
from tests.faults.batch_victim import PRODUCTS, STEPS, VENDOR, Task

DOCS = PROJECT_FOLDER / "docs" / "batch-faults.md"
WRITE_DOCS = "WRITE_DOCS" in os.environ
NAMES = list(STEPS)
KILLED = -9

Login = dict[str, Any]
Outcome = dict[str, list[tuple[object, ...]]]

# What a batch leaves behind, without ids, times and its own name: columns and table.
OUTCOME = {
    "raw": ("source, line_number, raw_text, raw_data, processed", "raw_products"),
    "clean": ("product_id, name, price, stock, category, source", "clean_products"),
    "superseded": ("product_id, name, price, stock, category, source", "superseded_products"),
    "quarantined": ("source, raw_text, issues", "quarantine_products"),
    "still landed": ("source, line_number", "landing_products"),
    "report": (
        "received, clean, superseded, quarantined, pass_rate, missing_sources, reasons",
        "batch_reports",
    ),
}


def start(task: Task) -> "subprocess.Popen[str]":
    """Start a process that does the task."""
    command = [sys.executable, "-m", "tests.faults.batch_victim", json.dumps(asdict(task))]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT_FOLDER
    )


def finish(process: "subprocess.Popen[str]") -> int:
    """Wait for its end; returns the number of its moments."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return int(output)


def strike(task: Task) -> None:
    """Run a task in which the fault must occur: it is killed, or ends with a visible error."""
    process = start(task)
    _, errors = process.communicate()
    assert process.returncode == (KILLED if task.fault == "kill" else 1), errors


def run_steps(login: Login, batch_id: str, names: Iterable[str] = NAMES) -> None:
    """Run steps undisturbed, in this process."""
    connection = psycopg2.connect(**login)
    for name in names:
        STEPS[name](connection, batch_id)
    connection.close()


def outcome(login: Login, batch_id: str) -> Outcome:
    """What the batch left in each table."""
    connection = psycopg2.connect(**login)
    found = {}
    with connection, connection.cursor() as cursor:
        for name, (columns, table) in OUTCOME.items():
            cursor.execute(f"SELECT {columns} FROM {table} WHERE batch_id = %s", [batch_id])
            found[name] = sorted(cursor.fetchall(), key=str)
    connection.close()
    return found


# --- The tables in the docs -----------------------------------------------------------------------

Cells = dict[tuple[str, str], str]  # (row, column) -> what the cell says
MARK = "<!-- written by tests/faults/test_batch_faults.py -->\n"
FOUND: Cells = {}


def markdown(cells: Cells) -> str:
    """Cells as a table; each new row and column comes after those before it."""
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(cells.get((row, column), "") for column in columns)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


@pytest.fixture(scope="module", autouse=True)
def tables_in_the_docs() -> Iterator[None]:
    """Update the tables, where WRITE_DOCS asks for it."""
    yield
    if WRITE_DOCS:
        before, _, _, _, after = DOCS.read_text().split(MARK)
        steps_table = markdown({key: text for key, text in FOUND.items() if key[0] in NAMES})
        runs_table = markdown({key: text for key, text in FOUND.items() if key[0] not in NAMES})
        DOCS.write_text(MARK.join([before, steps_table, "\n", runs_table, after]))


def document(row: str, column: str, found: Outcome) -> None:
    """Note a cell for the docs, or check that the docs say it."""
    counts = " + ".join(f"{len(found[name])} {name}" for name in ("clean", "quarantined"))
    FOUND[row, column] = f"equal: {counts}"
    if not WRITE_DOCS:
        tables = [part.splitlines() for part in DOCS.read_text().split(MARK)[1::2]]
        cells = [[cell.strip() for cell in line.split("|")] for line in chain(*tables)]
        header = next(line for line in cells if column in line)
        line = next(line for line in cells if line[1:2] == [row])
        assert line[header.index(column)] == FOUND[row, column], "run this file with WRITE_DOCS=1"


# --- Faults of one step ---------------------------------------------------------------------------


class Bench:
    """A database with the outcome of an undisturbed batch, and fresh batches to disturb."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.names = (f"batch-{number}" for number in count(1))
        run_steps(login, "undisturbed")
        self.expected = outcome(login, "undisturbed")

    def batch_before(self, step: str) -> str:
        """A new batch that has run all steps before `step`."""
        batch_id = next(self.names)
        run_steps(self.login, batch_id, NAMES[: NAMES.index(step)])
        return batch_id

    def task(self, batch_id: str, step: str, at: int = 0, fault: str = "kill") -> Task:
        return Task(login=self.login, batch_id=batch_id, steps=[step], at=at, fault=fault)

    def moments(self, step: str) -> int:
        """How many moments the step has, found by running it."""
        return finish(start(self.task(self.batch_before(step), step)))

    def retry(self, batch_id: str, step: str) -> None:
        """Run the step and what follows, as Airflow does; the outcome must be the undisturbed."""
        run_steps(self.login, batch_id, NAMES[NAMES.index(step) :])
        assert outcome(self.login, batch_id) == self.expected


@pytest.fixture(scope="module")
def bench(stack: Stack) -> Iterator[Bench]:
    with fresh_database(stack, "my_postgres") as login:
        yield Bench(login)


def test_an_undisturbed_run_fills_both_zones(bench: Bench) -> None:
    assert len(bench.expected["raw"]) == PRODUCTS
    assert len(bench.expected["clean"]) > 0
    assert len(bench.expected["quarantined"]) > 0


def killed_at_every_moment(bench: Bench, step: str) -> None:
    for at in range(1, bench.moments(step) + 1):
        batch_id = bench.batch_before(step)
        strike(bench.task(batch_id, step, at))
        bench.retry(batch_id, step)


def killed_three_times_in_a_row(bench: Bench, step: str) -> None:
    moments = bench.moments(step)
    batch_id = bench.batch_before(step)
    # The last kill can come after the commit; what the step has then left to do may be less.
    for at in sorted(random.Random(step).sample(range(1, min(moments, 5) + 1), 3)):
        strike(bench.task(batch_id, step, at))
    bench.retry(batch_id, step)


def session_ended_by_the_server(bench: Bench, step: str) -> None:
    # Not after the commit, the last moment: then there is nothing more to say to the server.
    for at in random.Random(step).sample(range(1, bench.moments(step)), 2):
        batch_id = bench.batch_before(step)
        strike(bench.task(batch_id, step, at, fault="disconnect"))
        bench.retry(batch_id, step)


def run_twice(bench: Bench, step: str) -> None:
    batch_id = bench.batch_before(step)
    run_steps(bench.login, batch_id, [step])
    bench.retry(batch_id, step)


def run_by_two_at_once(bench: Bench, step: str) -> None:
    right_before_commit = bench.moments(step) - 1
    batch_id = bench.batch_before(step)
    first = bench.task(batch_id, step, right_before_commit, fault="pause")
    run_during_a_pause(first, bench.task(batch_id, step))
    bench.retry(batch_id, step)


def run_during_a_pause(first: Task, second: Task) -> None:
    """Let `second` begin while `first` is at its moment; it must wait until `first` is done."""
    holder = start(first)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "paused\n"
    waiter = start(second)
    finish(holder)
    finish(waiter)


def cleared_after_the_end(bench: Bench, step: str) -> None:
    batch_id = next(bench.names)
    run_steps(bench.login, batch_id)
    bench.retry(batch_id, step)


FAULTS: list[Callable[[Bench, str], None]] = [
    killed_at_every_moment,
    killed_three_times_in_a_row,
    session_ended_by_the_server,
    run_twice,
    run_by_two_at_once,
    cleared_after_the_end,
]


@pytest.mark.parametrize("step", NAMES)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_step_that_is(bench: Bench, step: str, fault: Callable[[Bench, str], None]) -> None:
    fault(bench, step)
    document(step, fault.__name__.replace("_", " "), bench.expected)


# --- Faults of a whole run ------------------------------------------------------------------------

ENDS = "the whole run"


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(bench: Bench) -> None:
    chance = random.Random(11)
    for _ in range(2):
        batch_id = next(bench.names)
        kills = 0
        while True:
            at = chance.randrange(1, 120)
            process = start(Task(login=bench.login, batch_id=batch_id, steps=NAMES, at=at))
            process.communicate()
            if process.returncode != KILLED:
                assert process.returncode == 0
                break
            kills += 1
        assert kills > 0
        assert outcome(bench.login, batch_id) == bench.expected
    document("killed at random moments, again and again", ENDS, bench.expected)


def test_a_whole_run_repeated_for_the_same_batch_changes_nothing(bench: Bench) -> None:
    batch_id = next(bench.names)
    run_steps(bench.login, batch_id)
    run_steps(bench.login, batch_id)
    assert outcome(bench.login, batch_id) == bench.expected
    document("run twice for one batch", ENDS, bench.expected)


def test_two_runs_of_one_batch_at_once_end_as_one(bench: Bench) -> None:
    batch_id = next(bench.names)
    tasks = [Task(login=bench.login, batch_id=batch_id, steps=NAMES) for _ in range(2)]
    for process in [start(task) for task in tasks]:
        finish(process)
    assert outcome(bench.login, batch_id) == bench.expected
    document("run by two at once for one batch", ENDS, bench.expected)


def test_two_batches_at_once_both_end_with_every_row_accounted_for(bench: Bench) -> None:
    batches = [next(bench.names) for _ in range(2)]
    tasks = [Task(login=bench.login, batch_id=batch_id, steps=NAMES) for batch_id in batches]
    for process in [start(task) for task in tasks]:
        finish(process)
    accepted = []
    for found in (outcome(bench.login, batch_id) for batch_id in batches):
        assert found["raw"] == bench.expected["raw"]
        assert found["quarantined"] == bench.expected["quarantined"]
        assert sorted(found["clean"] + found["superseded"], key=str) == bench.expected["clean"]
        accepted.append(found["clean"])
    # Both hold the same products, so the clean zone shows each once, from one batch or the other.
    assert sorted(accepted[0] + accepted[1], key=str) == bench.expected["clean"]
    document("two batches at once", ENDS, bench.expected)


def test_two_batches_enter_the_clean_zone_one_after_the_other(bench: Bench) -> None:
    step = "load_to_clean_zone"
    right_before_commit = bench.moments(step) - 1
    first, second = (bench.batch_before(step) for _ in range(2))
    run_during_a_pause(
        bench.task(first, step, right_before_commit, fault="pause"), bench.task(second, step)
    )
    for batch_id in (first, second):
        run_steps(bench.login, batch_id, NAMES[NAMES.index(step) + 1 :])
    assert outcome(bench.login, second) == bench.expected
    assert outcome(bench.login, first)["superseded"] == bench.expected["clean"]


def test_the_newest_row_by_ingestion_stands_whichever_batch_finishes_first(
    pipeline_db: Login,
) -> None:
    connection = psycopg2.connect(**pipeline_db)
    for batch_id, seed in (("older", 1), ("newer", 2)):
        records = scraper.scrape(VENDOR, PRODUCTS, seed=seed)
        steps.land(connection, batch_id, VENDOR, records)
        steps.load_to_raw_zone(connection, batch_id)
    for batch_id in ("newer", "older"):
        for step in (steps.validate, steps.load_to_clean_zone, steps.load_to_quarantine):
            step(connection, batch_id)
        steps.mark_processed(connection, batch_id)
        report.generate_report(connection, batch_id)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """SELECT product_id FROM clean_products JOIN superseded_products USING (product_id)
               WHERE clean_products.ingestion_time <= superseded_products.ingestion_time"""
        )
        assert cursor.fetchall() == []
        cursor.execute("SELECT count(*) FROM superseded_products WHERE batch_id = 'older'")
        assert cursor.fetchone()[0] > 0
        cursor.execute("SELECT count(*) FROM superseded_products WHERE batch_id = 'newer'")
        assert cursor.fetchone()[0] == 0
    connection.close()
