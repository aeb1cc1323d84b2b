"""The seven services as plain processes: docker-compose.yml in other clothes.

`services()` at the end is the table; the functions above it write what a service needs on disk.
tests/compose/ checks that this file and docker-compose.yml say the same.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from local_stack import install
from pipeline_console import StackError
from pipeline_settings import (
    PROJECT_FOLDER,
    SENSOR_TOPIC,
    SENSOR_TOPIC_PARTITIONS,
    Settings,
)

LOCALHOST = "127.0.0.1"
Environment = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One line of the table, as supervisord runs it."""

    name: str
    command: list[str]
    #: asked until it says yes; may raise what a service that is still starting causes
    healthy: Callable[[], bool]
    #: published on 127.0.0.1; `port_variable` is the setting that moves it
    port: int | None = None
    port_variable: str = ""
    depends_on: tuple[str, ...] = ()
    #: run before every start: writes configuration, makes the data folder on first use
    prepare: Callable[[], None] = lambda: None
    environment: Environment = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    #: runs to its end and must leave 0, like airflow_init
    one_shot: bool = False


# --- PostgreSQL, plain and with TimescaleDB -------------------------------------------------------


def postgres(
    name: str,
    *,
    bin_folder: Path,
    data: Path,
    login: dict[str, Any],
    port_variable: str,
    init_sql: list[str],
    options: dict[str, str],
    environment: Environment,
) -> Service:
    """A PostgreSQL server whose init SQL runs on first start, as the Docker images do it."""
    user = "postgres" if os.geteuid() == 0 else None
    initialised = data / "initialised"

    def prepare() -> None:
        if (data / "PG_VERSION").exists():
            return
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        initdb = [str(bin_folder / "initdb"), "--pgdata", str(data), f"--username={login['user']}"]
        flags = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(login["password"])
            password.flush()
            if user:
                shutil.chown(data, user)
                shutil.chown(password.name, user)
            subprocess.run(
                [*_as_user(user), *initdb, *flags, f"--pwfile={password.name}"],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd="/",
            )

    def healthy() -> bool:
        psycopg2.connect(**{**login, "dbname": "postgres", "connect_timeout": 2}).close()
        if not initialised.exists():
            run_init_sql(login, init_sql, environment)
            initialised.touch()
        return True

    settings = {
        "port": login["port"],
        "listen_addresses": LOCALHOST,
        "unix_socket_directories": "",
        "timezone": "UTC",
        **options,
    }
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    return Service(
        name=name,
        command=[str(bin_folder / "postgres"), "-D", str(data), *flags],
        port=int(str(login["port"])),
        port_variable=port_variable,
        healthy=healthy,
        prepare=prepare,
        environment=environment,
        user=user,
        stop_signal="INT",  # "fast": end sessions, write everything down, stop
        stop_seconds=60,
    )


def _as_user(user: str | None) -> list[str]:
    return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"] if user else []


def run_init_sql(
    login: dict[str, Any], files: list[str], variables: Environment | None = None
) -> None:
    """Make the login's database if it is missing and run the init SQL in it; repeatable."""
    environment = (
        os.environ
        | (variables or {})
        | {
            "PGHOST": str(login["host"]),
            "PGPORT": str(login["port"]),
            "PGUSER": str(login["user"]),
            "PGPASSWORD": str(login["password"]),
        }
    )
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"]
    create = """SELECT format('CREATE DATABASE %I', :'name')
        WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec"""
    steps = [([*psql, "postgres", "-v", f"name={login['dbname']}"], create)]
    for file in files:
        steps.append(([*psql, login["dbname"], "-f", str(PROJECT_FOLDER / "sql" / file)], ""))
    for command, text in steps:
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"{' '.join(command)} failed: {done.stderr.strip()}")


# --- ZooKeeper and Kafka --------------------------------------------------------------------------


def java(main_class: str, config: Path, properties: dict[str, object], heap: str) -> list[str]:
    """The command that runs a Java server, with its configuration written to `config`."""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    log4j = install.HERE / "log4j.properties"
    classes = f"{install.kafka_jars()}/*"
    flags = [f"-Xmx{heap}", "-XX:+UseG1GC", f"-Dlog4j.configuration=file:{log4j}"]
    return ["java", *flags, "-cp", classes, main_class, str(config)]


def create_topic(bootstrap: str) -> bool:
    """Make sure that the sensor topic is there; False while the broker is still starting."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    except KafkaError:
        return False
    try:
        if SENSOR_TOPIC not in admin.list_topics():
            admin.create_topics({SENSOR_TOPIC: {"num_partitions": SENSOR_TOPIC_PARTITIONS}})
    except TopicAlreadyExistsError:
        return True
    except KafkaError:
        return False
    finally:
        admin.close()
    return True


# --- Airflow --------------------------------------------------------------------------------------


def airflow_environment(settings: Settings, home: Path, logs: Path) -> Environment:
    """What docker-compose.yml sets under x-airflow-common, for this machine's paths."""
    database = (
        f"airflow_user:{settings.airflow_db_password}@{LOCALHOST}:{settings.pgport}/airflow_db"
    )
    api = f"http://{LOCALHOST}:{settings.airflow_port}"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{settings.airflow_port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": settings.airflow_jwt_secret,
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_FOLDER / "dags"),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": settings.airflow_fernet_key,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_FOLDER / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{settings.airflow_user}:admin",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT_FOLDER),
    }


