"""What verify_setup.py looks at: what each service should be, and what to do if it is not."""

import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import httpx
import psycopg2
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline_common.console import counted
from pipeline_common.database import connect
from pipeline_common.errors import StackError
from pipeline_common.settings import DAG_ID, SENSOR_TOPIC, SENSOR_TOPIC_PARTITIONS, Settings
from python_scripts.airflow_api import sign_in

FAULTS = (StackError, psycopg2.Error, KafkaError, httpx.HTTPError, OSError)


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


def _row(login: dict[str, Any], query: str) -> tuple[Any, ...]:
    with closing(connect(login, "verify_setup")) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        return cursor.fetchone() or (None, None)


def samples_and_more(table: str, counts: tuple[int, ...], promised: int) -> str:
    """How many rows are samples and how many were added, from the counts of samples and of all."""
    samples, rows = counts
    found = f"{table}: {rows} rows = {samples} samples + {rows - samples} from pipelines"
    return expect(samples == promised, found)


def postgres_version(settings: Settings) -> str:
    """The server's version and address."""
    version = _row(settings.reader(settings.postgres), "SHOW server_version")[0].split()[0]
    return f"PostgreSQL {version} on {settings.pghost}:{settings.pgport}"


def raw_rows(settings: Settings) -> str:
    """The 4 sample rows are there; pipelines add to them."""
    counts = _row(
        settings.reader(settings.postgres),
        "SELECT count(*) FILTER (WHERE batch_id = 'sample'), count(*) FROM raw_products",
    )
    return samples_and_more("raw_products", counts, promised=4)


def timescale_version(settings: Settings) -> str:
    """The extension's version, edition and address."""
    version, edition = _row(
        settings.reader(settings.timescale),
        """SELECT extversion, current_setting('timescaledb.license')
           FROM pg_extension WHERE extname = 'timescaledb'""",
    )
    expect(version is not None, "the extension timescaledb is not installed in the database")
    address = f"{settings.timescale_host}:{settings.timescale_port}"
    return f"TimescaleDB {version}, {edition} edition, on {address}"


def hypertables(settings: Settings) -> str:
    """Both tables of readings are hypertables."""
    names = _row(
        settings.reader(settings.timescale),
        """SELECT string_agg(hypertable_name, ', ' ORDER BY hypertable_name)
           FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public'""",
    )[0]
    wanted = {"sensor_readings", "sensor_readings_invalid"}
    return expect(wanted <= set((names or "").split(", ")), f"hypertables: {names or 'none'}")


def reading_rows(settings: Settings) -> str:
    """The 1000 sample readings, which have no topic, are there; pipelines add to them."""
    counts = _row(
        settings.reader(settings.timescale),
        "SELECT count(*) FILTER (WHERE topic IS NULL), count(*) FROM sensor_readings",
    )
    return samples_and_more("sensor_readings", counts, promised=1000)


def zookeeper(settings: Settings) -> str:
    """The version that ZooKeeper reports."""
    address = ("localhost", settings.zookeeper_port)
    try:
        with socket.create_connection(address, timeout=3) as line:
            line.sendall(b"srvr")
            answer = line.makefile().readline()
    except OSError as error:
        raise StackError(f"nothing answers on localhost:{address[1]} ({error})") from error
    expect(answer.startswith("Zookeeper version"), f"answered: {answer.strip() or 'nothing'}")
    return f"ZooKeeper {answer.split()[2].split('-')[0]} on localhost:{address[1]}"


def kafka(settings: Settings) -> str:
    """The broker answers at the address that it advertises to its clients."""
    with _admin(settings) as admin:
        brokers = admin.describe_cluster()["brokers"]
        version = admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version
    addresses = ", ".join(f"{broker['host']}:{broker['port']}" for broker in brokers)
    count = counted(len(brokers), "broker")
    return f"Kafka {'.'.join(map(str, version))}, {count}, advertised as {addresses}"


def topic(settings: Settings) -> str:
    """The sensor topic has its partitions."""
    with _admin(settings) as admin:
        expect(SENSOR_TOPIC in admin.list_topics(), f"there is no topic {SENSOR_TOPIC}")
        count = len(admin.describe_topics([SENSOR_TOPIC])[0]["partitions"])
    found = f"topic {SENSOR_TOPIC}: {counted(count, 'partition')}"
    return expect(count == SENSOR_TOPIC_PARTITIONS, found)


def _admin(settings: Settings) -> Any:
    address = settings.kafka_bootstrap_servers
    return closing(KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=3000))


def airflow_database(settings: Settings) -> str:
    """airflow_init has made Airflow's tables and the connection that the DAG uses."""
    login = {
        "user": "airflow_user",
        "password": settings.airflow_db_password,
        "dbname": "airflow_db",
    }
    host, port = _row(
        settings.postgres | login,
        "SELECT host, port FROM connection WHERE conn_id = 'postgres_default'",
    )
    expect(host is not None, "Airflow has no connection postgres_default")
    return f"airflow_db exists; postgres_default connects to {host}:{port}"


def airflow_web(settings: Settings) -> str:
    """The web server lets the user in."""
    with closing(sign_in(settings)) as airflow:
        version = airflow.get("/api/v2/version").raise_for_status().json()["version"]
    return f"Airflow {version} at {settings.airflow_url}, login {settings.airflow_user}"


def airflow_parts(settings: Settings) -> str:
    """Scheduler and DAG processor have both reported lately."""
    with closing(sign_in(settings)) as airflow:
        health = airflow.get("/api/v2/monitor/health").raise_for_status().json()
    parts = {part: health[part]["status"] for part in ("scheduler", "dag_processor")}
    reported = ", ".join(f"{part} {status}" for part, status in parts.items())
    return expect(set(parts.values()) == {"healthy"}, reported)


def airflow_dag(settings: Settings) -> str:
    """Airflow has read the DAG file without an error."""
    with closing(sign_in(settings)) as airflow:
        answer = airflow.get(f"/api/v2/dags/{DAG_ID}")
    expect(answer.status_code == httpx.codes.OK, f"Airflow does not list the DAG {DAG_ID} (yet)")
    return f"DAG {DAG_ID} is {'paused' if answer.json()['is_paused'] else 'switched on'}"


START = "make up starts it; make logs SERVICE={service} says why it stopped"
INIT_SQL = "the init SQL did not run to its end; make logs SERVICE={service} says why"
CHECKS = [
    Check("my_postgres", postgres_version, START),
    Check("my_postgres", raw_rows, INIT_SQL),
    Check("my_timescaledb", timescale_version, START),
    Check("my_timescaledb", hypertables, INIT_SQL),
    Check("my_timescaledb", reading_rows, INIT_SQL),
    Check("my_zookeeper", zookeeper, START),
    Check("my_kafka", kafka, START),
    Check("my_kafka", topic, "make restart SERVICE={service} creates the topic"),
    Check("airflow_init", airflow_database, "make restart SERVICE={service} runs it again"),
    Check("airflow_webserver", airflow_web, START),
    Check("airflow_scheduler", airflow_parts, START),
    Check("airflow_scheduler", airflow_dag, "wait a minute, then make logs SERVICE={service}"),
]
