"""How fast the stream validator is, against PostgreSQL's COPY and against other ways to do it.

python streaming_pipeline/bench.py                                  # 1 million records
python streaming_pipeline/bench.py --records 100000 --records 10000000 --no-peers

It needs the stack (make up), where it makes a topic and databases of its own and deletes them. Every
contender starts cold, as a process of its own, with an empty database, and is timed until the
topic's last reading can be selected. docs/streaming-benchmark.md keeps the tables.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from threading import Event
from typing import Annotated, Any, NamedTuple

import psycopg2
import typer
from kafka import KafkaAdminClient, KafkaProducer

from local_stack import install
from local_stack.postgres import run_init_sql
from pipeline_console import StackError, run, stderr, table
from pipeline_settings import PROJECT_FOLDER, Settings
from streaming_pipeline.kafka_topic import ensure_topic
from streaming_pipeline.sensor_simulator import Sender, messages, send_all

SENSORS = {f"bench_{number}": f"warehouse_{number % 3}" for number in range(60)}
NAIVE_RECORDS = 20_000  # it takes minutes for more, at the same rate
TIMEOUT_SECONDS = 3600
REPORT = PROJECT_FOLDER / "docs/streaming-benchmark.md"
PEER_PACKAGES = ["quixstreams[postgresql]==3.28.1", "bytewax==0.21.1", "confluent-kafka==2.12.2"]
HEADERS = ["contender", "records", "s", "records/s", "of COPY", "CPU s", "peak MB", "delivery"]

app = typer.Typer(help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False)


class Cost(NamedTuple):
    """What one contender took; CPU and memory are its own processes', not the servers'."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


class Place(NamedTuple):
    """A topic and an empty database, and the environment that leads a process there."""

    topic: str
    login: dict[str, Any]
    environment: dict[str, str]


# --- Topics and databases -------------------------------------------------------------------------


def load(bootstrap: str, records: int) -> str:
    """Make a topic of readings as the simulator sends them (8 % faulty, 1 % twice)."""
    topic = f"bench_{records}_{os.getpid()}"
    ensure_topic(bootstrap, topic)
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, batch_size=128 * 1024)
    sender = Sender(producer, topic)
    begin = time.monotonic()
    with stderr.status(f"loading {records} records into {topic}"):
        send_all(sender, messages(1, SENSORS), rate=0, duration=None, count=records, stop=Event())
        producer.flush()
    producer.close()
    if sender.acknowledged.total() != records:
        raise StackError(f"Kafka acknowledged {sender.acknowledged.total()} of {records} records.")
    rate = records / (time.monotonic() - begin)
    stderr.print(f"{topic} holds {records} records; {rate:.0f}/s were acknowledged")
    return topic


@contextmanager
def fresh(topic: str, settings: Settings) -> Iterator[Place]:
    """An empty database for one contender."""
    name = f"bench_{os.getpid()}"
    login = settings.timescale | {"dbname": name}
    run_init_sql(login, ["init_timescale.sql"])
    environment = os.environ | {
        "TIMESCALE_DATABASE": name,
        "PYTHONPATH": str(PROJECT_FOLDER),
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
    }
    yield Place(topic, login, environment)
    with closing(psycopg2.connect(**settings.timescale)) as admin:
        admin.autocommit = True
        admin.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- Timing ---------------------------------------------------------------------------------------


