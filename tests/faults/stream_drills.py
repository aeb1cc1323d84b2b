"""The drills: each breaks something while streams flow, then checks that every record is there.

A drill is a function that breaks things in one run; `DRILLS` says what is set up for it. All runs
of a drill go on at once. What a run breaks and when is drawn from its seed.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import NamedTuple

from tests.faults.stream_lab import Lab
from tests.faults.stream_ledger import Ledger, check
from tests.faults.stream_run import Run
from tests.faults.tcp_proxy import TcpProxy, Watcher

RATE = 100  # records a second and run, while the drill breaks things


# --- kill -9 --------------------------------------------------------------------------------------


def kill_at_random_moments(run: Run) -> None:
    """kill -9 while it starts, reads, writes or waits for its turn in the group."""
    for _ in range(2):
        validator = run.start()
        run.pause(0.5, 4)
        run.kill(validator)


class KillAtCommit:
    """Ends the validator when it commits a batch: before the server hears of it, or after."""

    def __init__(self, run: Run, after: bool) -> None:
        self.run = run
        self.after = after
        self.batches_left = run.random.randint(1, 8)
        self.writing = self.committing = False

    def client_says(self, data: bytes) -> None:
        self.writing |= b"COPY " in data
        if self.writing and b"COMMIT" in data:
            self.writing, self.committing = False, True
            self.batches_left -= 1
            if self.batches_left == 0 and not self.after:
                self._kill()
                raise ConnectionAbortedError("the COMMIT never reaches the server")

    def server_says(self, data: bytes) -> None:
        if self.committing and b"COMMIT" in data:
            self.committing = False
            if self.batches_left == 0 and self.after:
                self._kill()
                raise ConnectionAbortedError("the answer never reaches the validator")

    def _kill(self) -> None:
        self.run.fault("kill -9 of the validator")
        self.run.validators[-1].kill()


def kill_at_commit(run: Run) -> None:
    """Start it and wait until the proxy has killed it, twice."""
    for _ in range(2):
        validator = run.start()
        validator.join(60)
        ended = f"{run.topic} ended with {validator.exitcode}, not at a COMMIT: {run.log}"
        assert validator.exitcode == -signal.SIGKILL, ended


def kill_simulator(run: Run) -> None:
    """kill -9 the simulator in the middle of sending; what Kafka has of it must be stored."""
    validator = run.start()
    for seed in (1, 2):
        simulator = run.start_script("sensor_simulator", "--rate", "200", "--seed", str(seed))
        run.pause(1, 3)
        run.kill(simulator, "simulator")
    run.start_script("sensor_simulator", "--rate", "0", "--count", "200", "--seed", "3").join()
    run.kill(validator)
    run.read_topic()


# --- Servers and network --------------------------------------------------------------------------


def restart(service: str) -> Callable[[Lab, float], None]:
    """Stop the service in an orderly way, then kill -9 it; it comes back both times."""

    def break_it(lab: Lab, pause: float) -> None:
        time.sleep(pause)
        lab.say(f"orderly restart of {service}")
        lab.stack.restart(service)
        time.sleep(pause)
        lab.say(f"kill -9 of {service}")
        pid = lab.stack.pid(service)
        lab.stack.kill(service)
        while lab.stack.pid(service) in (0, pid):
            time.sleep(0.1)
        lab.stack.wait_until_healthy(service)

    return break_it


def fill_disk(lab: Lab, pause: float) -> None:
    """Twice, fill the disk that the database is on until inserts fail, then free it."""
    ballast = lab.small_disk / "ballast"
    for _ in range(2):
        time.sleep(pause)
        failed = disk_errors(lab)
        lab.say("the database's disk is full")
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65_536))
        deadline = time.monotonic() + 120
        while disk_errors(lab) == failed:
            assert time.monotonic() < deadline, "no insert has failed"
            time.sleep(0.1)
        time.sleep(pause)
        lab.say("the disk has room again")
        ballast.unlink()


def disk_errors(lab: Lab) -> int:
    """How often the database has said that its disk is full."""
    return lab.stack.log("my_timescaledb").read_text().count("No space left on device")


def keep_reading(run: Run) -> None:
    """A validator that reads from beginning to end, whatever happens around it."""
    run.start()
    run.faults += 2


def break_network(which: Callable[[Run], TcpProxy]) -> Callable[[Run], None]:
    """Cut, reset, stall and refuse the run's connections, in a random order."""

    def break_it(run: Run) -> None:
        run.start()
        run.wait_until_reading()
        proxy = which(run)
        for fault in run.random.sample([proxy.cut, proxy.reset, proxy.stall, proxy.refuse], 4):
            run.pause(0.3, 1.5)
            run.fault(f"{fault.__name__} the connection")
            fault()
            run.pause(0.1, 1.5)
            proxy.heal()

    return break_it


