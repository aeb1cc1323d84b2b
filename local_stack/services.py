"""The seven services as plain processes: docker-compose.yml in other clothes.

`services()` is the table; postgres.py, kafka.py and airflow.py beside this file have what each kind
of service needs on disk. tests/compose/ checks that this table and docker-compose.yml say the same.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from local_stack import LOCALHOST, airflow, install, kafka, postgres
from pipeline_settings import SENSOR_TOPIC_PARTITIONS, Settings

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


def database(
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
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    initialised = data / "initialised"

    def healthy() -> bool:
        psycopg2.connect(**{**login, "dbname": "postgres", "connect_timeout": 2}).close()
        if not initialised.exists():
            postgres.run_init_sql(login, init_sql, environment)
            initialised.touch()
        return True

    return Service(
        name=name,
        command=postgres.command(bin_folder, data, login["port"], options),
        port=int(str(login["port"])),
        port_variable=port_variable,
        healthy=healthy,
        prepare=lambda: postgres.make_cluster(bin_folder, data, login, user),
        environment=environment,
        user=user,
        stop_signal="INT",  # "fast": end sessions, write everything down, stop
        stop_seconds=60,
    )


def services(settings: Settings, folder: Path, logs: Path) -> list[Service]:
    """Every service of the stack, in the order of docker-compose.yml."""
    data = folder / "data"
    airflow_home = folder / "airflow"
    airflow_settings = airflow.environment(settings, airflow_home, logs)
    connections = airflow_home / "connections.json"

    def airflow_parts_are_healthy(*parts: str) -> bool:
        health = airflow.health(settings)
        return all(health[part]["status"] == "healthy" for part in parts)

    return [
        database(
            "my_postgres",
            bin_folder=install.DEBIAN_POSTGRES,
            data=data / "postgres",
            login=settings.postgres | {"host": LOCALHOST},
            port_variable="PGPORT",
            init_sql=["init_postgres.sql", "init_airflow_db.sql"],
            options={},
            environment={"AIRFLOW_DB_PASSWORD": settings.airflow_db_password},
        ),
        database(
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
            command=kafka.java(
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
            healthy=lambda: kafka.zookeeper_is_ok(settings.zookeeper_port),
        ),
        Service(
            name="my_kafka",
            command=kafka.java(
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
            healthy=lambda: kafka.create_topic(f"{LOCALHOST}:{settings.kafka_port}"),
        ),
        Service(
            name="airflow_init",
            command=shell(
                # --overwrite: PGPORT may have moved since the last start.
                f"airflow db migrate && airflow connections import --overwrite {connections}"
            ),
            depends_on=("my_postgres",),
            prepare=lambda: airflow.write_files(settings, airflow_home),
            environment=airflow_settings,
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
            environment=airflow_settings,
            healthy=lambda: airflow_parts_are_healthy("metadatabase"),
        ),
        Service(
            name="airflow_scheduler",
            command=["bash", str(install.HERE / "airflow_scheduler.sh")],
            depends_on=("airflow_webserver",),
            environment=airflow_settings,
            healthy=lambda: airflow_parts_are_healthy("scheduler", "dag_processor"),
        ),
    ]


def shell(line: str) -> list[str]:
    """A shell command; `line` holds only this project's own values."""
    return ["bash", "-c", line]