def write_airflow_files(settings: Settings, home: Path) -> None:
    """The login, and the connection that the DAG uses, as airflow_init imports it."""
    home.mkdir(parents=True, exist_ok=True)
    passwords = {settings.airflow_user: settings.airflow_password}
    (home / "passwords.json").write_text(json.dumps(passwords))
    connection = {
        "conn_type": "postgres",
        "host": settings.pghost,
        "port": settings.pgport,
        "login": settings.pguser,
        "password": settings.pgpassword,
        "schema": settings.pgdatabase,
    }
    (home / "connections.json").write_text(json.dumps({"postgres_default": connection}))


def airflow_health(settings: Settings) -> dict[str, dict[str, str | None]]:
    """What Airflow says of its parts; its HTTP status is 200 even when one is ill."""
    url = f"http://{LOCALHOST}:{settings.airflow_port}/api/v2/monitor/health"
    answer: dict[str, dict[str, str | None]] = httpx.get(url, timeout=5).json()
    return answer


# --- The table ------------------------------------------------------------------------------------


def services(settings: Settings, folder: Path, logs: Path) -> list[Service]:
    """Every service of the stack, in the order of docker-compose.yml."""
    data = folder / "data"
    airflow_home = folder / "airflow"
    airflow = airflow_environment(settings, airflow_home, logs)
    connections = airflow_home / "connections.json"

    def airflow_parts_are_healthy(*parts: str) -> bool:
        health = airflow_health(settings)
        return all(health[part]["status"] == "healthy" for part in parts)

    return [
        postgres(
            "my_postgres",
            bin_folder=install.DEBIAN_POSTGRES,
            data=data / "postgres",
            login=settings.postgres | {"host": LOCALHOST},
            port_variable="PGPORT",
            init_sql=["init_postgres.sql", "init_airflow_db.sql"],
            options={},
            environment={"AIRFLOW_DB_PASSWORD": settings.airflow_db_password},
        ),
        postgres(
            "my_timescaledb",
            bin_folder=install.timescale_bin(),
            data=data / "timescaledb",
            login=settings.timescale | {"host": LOCALHOST},
            port_variable="TIMESCALE_PORT",
            init_sql=["init_timescale.sql"],
            options={
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
            },
            environment={},
        ),
        Service(
            name="my_zookeeper",
            command=java(
                "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                folder / "config/zookeeper.properties",
                {
                    "dataDir": data / "zookeeper",
                    "clientPort": settings.zookeeper_port,
                    "clientPortAddress": LOCALHOST,
                    "admin.enableServer": "false",
                    "4lw.commands.whitelist": "ruok,srvr",
                },
                heap="256m",
            ),
            port=settings.zookeeper_port,
            port_variable="ZOOKEEPER_PORT",
            healthy=lambda: zookeeper_is_ok(settings.zookeeper_port),
        ),
        Service(
            name="my_kafka",
            command=java(
                "kafka.Kafka",
                folder / "config/kafka.properties",
                {
                    "broker.id": 1,
                    "zookeeper.connect": f"{LOCALHOST}:{settings.zookeeper_port}",
                    # A broker that was killed can register again once its old session has ended.
                    "zookeeper.session.timeout.ms": 6000,
                    "listeners": f"PLAINTEXT://{LOCALHOST}:{settings.kafka_port}",
                    "advertised.listeners": f"PLAINTEXT://localhost:{settings.kafka_port}",
                    "log.dirs": data / "kafka",
                    "num.partitions": SENSOR_TOPIC_PARTITIONS,
                    "offsets.topic.replication.factor": 1,
                    "transaction.state.log.replication.factor": 1,
                    "transaction.state.log.min.isr": 1,
                    "group.initial.rebalance.delay.ms": 0,
                },
                heap="1g",
            ),
            port=settings.kafka_port,
            port_variable="KAFKA_PORT",
            depends_on=("my_zookeeper",),
            healthy=lambda: create_topic(f"{LOCALHOST}:{settings.kafka_port}"),
        ),
        Service(
            name="airflow_init",
            command=shell(f"airflow db migrate && airflow connections import {connections}"),
            depends_on=("my_postgres",),
            prepare=lambda: write_airflow_files(settings, airflow_home),
            environment=airflow,
            healthy=lambda: True,
            one_shot=True,
        ),
        Service(
            name="airflow_webserver",
            command=shell(
                f"exec airflow api-server --host {LOCALHOST} --port {settings.airflow_port} "
                "--workers 1"
            ),
            port=settings.airflow_port,
            port_variable="AIRFLOW_PORT",
            depends_on=("airflow_init",),
            environment=airflow,
            healthy=lambda: airflow_parts_are_healthy("metadatabase"),
        ),
        Service(
            name="airflow_scheduler",
            command=["bash", str(install.HERE / "airflow_scheduler.sh")],
            depends_on=("airflow_webserver",),
            environment=airflow,
            healthy=lambda: airflow_parts_are_healthy("scheduler", "dag_processor"),
        ),
    ]


def shell(line: str) -> list[str]:
    """A shell command; `line` holds only this project's own values."""
    return ["bash", "-c", line]


def zookeeper_is_ok(port: int) -> bool:
    """Whether ZooKeeper answers "imok" to "ruok", the check of its own documentation."""
    line = f"exec 3<>/dev/tcp/{LOCALHOST}/{port} && echo -n ruok >&3 && timeout 2 cat <&3"
    answer = subprocess.run(shell(line), capture_output=True, text=True, check=False)
    return answer.stdout == "imok"


def command_line(service: Service) -> str:
    """The service's command as one line; supervisord wants % doubled."""
    return shlex.join(service.command).replace("%", "%%")
