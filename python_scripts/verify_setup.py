"""Check that every service of the stack is there and holds what a fresh stack promises.

\b
python python_scripts/verify_setup.py           # now; exit 0 if all is well, else 1
python python_scripts/verify_setup.py --wait    # until all is well, five minutes at most
"""

import json
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Any, NamedTuple

import httpx
import psycopg2
import typer
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline_console import StackError, run, stderr, table
from pipeline_settings import SENSOR_TOPIC, SENSOR_TOPIC_PARTITIONS, Settings
from python_scripts.airflow_api import sign_in
from python_scripts.drawing import tick

WAIT_SECONDS = 300
DAG_ID = "product_batch_pipeline"
FAULTS = (StackError, psycopg2.Error, KafkaError, httpx.HTTPError, OSError)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Outcome(NamedTuple):
    """One check: what was found, or what is wrong and what to do next."""

    service: str
    passed: bool
    found: str
    next_step: str


class Check(NamedTuple):
    """`look` returns what it found, or raises one of FAULTS if that is not what it should be."""

    service: str
    look: Callable[[Settings], str]
    next_step: str


def expect(holds: bool, found: str) -> str:
    """Return what was found; raises StackError if it is not what it should be."""
    if not holds:
        raise StackError(found)
    return found


def _value(login: dict[str, Any], query: str) -> Any:
    with closing(psycopg2.connect(**login, connect_timeout=3)) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        (value,) = cursor.fetchone() or (None,)
        return value


def postgres_version(settings: Settings) -> str:
    """The server's version and address."""
    version = _value(settings.postgres, "SHOW server_version")
    return f"PostgreSQL {version.split()[0]} on {settings.pghost}:{settings.pgport}"


def raw_rows(settings: Settings) -> str:
    """At least the 4 sample rows."""
    rows = _value(settings.postgres, "SELECT count(*) FROM raw_products")
    return expect(rows >= 4, f"raw_products has {rows} rows (4 on a fresh stack)")


def timescale_version(settings: Settings) -> str:
    """The extension's version, edition and address."""
    version = _value(
        settings.timescale,
        """SELECT extversion || ', ' || current_setting('timescaledb.license') || ' edition'
           FROM pg_extension WHERE extname = 'timescaledb'""",
    )
    expect(version is not None, "the extension timescaledb is not installed in the database")
    return f"TimescaleDB {version}, on {settings.timescale_host}:{settings.timescale_port}"


def hypertables(settings: Settings) -> str:
    """Both tables of readings are hypertables."""
    names = _value(
        settings.timescale,
        """SELECT string_agg(hypertable_name, ', ' ORDER BY hypertable_name)
           FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public'""",
    )
    wanted = ("sensor_readings", "sensor_readings_invalid")
    return expect(set(wanted) <= set((names or "").split(", ")), f"hypertables: {names}")


def reading_rows(settings: Settings) -> str:
    """At least the 1000 sample readings."""
    rows = _value(settings.timescale, "SELECT count(*) FROM sensor_readings")
    return expect(rows >= 1000, f"sensor_readings has {rows} rows (1000 on a fresh stack)")


def zookeeper(settings: Settings) -> str:
    """The version that ZooKeeper tells of itself."""
    with socket.create_connection(("localhost", settings.zookeeper_port), timeout=3) as line:
        line.sendall(b"srvr")
        answer = line.makefile().readline()
    expect(answer.startswith("Zookeeper version"), f"answered: {answer.strip() or 'nothing'}")
    version = answer.split()[2].split("-")[0]
    return f"ZooKeeper {version} on localhost:{settings.zookeeper_port}"


def kafka(settings: Settings) -> str:
    """The broker answers under the address that it tells its clients."""
    with _admin(settings) as admin:
        cluster = admin.describe_cluster()
    addresses = ", ".join(f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"])
    return f"Kafka with {len(cluster['brokers'])} broker, advertised as {addresses}"


def topic(settings: Settings) -> str:
    """The sensor topic has its partitions."""
    with _admin(settings) as admin:
        expect(SENSOR_TOPIC in admin.list_topics(), f"there is no topic {SENSOR_TOPIC}")
        count = len(admin.describe_topics([SENSOR_TOPIC])[0]["partitions"])
    return expect(count == SENSOR_TOPIC_PARTITIONS, f"topic {SENSOR_TOPIC} has {count} partitions")


def _admin(settings: Settings) -> Any:
    address = settings.kafka_bootstrap_servers
    return closing(KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=3000))


