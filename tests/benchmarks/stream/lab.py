"""Where the benchmark happens: empty databases on servers of its own, and timed processes."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil
import psycopg2

from local_stack.kafka_jars import kafka_jars
from local_stack.stack import Stack
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER
from tests.databases import as_admin, make_database

TIMEOUT_SECONDS = 3600
LOOK_SECONDS = 0.02


class Cost(NamedTuple):
    """What a contender took, from its cold start until all of the topic is stored."""

    seconds: float
    cpu_seconds: float  # of its own processes
    database_cpu_seconds: float
    peak_mb: float  # of its largest process


class Place(NamedTuple):
    """A topic, an empty database, and the servers that hold them."""

    stack: Stack
    topic: str
    login: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a script of this project here."""
        database = {"TIMESCALE_DATABASE": str(self.login["dbname"])}
        return self.stack.environment | database | {"PYTHONPATH": str(PROJECT_FOLDER)}


@contextmanager
def empty_database(stack: Stack, topic: str) -> Iterator[Place]:
    """A database with the project's tables for one contender; dropped at the end."""
    login = stack.settings.timescale | {"dbname": "bench"}
    make_database(stack, "my_timescaledb", "bench")
    # Quix Streams makes a schema, and Kafka Connect a table of its own.
    run_sql(as_admin(login), f"GRANT CREATE ON DATABASE bench TO {login['user']}")
    run_sql(as_admin(login), f"GRANT CREATE ON SCHEMA public TO {login['user']}")
    try:
        run_sql(as_admin(login), "CHECKPOINT")  # nobody pays for what those before have written
        yield Place(stack, topic, login)
    finally:
        run_sql(as_admin(stack.settings.timescale), "DROP DATABASE bench WITH (FORCE)")


def server_versions(stack: Stack) -> str:
    """The versions of the servers that all contenders use."""
    query = """SELECT 'PostgreSQL ' || current_setting('server_version') || ', TimescaleDB ' ||
               extversion FROM pg_extension WHERE extname = 'timescaledb'"""
    with closing(psycopg2.connect(**stack.settings.timescale)) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        kafka = next(kafka_jars().glob("kafka-clients-*.jar")).stem.rpartition("-")[2]
        return f"{cursor.fetchone()[0]}, Kafka {kafka}"


def run_sql(login: dict[str, Any], statement: str) -> None:
    """Run one statement outside of a transaction."""
    with closing(psycopg2.connect(**login)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


@contextmanager
def asking(place: Place) -> Iterator[Callable[..., Any]]:
    """A function that runs a query in the place's database and returns the first value."""
    with closing(psycopg2.connect(**place.login)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()

        def ask(query: str, *values: object) -> Any:
            cursor.execute(query, values)
            return (cursor.fetchone() or [None])[0]

        yield ask


def time_processes(
    place: Place, commands: list[list[str]], done: Callable[[], bool] | None = None
) -> Cost:
    """Start processes at once; end them when `done` says so, or wait until they end on their own.

    Raises StackError, with their last output, if one of them fails.
    """
    with tempfile.TemporaryFile() as log, running(place, commands, log) as processes:
        begin = time.monotonic()
        server_before = database_cpu(place.stack)
        peak = 0.0
        while not (done() if done else all(map(has_ended, processes))):
            peak = max(peak, *map(peak_mb, processes))
            if (done and any(map(has_ended, processes))) or too_long(begin):
                raise StackError(f"{commands[0]} failed: {last_words(log)}")
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - begin
        server_cpu = database_cpu(place.stack) - server_before
        own_cpu = sum(map(cpu, processes))
        if not done and any(process.wait() for process in processes):
            raise StackError(f"{commands[0]} failed: {last_words(log)}")
    return Cost(seconds, own_cpu, server_cpu, peak)


@contextmanager
def running(
    place: Place, commands: list[list[str]], log: IO[bytes] | int = subprocess.DEVNULL
) -> Iterator[list[psutil.Popen]]:
    """Processes that are led to the place, and ended when the block is left."""
    processes = [
        psutil.Popen(command, env=place.environment, cwd=PROJECT_FOLDER, stdout=log, stderr=log)
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
            process.wait()


def has_ended(process: psutil.Popen) -> bool:
    """Whether it has ended; it is not waited for, so its CPU seconds can still be read."""
    return bool(process.status() == psutil.STATUS_ZOMBIE)


def too_long(begin: float) -> bool:
    """Whether a contender has had its time."""
    return time.monotonic() - begin > TIMEOUT_SECONDS


def last_words(log: IO[bytes]) -> str:
    """The end of what the processes have printed."""
    log.seek(0)
    return log.read().decode(errors="replace")[-2000:]


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and of the children that it has waited for."""
    return float(sum(process.cpu_times()[:4]))


def database_cpu(stack: Stack) -> float:
    """CPU seconds of TimescaleDB: of its sessions, past and present, and of its own workers."""
    server = psutil.Process(stack.pid("my_timescaledb"))
    while True:
        past = cpu(server)
        present = 0.0
        for session in server.children():
            with suppress(psutil.NoSuchProcess):
                present += cpu(session)
        if cpu(server) == past:  # else one has ended in between, and would be in neither
            return past + present


def peak_mb(process: psutil.Process) -> float:
    """The peak memory of a process so far (Linux only)."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
