"""The drills: each causes faults while records are sent, then checks that every record is there.

`DRILLS` says which fault (stream_faults.py), what is set up for it, and what it teaches. All runs
of a drill run at the same time, on the same servers.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from tests.faults.stream_faults import (
    KillAtCommit,
    break_network,
    fill_disk,
    join_and_leave,
    keep_reading,
    kill_at_commit,
    kill_at_random_moments,
    kill_simulator,
    pause_beyond_session,
    restart,
)
from tests.faults.stream_fuzz import check_origins, fuzz
from tests.faults.stream_lab import Lab
from tests.faults.stream_ledger import Ledger, check
from tests.faults.stream_restore import lose_database
from tests.faults.stream_run import Run
from tests.faults.tcp_proxy import Watcher

RATE = 100  # records a second and run, while the drill breaks things


class Drill(NamedTuple):
    """What to break in each run, and in the servers that all runs share."""

    title: str
    lesson: str  # why nothing is lost or doubled
    in_run: Callable[[Run], None]
    in_lab: Callable[[Lab, float], None] | None = None
    watch: Callable[[Run], Watcher] | None = None
    feeds: bool = True
    on_small_disk: bool = False
    #: the simulators' sensors have the same names in every run
    own_databases: bool = False
    #: `make drill` breaks the servers once for each run, and not once for all runs
    one_by_one: bool = False
    check: Callable[[Run], Ledger] = check


def _killer(after: bool) -> Callable[[Run], Watcher]:
    return lambda run: KillAtCommit(run, after)


DRILLS = {
    "kill": Drill(
        "kill -9 of the validator at random moments",
        "The next one resumes at the offset that the database has, whatever Kafka has committed.",
        kill_at_random_moments,
    ),
    "before-commit": Drill(
        "kill -9 just before COMMIT",
        "The server rolls rows and offset back together: the batch is read again.",
        kill_at_commit,
        watch=_killer(False),
    ),
    "after-commit": Drill(
        "kill -9 just after COMMIT",
        "Rows and offset are there together: nothing is read again, though Kafka has no commit.",
        kill_at_commit,
        watch=_killer(True),
    ),
    "database": Drill(
        "restart of TimescaleDB",
        "The validator keeps the in-flight batch and writes it again; the offset decides.",
        keep_reading,
        restart("my_timescaledb"),
    ),
    "restore": Drill(
        "TimescaleDB lost, and restored to a moment before",
        "The offsets go back with the rows: the validator reads again what Kafka has since then.",
        keep_reading,
        lose_database,
        one_by_one=True,
    ),
    "kafka": Drill(
        "restart of Kafka",
        "The producer sends again what was not acknowledged; the validator waits.",
        keep_reading,
        restart("my_kafka"),
    ),
    "database-network": Drill(
        "network to TimescaleDB cut, reset, stalled",
        "A COMMIT whose answer is lost may have come through: the offset says whether it has.",
        break_network(lambda run: run.database_proxy),
    ),
    "kafka-network": Drill(
        "network to Kafka cut, reset, stalled",
        "A member that Kafka considers dead loses its partitions, not their records.",
        break_network(lambda run: run.kafka_proxy),
    ),
    "rebalance": Drill(
        "validators joining and leaving",
        "Who gets a partition asks the database where to resume; who lost it is fenced off.",
        join_and_leave,
    ),
    "simulator": Drill(
        "kill -9 of the simulator",
        "What Kafka holds of it is stored; what it never sent does not exist.",
        kill_simulator,
        feeds=False,
        own_databases=True,
    ),
    "disk-full": Drill(
        "disk of the database full, then freed",
        "A full disk is handled like an outage: the batch waits, nothing is quarantined.",
        keep_reading,
        fill_disk,
        on_small_disk=True,
    ),
    "zombie": Drill(
        "a validator paused beyond its session",
        "It wakes with a batch that others have stored meanwhile: the offset refuses it.",
        pause_beyond_session,
    ),
    "fuzz": Drill(
        "random record batches, and kill -9 of the validator",
        "Batches are read record by record; what cannot be read is quarantined by its offset.",
        fuzz,
        feeds=False,
        check=check_origins,
    ),
}


def run_drill(lab: Lab, name: str, seeds: range) -> list[tuple[Run, Ledger]]:
    """Set up the runs, break things while records flow, drain, check each run."""
    drill = DRILLS[name]
    runs = make_runs(lab, name, seeds)
    try:
        with ThreadPoolExecutor(len(runs)) as pool:
            with feeding(lab, runs if drill.feeds else []):
                breaking = [pool.submit(drill.in_run, run) for run in runs]
                if drill.in_lab:
                    drill.in_lab(lab, runs[0].random.uniform(2, 3))
                for future in breaking:
                    future.result()
            lab.say("all is well again; the stream drains")
            for future in [pool.submit(run.drain) for run in runs]:
                future.result()
        return [(run, drill.check(run)) for run in runs]
    finally:
        for run in runs:
            run.end()


def make_runs(lab: Lab, name: str, seeds: range) -> list[Run]:
    """The runs of a drill, with their topics and their database."""
    drill = DRILLS[name]
    base = f"drill_{name.replace('-', '_')}"
    if drill.own_databases:
        databases = [lab.database(f"{base}_{seed}") for seed in seeds]
    else:
        databases = [lab.database(base, on_small_disk=drill.on_small_disk)] * len(seeds)
    runs = [
        Run(lab, name, seed, database, drill.watch)
        for seed, database in zip(seeds, databases, strict=True)
    ]
    lab.topics([run.topic for run in runs])
    return runs


@contextmanager
def feeding(lab: Lab, runs: list[Run]) -> Iterator[None]:
    """Keep sending to the runs; at the end wait until everything sent has been answered."""
    stop = threading.Event()
    producer = lab.producer()

    def feed() -> None:
        while not stop.wait(0.1):
            for run in runs:
                run.send(producer, RATE // 10)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        stop.set()
        feeder.join()
    producer.flush(timeout=300)
    producer.close()
    for run in runs:
        assert not run.failed_sends, f"{run.topic}: Kafka refused {run.failed_sends[0]}"
