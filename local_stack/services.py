"""The seven services as plain processes: the process equivalent of docker-compose.yml.

`services()` is the table; postgres.py, kafka.py and airflow.py in this folder have what each kind
of service needs on disk; monitoring.py has the three that MONITORING=1 adds.
tests/acceptance/compose/ checks that this table and docker-compose.yml say the same.
"""

from pathlib import Path

from local_stack import LOCALHOST, airflow, kafka, monitoring, postgres
from local_stack.account import airflow_account, give, service_account
from local_stack.kafka_jars import kafka_jars
from local_stack.service import Service
from local_stack.timescale import DEBIAN_POSTGRES, timescale_bin
from pipeline_common.console import stderr
from pipeline_common.settings import PROJECT_FOLDER, SENSOR_TOPIC_PARTITIONS, Settings


def services(settings: Settings, folder: Path, logs: Path) -> list[Service]:
    """Every service of the stack, in the order of docker-compose.yml."""
    data = folder / "data"
    airflow_home = folder / "airflow"
    airflow_settings = airflow.environment(settings, airflow_home, logs)
    kafka_address = f"{LOCALHOST}:{settings.kafka_port}"

    def prepare_java(data_folder: Path) -> None:
        kafka_jars()  # checked at each start
        data_folder.mkdir(parents=True, exist_ok=True)
        give(data_folder, service_account())

    def prepare_airflow() -> None:
        airflow.write_files(settings, airflow_home)
        for path in (airflow_home, logs):
            give(path, airflow_account())
        if airflow_account() != service_account():
            stderr.print(
                f"  Airflow runs as the user that called this: {service_account()} cannot read "
                "this clone or its Python.",
                soft_wrap=True,
            )

    def airflow_parts_are_healthy(*parts: str) -> bool:
        health = airflow.health(settings)
        return all(health[part]["status"] == "healthy" for part in parts)

    return [
        postgres.database(
            "my_postgres",
            bin_folder=DEBIAN_POSTGRES,
            data=data / "postgres",
            login=settings.admin(settings.postgres) | {"host": LOCALHOST},
            port_variable="PGPORT",
            init_sql=["roles.sql", "init_postgres.sql", "init_airflow_db.sql"],
            schema="pipeline_db",
            options={},
            sql_variables={
                "WRITER_USER": settings.pguser,
                "WRITER_PASSWORD": settings.pgpassword,
                "PIPELINE_READER_PASSWORD": settings.pipeline_reader_password,
                "AIRFLOW_DB_PASSWORD": settings.airflow_db_password,
            },
            backups=folder / "backups/my_postgres",
        ),
        postgres.database(
            "my_timescaledb",
            bin_folder=timescale_bin(),
            data=data / "timescaledb",
            login=settings.admin(settings.timescale) | {"host": LOCALHOST},
            port_variable="TIMESCALE_PORT",
            init_sql=["roles.sql", "init_timescale.sql"],
            schema="timeseries_db",
            options={
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
                "max_connections": "100",
                "autovacuum_max_workers": "3",
                "autovacuum_work_mem": "64MB",
            },
            sql_variables={
                "WRITER_USER": settings.timescale_user,
                "WRITER_PASSWORD": settings.timescale_password,
                "PIPELINE_READER_PASSWORD": settings.pipeline_reader_password,
            },
            backups=folder / "backups/my_timescaledb",
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
                    "4lw.commands.whitelist": "srvr",
                },
                heap="256m",
            ),
            port=settings.zookeeper_port,
            port_variable="ZOOKEEPER_PORT",
            prepare=lambda: prepare_java(data / "zookeeper"),
            user=service_account(),
            healthy=lambda: kafka.zookeeper_serves(settings.zookeeper_port),
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
            prepare=lambda: prepare_java(data / "kafka"),
            healthy=lambda: kafka.broker_answers(kafka_address),
            set_up=lambda: kafka.create_topic(kafka_address),
            user=service_account(),
        ),
        Service(
            name="airflow_init",
            command=shell(
                # --overwrite: PGPORT may have moved since the last start.
                "airflow db migrate && "
                'airflow connections import --overwrite "$AIRFLOW_HOME/connections.json"'
            ),
            depends_on=("my_postgres",),
            prepare=prepare_airflow,
            environment=airflow_settings,
            healthy=lambda: True,
            user=airflow_account(),
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
            user=airflow_account(),
            healthy=lambda: airflow_parts_are_healthy("metadatabase"),
        ),
        Service(
            name="airflow_scheduler",
            command=["bash", str(PROJECT_FOLDER / "plugins/airflow_scheduler.sh")],
            depends_on=("airflow_webserver",),
            environment=airflow_settings,
            user=airflow_account(),
            healthy=lambda: airflow_parts_are_healthy("scheduler", "dag_processor"),
        ),
        *monitoring.services(settings, folder),
    ]


def shell(line: str) -> list[str]:
    """A shell command; `line` contains no user input: that is passed in the environment."""
    return ["bash", "-c", line]
