"""Put consumers under fault drills and compare what each loses: `make arena`.

\b
python -m lab.arena                            # the five of lab/ladder
python -m lab.arena --consumer my_consumer.py  # yours, beside them

It runs on its own servers, on free ports.
lab/ladder/reading.py says what a consumer is given.
A consumer that exits is restarted, as Docker would do.

Exit code: 1 if your own consumer fails a drill.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from kafka import KafkaProducer

from lab.drills import DRILLS
from lab.trial import Trial, Verdict
from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER
from pipeline_common.tables import screen_width, table
from tests.own_stack import stack_of_its_own

LADDER = sorted((PROJECT_FOLDER / "lab/ladder").glob("[1-9]_*.py"))
AT_A_TIME = 8
RACE = 3000  # records
PAGE = PROJECT_FOLDER / "docs/lab.md"
MARK = "<!-- written by python -m lab.arena --write -->"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Arena(NamedTuple):
    """The servers and the folder for the consumers' logs."""

    kafka: str
    server: dict[str, Any]
    folder: Path

    def trial(self, consumer: Path, drill: str) -> Trial:
        """A consumer's trial, with a topic and a database of its own."""
        name = f"{drill}-{consumer.stem}".replace("_", "-").lower()[:50]
        return Trial(consumer, name, self.kafka, self.server, self.folder)


@contextmanager
def open_arena() -> Iterator[Arena]:
    """Servers of the arena's own, deleted afterwards."""
    with stack_of_its_own("arena", "my_postgres", "my_kafka") as stack:
        settings = stack.settings
        server = settings.admin(settings.postgres)  # it creates a database for each trial
        yield Arena(settings.kafka_bootstrap_servers, server, stack.folder)


def run_drill(arena: Arena, consumer: Path, drill: str) -> Verdict:
    """Run one drill on one consumer; its log is in the arena's folder."""
    trial = arena.trial(consumer, drill)
    try:
        with closing(KafkaProducer(bootstrap_servers=arena.kafka, linger_ms=5)) as producer:
            DRILLS[drill].run(trial, producer)
        trial.wait_until_settled()
        return trial.verdict()
    finally:
        trial.end()


def race(arena: Arena, consumer: Path) -> int:
    """Records a second from the first row to the last, alone on the machine."""
    trial = arena.trial(consumer, "race")
    try:
        with closing(KafkaProducer(bootstrap_servers=arena.kafka, linger_ms=5)) as producer:
            trial.send(producer, RACE)
        trial.start()
        first = deadline = time.monotonic() + 60
        there = 0
        while there < RACE and time.monotonic() < deadline:
            if there == 0:
                first = time.monotonic()
            time.sleep(0.02)
            there = len(trial.rows()[0])
        return round(there / max(time.monotonic() - first, 0.02))
    finally:
        trial.end()


def compete(arena: Arena, consumers: list[Path]) -> dict[tuple[str, str], Verdict]:
    """Every drill on every consumer, several at a time; by consumer's and drill's name."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = {
            (consumer.stem, drill): pool.submit(run_drill, arena, consumer, drill)
            for drill in DRILLS
            for consumer in consumers
        }
        for (consumer, drill), future in futures.items():
            stderr.print(f"{drill}: {consumer}: {in_words(future.result())}", markup=False)
    return {key: future.result() for key, future in futures.items()}


def in_words(verdict: Verdict) -> str:
    """What went wrong, or "-": a cell of the table."""
    counts = verdict._asdict() | {"records": 0}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "-"


@app.command(help=__doc__)
def main(
    consumer: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A consumer of your own.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the table into docs/lab.md.")] = False,
) -> None:
    """Print the table; 1 if your own consumer fails a drill."""
    consumers = [*LADDER, consumer.resolve()] if consumer else LADDER
    with open_arena() as arena:
        verdicts = compete(arena, consumers)
        speeds = {each.stem: race(arena, each) for each in consumers}
    headers = ["consumer", *DRILLS, "records/s"]
    rows = [
        [
            each.stem,
            *(in_words(verdicts[each.stem, drill]) for drill in DRILLS),
            speeds[each.stem],
        ]
        for each in consumers
    ]
    print(table(rows, headers, screen_width()))
    if write:
        write_page(headers, rows)
    if consumer and not all(verdicts[consumer.stem, drill].passed for drill in DRILLS):
        raise StackError(f"{consumer} does not pass every drill: see docs/lab.md for why.")


def write_page(headers: list[str], rows: list[list[Any]]) -> None:
    """Put the table into the page, between its two marks."""
    before, _, after = PAGE.read_text().split(MARK)
    lines = [headers, ["---"] * len(headers), *rows]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    PAGE.write_text(f"{before}{MARK}\n\n{text}\n\n{MARK}{after}")


if __name__ == "__main__":
    run(app)
