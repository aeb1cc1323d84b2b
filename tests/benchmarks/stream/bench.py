"""How fast the stream validator is, compared with PostgreSQL's COPY and with other consumers.

python -m tests.benchmarks.stream.bench                              # compares on 1 million records
python -m tests.benchmarks.stream.bench --records 20000 --no-peers   # a minute
python -m tests.benchmarks.stream.bench --report   # writes docs/streaming-benchmark.md

It starts its own Kafka and TimescaleDB and deletes them. Every contender starts cold, as a separate
process with an empty database, and is timed until all of the topic is stored.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from local_stack.stack import Stack
from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError
from tests.benchmarks.stream.contenders import CONTENDERS, keep_reference, time_validators
from tests.benchmarks.stream.lab import empty_database, server_versions
from tests.benchmarks.stream.peers import packages
from tests.benchmarks.stream.repeated import measure_repeated
from tests.benchmarks.stream.report import (
    LIMIT,
    OURS,
    TWO,
    Figure,
    Results,
    print_results,
    write_report,
)
from tests.benchmarks.stream.traffic import load, measure_latency
from tests.own_stack import stack_of_its_own

OURS_TOO = [TWO, "read: kafka-python", "read and validate: kafka-python"]
PEERS = ["confluent-kafka + COPY", "aiokafka + asyncpg", "Bytewax", "Quix Streams", "Kafka Connect"]
PEERS += ["Telegraf", "read: confluent-kafka"]

app = typer.Typer(help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False)


def measure(stack: Stack, records: int, others: list[str]) -> list[Figure]:
    """Ours, the limit and the others named, on a topic of so many records."""
    topic = f"bench_{records}"
    with tempfile.TemporaryDirectory() as folder:
        with empty_database(stack, topic) as place:
            figures = [say(Figure(OURS, records, time_validators(place, records)))]
            reference = keep_reference(place, records, Path(folder))
        for name in [LIMIT, *others]:
            with empty_database(stack, topic) as place, stderr.status(f"{name} runs"):
                figures.append(say(Figure(name, records, CONTENDERS[name](place, reference))))
    return figures


def peers_here() -> list[str]:
    """All peers; without Telegraf where it cannot be built, for the project itself needs no Go."""
    try:
        packages.telegraf()
    except StackError as error:
        stderr.print(f"Telegraf is left out. {error}")
        return [name for name in PEERS if name != "Telegraf"]
    return PEERS


def say(figure: Figure) -> Figure:
    """Print each result, since all of it takes half an hour."""
    stderr.print(f"{figure.contender}: {figure.cost.seconds:.1f} s, {figure.rate:,.0f} records/s")
    return figure


@app.command()
def main(
    records: Annotated[
        int, typer.Option(min=1000, help="Number of records to compare all contenders on.")
    ] = 1_000_000,
    peers: Annotated[bool, typer.Option(help="Measure the other ways too.")] = True,
    report: Annotated[bool, typer.Option(help="Write docs/streaming-benchmark.md.")] = False,
) -> None:
    """Measure everything; ours and the limit also on a tenth and on ten times the records."""
    sizes = {
        records // 10: ["naive"] if peers else [],  # it would take ten minutes on all
        records: OURS_TOO + (peers_here() if peers else []),
        records * 10: [],
    }
    with stack_of_its_own("bench", "my_timescaledb", "my_kafka") as stack:
        results = Results(server_versions(stack))
        for size, others in sizes.items():
            results.sent[size] = load(stack, f"bench_{size}", size)
            results.figures += measure(stack, size, others)
        with empty_database(stack, "bench_latency") as place:
            results.latencies = measure_latency(place, min(600, records // 100))
        with empty_database(stack, "repeated") as place:
            results.repeated = measure_repeated(place)
    print_results(results)
    if report:
        write_report(results)


if __name__ == "__main__":
    run(app)
