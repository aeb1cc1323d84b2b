"""What a drill breaks, and when: kills, restarts, a bad network, a full disk, a changing group.

Each function breaks things in one run, or in the servers that all runs share; the moments are drawn
from the run's seed.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from tests.faults.stream_lab import Lab
from tests.faults.stream_run import Run
from tests.faults.tcp_proxy import TcpProxy

# --- kill -9 --------------------------------------------------------------------------------------


def kill_at_random_moments(run: Run) -> None:
    """kill -9 the validator while it starts, reads, writes or waits for its partitions."""
    for _ in range(2):
        validator = run.start()
        run.pause(0.5, 4)
        run.kill(validator)


class KillAtCommit:
    """Kills the validator when it commits a batch: before the server gets the COMMIT, or after."""

    def __init__(self, run: Run, after: bool) -> None:
        self.run = run
        self.after = after
        self.batches_left = run.random.randint(1, 8)
        self.writing = self.committing = False

    def client_says(self, data: bytes) -> None:
        self.writing |= b"COPY " in data
        if self.writing and b"COMMIT\0" in data:
            self.writing, self.committing = False, True
            self.batches_left -= 1
            if self.batches_left == 0 and not self.after:
                self._kill()
                raise ConnectionAbortedError("the COMMIT never reaches the server")

    def server_says(self, data: bytes) -> None:
        if self.committing and b"COMMIT\0" in data:
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
        validator.join(240)
        log = run.log.read_text(errors="replace")[-3000:]
        ended = f"{run.topic} ended with {validator.exitcode}, not at a COMMIT:\n{log}"
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
    """Stop the service gracefully, then kill -9 it; it comes back both times."""

    def break_it(lab: Lab, pause: float) -> None:
        time.sleep(pause)
        lab.say(f"graceful restart of {service}")
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
        deadline = time.monotonic() + 300
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
    """Validators join and leave one group, which causes a rebalance each time."""
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
    """SIGSTOP one of two until the group has reassigned its partitions, then SIGCONT."""
    zombie = run.start()
    run.start()
    run.pause(2, 4)
    run.fault("SIGSTOP: a validator is paused for longer than its session lasts")
    os.kill(zombie.pid or 0, signal.SIGSTOP)
    run.pause(12, 14)
    run.fault("SIGCONT: the zombie goes on with its in-flight batch")
    os.kill(zombie.pid or 0, signal.SIGCONT)
    run.pause(1, 2)