def airflow_connection(settings: Settings) -> str:
    """airflow_init has made the connection that the DAG uses."""
    with closing(sign_in(settings)) as airflow:
        answer = airflow.get("/api/v2/connections/postgres_default").raise_for_status().json()
    return f"connection postgres_default leads to {answer['host']}:{answer['port']}"


def airflow_web(settings: Settings) -> str:
    """The web server lets the user in."""
    with closing(sign_in(settings)) as airflow:
        version = airflow.get("/api/v2/version").raise_for_status().json()["version"]
    return f"Airflow {version} at {settings.airflow_url}, login {settings.airflow_user}"


def airflow_scheduler(settings: Settings) -> str:
    """Scheduler and DAG processor have both reported lately."""
    health = httpx.get(f"{settings.airflow_url}/api/v2/monitor/health", timeout=5).json()
    parts = {part: health[part]["status"] for part in ("scheduler", "dag_processor")}
    told = ", ".join(f"{part} {status}" for part, status in parts.items())
    return expect(set(parts.values()) == {"healthy"}, told)


def airflow_dag(settings: Settings) -> str:
    """Airflow has read the DAG file without an error."""
    with closing(sign_in(settings)) as airflow:
        answer = airflow.get(f"/api/v2/dags/{DAG_ID}")
    expect(answer.status_code == httpx.codes.OK, f"Airflow does not list the DAG {DAG_ID} (yet)")
    return f"DAG {DAG_ID} is {'paused' if answer.json()['is_paused'] else 'switched on'}"


START = "make up, then make logs SERVICE={service}"
AFRESH = "the init SQL did not run to its end: make logs SERVICE={service}"
CHECKS = [
    Check("my_postgres", postgres_version, START),
    Check("my_postgres", raw_rows, AFRESH),
    Check("my_timescaledb", timescale_version, START),
    Check("my_timescaledb", hypertables, AFRESH),
    Check("my_timescaledb", reading_rows, AFRESH),
    Check("my_zookeeper", zookeeper, START),
    Check("my_kafka", kafka, START),
    Check("my_kafka", topic, "make restart SERVICE={service}: the topic is made at start"),
    Check("airflow_init", airflow_connection, "make restart SERVICE={service}"),
    Check("airflow_webserver", airflow_web, START),
    Check("airflow_scheduler", airflow_scheduler, START),
    Check("airflow_scheduler", airflow_dag, "wait a minute, then make logs SERVICE={service}"),
]


def perform(check: Check, settings: Settings) -> Outcome:
    """Run one check and say how it went."""
    try:
        return Outcome(check.service, True, check.look(settings), "")
    except FAULTS as fault:
        reason = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        return Outcome(check.service, False, reason, check.next_step.format(service=check.service))


def verify(settings: Settings, wait_seconds: float) -> list[Outcome]:
    """Run all checks, those that failed again and again until `wait_seconds` are over."""
    deadline = time.monotonic() + wait_seconds
    outcomes = [perform(check, settings) for check in CHECKS]
    with stderr.status("") as status:
        while time.monotonic() < deadline and not all(outcome.passed for outcome in outcomes):
            late = sorted({outcome.service for outcome in outcomes if not outcome.passed})
            status.update(f"Waiting for {', '.join(late)}")
            time.sleep(1)
            outcomes = [
                outcome if outcome.passed else perform(check, settings)
                for check, outcome in zip(CHECKS, outcomes, strict=True)
            ]
    return outcomes


@app.command(help=__doc__)
def main(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all is well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every service, its version and what a fresh stack promises to hold."""
    outcomes = verify(Settings(), WAIT_SECONDS if wait else 0)
    if as_json:
        print(json.dumps([outcome._asdict() for outcome in outcomes]))
    else:
        rows = [(tick(passed), service, found) for service, passed, found, _ in outcomes]
        print(table(rows, ["", "service", "found"]))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    # A service that is down fails each of its checks: the first says what to do.
    for service, step in {o.service: o.next_step for o in reversed(failed)}.items():
        stderr.print(f"{service}: {step}", markup=False, soft_wrap=True)
    if failed:
        sys.exit(1)
    stderr.print("Everything is there.")


if __name__ == "__main__":
    run(app)
