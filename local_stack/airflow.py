"""What Airflow needs: its settings, the login, the DAG's connection, and its health check."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

import httpx

from local_stack import LOCALHOST, NO_TLS
from pipeline_common.settings import PROJECT_FOLDER, Settings


def environment(settings: Settings, home: Path, logs: Path) -> dict[str, str]:
    """What docker-compose.yml sets under x-airflow-common, for this machine's paths."""
    password = quote(settings.airflow_db_password, safe="")
    database = f"airflow_user:{password}@{LOCALHOST}:{settings.pgport}/airflow_db"
    api = f"http://{LOCALHOST}:{settings.airflow_port}"
    return {
        "AIRFLOW_HOME": str(home),
        # A folder that it can read even if root's home is closed to it.
        "HOME": str(home),
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


def write_files(settings: Settings, home: Path) -> None:
    """The login, and the connection that the DAG uses, as airflow_init imports it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)  # passwords are in it
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


def health(settings: Settings) -> dict[str, dict[str, str | None]]:
    """The health of Airflow's components; the HTTP status is 200 even if one is unhealthy."""
    url = f"http://{LOCALHOST}:{settings.airflow_port}/api/v2/monitor/health"
    answer: dict[str, dict[str, str | None]] = httpx.get(url, timeout=3, verify=NO_TLS).json()
    return answer