def time_processes(commands: list[list[str]], place: Place, until: Callable[[], bool]) -> Cost:
    """Start the processes at once, end them when `until` is true; their cost up to there."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the processes
    begin = time.monotonic()
    processes = [
        subprocess.Popen(command, env=place.environment, stdout=log, stderr=log)
        for command in commands
    ]
    try:
        while not until():
            if any(process.poll() for process in processes) or too_long(begin):
                log.seek(0)
                raise StackError(f"{commands[0]} failed: {log.read().decode()[-2000:]}")
            time.sleep(0.02)
        seconds = time.monotonic() - begin
    finally:
        costs = [end(process) for process in processes]
    return Cost(seconds, sum(cpu for cpu, _ in costs), max(peak for _, peak in costs))


def too_long(begin: float) -> bool:
    """Whether a contender has had its time."""
    return time.monotonic() - begin > TIMEOUT_SECONDS


def end(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """End a process; its CPU seconds and its peak memory in MB."""
    if process.poll() is None:
        process.terminate()
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@contextmanager
def asking(place: Place) -> Iterator[Callable[..., Any]]:
    """A function that runs a query on the place's database and gives the first value."""
    with closing(psycopg2.connect(**place.login)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()

        def ask(query: str, *values: object) -> Any:
            cursor.execute(query, values)
            return (cursor.fetchone() or [None])[0]

        yield ask


# --- Contenders -----------------------------------------------------------------------------------

COUNT_OFFSETS = "SELECT coalesce(sum(records), 0) FROM stream_offsets"
LAST_READINGS = """
SELECT array_agg(time), array_agg(sensor_id) FROM (
    SELECT DISTINCT ON (partition) time, sensor_id FROM sensor_readings
    WHERE topic IS NOT NULL ORDER BY partition, "offset" DESC) AS last"""
ALL_THERE = """
SELECT count(*) FROM unnest(%s::timestamptz[], %s::text[]) AS last (time, sensor_id)
JOIN sensor_readings USING (time, sensor_id)"""
TABLES = ("sensor_readings", "sensor_readings_invalid")


class Reference(NamedTuple):
    """What the validator has stored of a topic: by it the others are timed and loaded."""

    last_times: list[datetime]
    last_sensors: list[str]
    rows: Path


def time_validator(place: Place, records: int, validators: int = 1) -> Cost:
    """Ours, from a cold start until every record is accounted for."""
    script = str(PROJECT_FOLDER / "streaming_pipeline/stream_validator.py")
    command = [sys.executable, script, "--topic", place.topic, "--group", place.topic]
    with asking(place) as ask:
        return time_processes([command] * validators, place, lambda: ask(COUNT_OFFSETS) == records)


def keep_reference(place: Place, folder: Path) -> Reference:
    """Take the judged rows out of the database that the validator has filled."""
    with closing(psycopg2.connect(**place.login)) as connection, connection.cursor() as cursor:
        cursor.execute(LAST_READINGS)
        times, sensors = cursor.fetchone() or ([], [])
        for name in TABLES:
            with (folder / name).open("wb") as file:
                query = f"SELECT * FROM {name} WHERE topic IS NOT NULL"  # noqa: S608 - constants
                cursor.copy_expert(f"COPY ({query}) TO STDOUT", file)
    return Reference(times, sensors, folder)


def time_copy(place: Place, reference: Reference) -> Cost:
    """The limit: COPY the judged rows into the same two tables."""
    orders = [f"\\copy {name} FROM '{reference.rows / name}'" for name in TABLES]
    login = " ".join(f"{key}={value}" for key, value in place.login.items())
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", login]
    return time_to_end([*command, *(f"-c{order}" for order in orders)], place)


def time_to_end(command: list[str], place: Place) -> Cost:
    """A process that ends by itself."""
    begin = time.monotonic()
    process = subprocess.Popen(command, env=place.environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise StackError(f"{command} failed.")
    cpu = used.ru_utime + used.ru_stime
    return Cost(time.monotonic() - begin, cpu, used.ru_maxrss / 1024)


def time_peer(name: str, place: Place, reference: Reference) -> Cost:
    """Another way to do it, in an environment of its own, until the last readings are there."""
    command = [str(peers_python()), str(Path(__file__).with_name("bench_peers.py"))]
    with asking(place) as ask:
        there = partial(ask, ALL_THERE, reference.last_times, reference.last_sensors)
        wanted = len(reference.last_times)
        return time_processes([[*command, name, place.topic]], place, lambda: there() == wanted)


def peers_python() -> Path:
    """The Python of the peers' environment, made on first use."""
    folder = install.cache_folder() / "bench-stream"
    python = folder / "bin/python"
    if not (folder / "done").exists():
        stderr.print("Installing the peers into an environment of their own")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["uv", "venv", "--quiet", folder], check=True)
        own = ["kafka-python[crc32c,lz4]", "psycopg2-binary", "msgspec", "pydantic-settings"]
        pip = ["uv", "pip", "install", "--quiet", "--python", python]
        subprocess.run([*pip, *PEER_PACKAGES, *own], check=True)
        (folder / "done").touch()
    return python
