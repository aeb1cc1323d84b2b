"""Where every part of the stack is: one place, read by all scripts.

A value comes from the environment, else from `.env` in the project folder, else from here.
The same names move the published ports in docker-compose.yml and in the local stack, so a script
always looks where the stack was started. `.env.example` lists every name with a comment.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_FOLDER = Path(__file__).resolve().parents[1]

SENSOR_TOPIC = "sensor_readings_raw"
SENSOR_TOPIC_PARTITIONS = 6
VALIDATOR_GROUP = "sensor_validator_group"
DAG_ID = "product_batch_pipeline"


class Settings(BaseSettings):
    """Addresses, logins and ports; the defaults are those of a fresh clone."""

    model_config = SettingsConfigDict(env_file=PROJECT_FOLDER / ".env", extra="ignore")

    # pipeline_db, by the names that psql itself reads
    pghost: str = "localhost"
    pgport: int = 5432
    pguser: str = "pipeline_user"
    pgpassword: str = "pipeline_pass"
    pgdatabase: str = "pipeline_db"

    # raw rows of old batches, in files; batch_pipeline/archive.py writes them
    archive_folder: str = ".local/archive"

    # timeseries_db
    timescale_host: str = "localhost"
    timescale_port: int = 5433
    timescale_user: str = "timeseries_user"
    timescale_password: str = "timeseries_pass"  # noqa: S105 - learning default
    timescale_database: str = "timeseries_db"

    # the same two logins on both servers; sql/roles.sql has the privileges of each role
    pipeline_reader_password: str = "reader_pass"  # noqa: S105 - learning default
    pipeline_admin_password: str = "admin_pass"  # noqa: S105 - learning default

    kafka_port: int = 9092
    zookeeper_port: int = 2181
    kafka_bootstrap_servers: str = Field(default="", validate_default=True)

    airflow_port: int = 8080
    airflow_user: str = "admin"
    airflow_password: str = "admin"  # noqa: S105 - learning default
    airflow_db_password: str = "airflow_pass"  # noqa: S105 - learning default
    # Empty only until `make` has written `.env`: no two clones share a secret.
    airflow_jwt_secret: str = ""
    airflow_fernet_key: str = ""

    # only with MONITORING=1
    prometheus_port: int = 9090
    alertmanager_port: int = 9093
    exporter_port: int = 9108

    def model_post_init(self, _context: object) -> None:
        """Point Kafka clients at the published port unless they were sent elsewhere."""
        if not self.kafka_bootstrap_servers:
            self.kafka_bootstrap_servers = f"localhost:{self.kafka_port}"

    @cached_property
    def postgres(self) -> dict[str, Any]:
        """Keyword arguments of psycopg2.connect for pipeline_db, as the login that writes."""
        return {
            "host": self.pghost,
            "port": self.pgport,
            "user": self.pguser,
            "password": self.pgpassword,
            "dbname": self.pgdatabase,
        }

    @cached_property
    def timescale(self) -> dict[str, Any]:
        """Keyword arguments of psycopg2.connect for timeseries_db, as the login that writes."""
        return {
            "host": self.timescale_host,
            "port": self.timescale_port,
            "user": self.timescale_user,
            "password": self.timescale_password,
            "dbname": self.timescale_database,
        }

    def reader(self, login: dict[str, Any]) -> dict[str, Any]:
        """The same database as the read-only login."""
        return login | {"user": "pipeline_reader", "password": self.pipeline_reader_password}

    def admin(self, login: dict[str, Any]) -> dict[str, Any]:
        """The same database as the superuser, who creates and upgrades it."""
        return login | {"user": "pipeline_admin", "password": self.pipeline_admin_password}

    @cached_property
    def airflow_url(self) -> str:
        """The URL of Airflow's web interface."""
        return f"http://localhost:{self.airflow_port}"
