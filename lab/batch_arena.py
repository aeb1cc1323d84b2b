"""Two batches, by XCom and ours, under the same drills: `make arena BATCH=1`.

\b
python -m lab.batch_arena          # the table
python -m lab.batch_arena --write  # and put it into docs/lab.md

On a PostgreSQL of its own. The tasks are called as Airflow would call them:
one that was killed is run again with the same input, one that is cleared is
run again with what follows it, and a second run of the day has a seed, and
so prices, of its own.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Any, NamedTuple

import psycopg2
import typer

from batch_pipeline.rules import validate_record
from lab.batch_tasks import BATCHES, Batch, Json, run_task
from lab.drills import Connection, Moments
from lab.ladder.batch_by_xcom import extract
from local_stack.stack import Stack
from pipeline_common.console import run, stderr
from pipeline_common.settings import PROJECT_FOLDER
from pipeline_common.tables import screen_width, table
from tests.databases import fresh_database
from tests.faults.tcp_proxy import LOCALHOST, TcpProxy
from tests.own_stack import stack_of_its_own

MARK = "<!-- written by python -m lab.batch_arena --write -->"
PAGE = PROJECT_FOLDER / "docs/lab.md"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Verdict(NamedTuple):
    """What became of the vendor's records; a batch passes if all are 0."""

    lost: int
    doubled: int
    wrong: int  # products that are shown with other values than the newest ones

    def in_words(self) -> str:
        """A cell of the table."""
        return ", ".join(f"{n} {name}" for name, n in self._asdict().items() if n) or "-"


class Trial:
    """One batch in one drill, in a database of its own."""

    def __init__(self, name: str, login: dict[str, Any]) -> None:
        self.name = name
        self.batch: Batch = BATCHES[name]
        self.login = login
        self.xcom: dict[str, Json] = {}
        self.seeds: list[int] = []

    def run(self, seed: int, kill: bool = False) -> None:
        """Run all tasks; with `kill`, each that loads is killed twice before it may end."""
        self.seeds.append(seed)
        self.xcom = {}
        before: Json = None
        for task in self.batch.tasks:
            if kill and task in self.batch.loads:
                for after in (False, True):
                    self.kill(task, seed, before, after=after)
            before = self.xcom[task] = run_task(self.login, self.name, task, seed, before)

    def clear(self) -> None:
        """Run the first task that loads again, and what follows, each with the XCom it had."""
        names = list(self.batch.tasks)
        for index in range(names.index(self.batch.loads[0]), len(names)):
            before = self.xcom[names[index - 1]]
            task = names[index]
            self.xcom[task] = run_task(self.login, self.name, task, self.seeds[-1], before)

    def kill(self, task: str, seed: int, before: Json, *, after: bool) -> None:
        """kill -9 a task as its write begins or, with `after`, when it is durable."""
        proxy = TcpProxy(int(self.login["port"]))
        login = self.login | {"host": LOCALHOST, "port": proxy.port}
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.batch_tasks"],
            cwd=PROJECT_FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def strike() -> None:
            process.kill()
            raise ConnectionAbortedError("the task is dead")

        moments = Moments(strike, {1}, after=after)
        proxy.watch = lambda: Connection(moments)
        process.communicate(json.dumps([login, self.name, task, seed, before]).encode())
        proxy.close()
        assert moments.all_over(), f"{task} has ended before it could be killed"

    def verdict(self) -> Verdict:
        """Compare what the tables show with what the vendor has sent."""
        with closing(psycopg2.connect(**self.login)) as connection, connection.cursor() as cursor:
            cursor.execute(self.batch.products)
            shown = [tuple(row) for row in cursor.fetchall()]
            cursor.execute(self.batch.rejected)
            rejected = Counter(record for (record,) in cursor.fetchall())
        products, rejections = expected(self.seeds)
        copies = Counter(product_id for product_id, *_ in shown)
        lost = (products.keys() - copies.keys(), rejections - rejected)
        doubled = (copies - Counter(products.keys()), rejected - rejections)
        wrong = {product_id for product_id, *row in shown if tuple(row) != products.get(product_id)}
        return Verdict(len(lost[0]) + lost[1].total(), sum(c.total() for c in doubled), len(wrong))


def expected(seeds: list[int]) -> tuple[dict[str, tuple[Any, ...]], Counter[str]]:
    """The newest valid values of each product, and each rejected record as often as it was sent."""
    products: dict[str, tuple[Any, ...]] = {}
    rejections: Counter[str] = Counter()
    for record in (record for seed in seeds for record in extract(seed)):
        product_id, name, price, stock, _, issues = validate_record(record)
        if issues or product_id is None:
            rejections[record] += 1
        else:
            products[product_id] = (name, price, stock)
    return products, rejections


def kill(trial: Trial) -> None:
    """kill -9 in each load, before its write and after; Airflow runs it again."""
    trial.run(1, kill=True)


def clear(trial: Trial) -> None:
    """The run has ended well, and somebody clears the load."""
    trial.run(1)
    trial.clear()


def again(trial: Trial) -> None:
    """The day is run a second time; the vendor has changed its prices meanwhile."""
    trial.run(1)
    trial.run(2)


DRILLS: dict[str, Callable[[Trial], None]] = {"kill": kill, "clear": clear, "again": again}


def run_drill(stack: Stack, name: str, drill: str) -> Verdict:
    """Run one drill on one batch."""
    with fresh_database(stack, "my_postgres") as login:
        trial = Trial(name, login)
        DRILLS[drill](trial)
        return trial.verdict()


@app.command(help=__doc__)
def main(
    write: Annotated[bool, typer.Option("--write", help="Put the table into docs/lab.md.")] = False,
) -> None:
    """Print the table."""
    logging.getLogger("batch_pipeline").setLevel(logging.WARNING)  # Airflow has it print
    rows = []
    with stack_of_its_own("batch-arena", "my_postgres") as stack:
        for name in BATCHES:
            verdicts = []
            for drill in DRILLS:
                with stderr.status(f"{name}: {drill}"):
                    verdicts.append(run_drill(stack, name, drill).in_words())
            stderr.print(f"{name}: {'; '.join(verdicts)}", markup=False)
            rows.append([name, *verdicts])
    headers = ["batch", *DRILLS]
    print(table(rows, headers, screen_width()))
    if write:
        before, _, after = PAGE.read_text().split(MARK)
        lines = [headers, ["---"] * len(headers), *rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        PAGE.write_text(f"{before}{MARK}\n\n{text}\n\n{MARK}{after}")


if __name__ == "__main__":
    run(app)
