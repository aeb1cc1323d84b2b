"""A long run with faults: `make soak` sends 2,000 records/s for MINUTES and looks for leaks.

Prints the validator's memory and the connections to both servers over time, and fails if they grow,
or if a record is lost or stored twice. It starts its own servers, as the drills do.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Event
from typing import Annotated, NamedTuple

import psutil
import psycopg2
import typer
from kafka import KafkaProducer

from pipeline_common.console import run
from pipeline_common.errors import StackError
from pipeline_common.tables import table
from tests.faults.drill import open_lab
from tests.faults.stream_ledger import check
from tests.faults.stream_run import Run

SAMPLES = 30
FAULT_EVERY = 20.0  # seconds
#: How much more the last third may use than the middle one: MB, and connections.
MEMORY_MAY_GROW_MB = 20
CONNECTIONS_MAY_GROW = 1

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


class Sample(NamedTuple):
    """What the validator uses at a given time."""

    second: int
    sent: int
    rss_mb: int
    database_connections: int
    sockets: int


def send(run: Run, producer: KafkaProducer, rate: int, stop: Event) -> None:
    """Send at `rate` records/s until `stop` is set."""
    begin, sent = time.monotonic(), 0
    while not stop.wait(0.05):
        due = int((time.monotonic() - begin) * rate)
        run.send(producer, due - sent)
        sent = due


def break_things(run: Run, stop: Event) -> None:
    """Cut, reset, stall or refuse one of the two connections now and then; each fault heals."""
    while not stop.wait(FAULT_EVERY):
        proxy = run.random.choice([run.kafka_proxy, run.database_proxy])
        fault = run.random.choice([proxy.cut, proxy.reset, proxy.stall, proxy.refuse])
        run.fault(f"{fault.__name__} a connection")
        fault()
        stop.wait(run.random.uniform(0.5, 5))
        proxy.heal()


def sample(run: Run, begin: float) -> Sample:
    """Look at the validator and at the database's side of it."""
    process = psutil.Process(run.validators[0].pid)
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stream%'"
    with closing(psycopg2.connect(**run.database)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        (connections,) = cursor.fetchone() or (0,)
    return Sample(
        int(time.monotonic() - begin),
        len(run.acknowledged),
        process.memory_info().rss // 1_000_000,
        connections,
        len(process.net_connections()),
    )


def growth(samples: list[Sample], name: str) -> float:
    """By how much the median of the last third is above that of the third before."""
    third = len(samples) // 3
    values = [getattr(one, name) for one in samples]
    return float(statistics.median(values[-third:]) - statistics.median(values[third:-third]))


@app.command()
def main(
    minutes: Annotated[float, typer.Option(min=0.5)] = 20,
    rate: Annotated[int, typer.Option(min=1, help="records a second")] = 2000,
    seed: Annotated[int, typer.Option(help="of the records and the faults")] = 1,
) -> None:
    """Exit code 1 if memory or connections grow, or a record is lost or stored twice."""
    with open_lab(1) as lab, closing(lab.producer()) as producer, ThreadPoolExecutor(2) as pool:
        pace = timedelta(seconds=1 / rate)  # readings are as old at the end as at the beginning
        soaked = Run(lab, "soak", seed, lab.database("soak"), step=pace)
        lab.topics([soaked.topic])
        soaked.start()
        soaked.send(producer, 10)
        soaked.wait_until_reading()
        stop, begin, samples = Event(), time.monotonic(), []
        try:
            working = [pool.submit(send, soaked, producer, rate, stop)]
            working.append(pool.submit(break_things, soaked, stop))
            for _ in range(SAMPLES):
                time.sleep(minutes * 60 / SAMPLES)
                samples.append(sample(soaked, begin))
                lab.say(" ".join(f"{k}={v}" for k, v in samples[-1]._asdict().items()))
            stop.set()
            for work in working:
                work.result()
            producer.flush(timeout=120)
            soaked.drain()
            ledger = check(soaked)
        finally:
            stop.set()
            soaked.end()
    print(table(samples, list(Sample._fields)))
    print(table([ledger], list(ledger._fields)))
    if ledger.lost or ledger.doubled or ledger.wrong:
        raise StackError("The ledger does not balance.")
    grown = {name: growth(samples, name) for name in Sample._fields[2:]}
    if grown["rss_mb"] > MEMORY_MAY_GROW_MB:
        raise StackError(f"The validator's memory grows: {grown['rss_mb']:.0f} MB in a third.")
    if max(grown["database_connections"], grown["sockets"]) > CONNECTIONS_MAY_GROW:
        raise StackError(f"The validator's connections grow: {grown}")


if __name__ == "__main__":
    run(app)