# --- Consumers ------------------------------------------------------------------------------------


def join_and_leave(run: Run) -> None:
    """Validators come and go in one group: each time the partitions are dealt out anew."""
    first = run.start()
    run.pause(1, 2)
    second = run.start()
    run.pause(1, 4)
    run.fault("the first validator leaves")
    first.terminate()
    third = run.start()
    run.pause(1, 4)
    run.fault("the second validator leaves, a fourth joins")
    second.terminate()
    run.start()
    run.pause(1, 3)
    run.kill(third)


def pause_beyond_session(run: Run) -> None:
    """SIGSTOP one of two until the group has given its partitions away, then let it go on."""
    zombie = run.start()
    run.start()
    run.pause(2, 4)
    run.fault("SIGSTOP: a validator is paused for longer than its session lasts")
    os.kill(zombie.pid or 0, signal.SIGSTOP)
    run.pause(12, 14)
    run.fault("SIGCONT: the zombie goes on with the batch it had in hand")
    os.kill(zombie.pid or 0, signal.SIGCONT)
    run.pause(1, 2)


# --- All drills -----------------------------------------------------------------------------------


class Drill(NamedTuple):
    """What to break in each run, and in the servers that all runs share."""

    title: str
    in_run: Callable[[Run], None]
    in_lab: Callable[[Lab, float], None] | None = None
    watch: Callable[[Run], Watcher] | None = None
    feeds: bool = True
    on_small_disk: bool = False
    #: the simulators' sensors have the same names in every run
    own_databases: bool = False


def _killer(after: bool) -> Callable[[Run], Watcher]:
    return lambda run: KillAtCommit(run, after)


DRILLS = {
    "kill": Drill("kill -9 of the validator at random moments", kill_at_random_moments),
    "before-commit": Drill("kill -9 just before COMMIT", kill_at_commit, watch=_killer(False)),
    "after-commit": Drill("kill -9 just after COMMIT", kill_at_commit, watch=_killer(True)),
    "database": Drill("restart of TimescaleDB", keep_reading, restart("my_timescaledb")),
    "kafka": Drill("restart of Kafka", keep_reading, restart("my_kafka")),
    "database-network": Drill(
        "network to TimescaleDB cut, reset, stalled", break_network(lambda run: run.database_proxy)
    ),
    "kafka-network": Drill(
        "network to Kafka cut, reset, stalled", break_network(lambda run: run.kafka_proxy)
    ),
    "rebalance": Drill("validators joining and leaving", join_and_leave),
    "simulator": Drill("kill -9 of the simulator", kill_simulator, feeds=False, own_databases=True),
    "disk-full": Drill(
        "disk of the database full, then freed", keep_reading, fill_disk, on_small_disk=True
    ),
    "zombie": Drill("a validator paused beyond its session", pause_beyond_session),
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
        return [(run, check(run)) for run in runs]
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
    producer.flush(timeout=120)
    producer.close()
    for run in runs:
        assert not run.failed_sends, f"{run.topic}: Kafka refused {run.failed_sends[0]}"
