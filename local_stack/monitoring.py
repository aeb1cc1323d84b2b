"""Prometheus and Alertmanager as processes: Debian's programs, the configuration of monitoring/.

Debian's packages would start both at once, on every address of the machine; that is prevented.
"""

import sys
from pathlib import Path

import httpx

from local_stack import LOCALHOST, NO_TLS
from local_stack.account import airflow_account, give, service_account
from local_stack.debian import install_packages
from local_stack.service import Service
from pipeline_common.settings import PROJECT_FOLDER, Settings

PROMETHEUS = Path("/usr/bin/prometheus")
ALERTMANAGER = Path("/usr/bin/prometheus-alertmanager")
PACKAGES = {
    PROMETHEUS: (["prometheus"], "Prometheus, which watches the pipelines"),
    ALERTMANAGER: (["prometheus-alertmanager"], "Alertmanager, which keeps the alerts"),
}
CONFIGURATION = PROJECT_FOLDER / "monitoring"
FILES = ["prometheus.yml", "alerts.yml", "alertmanager.yml"]
#: The exporter's environment; it cannot read `.env`, which only its owner can.
EXPORTER_SETTINGS = [
    "pghost",
    "pgport",
    "pgdatabase",
    "timescale_host",
    "timescale_port",
    "timescale_database",
    "pipeline_reader_password",
    "kafka_bootstrap_servers",
    "exporter_port",
]


def install() -> None:
    """Install what is missing of it; raises StackError."""
    install_packages(PACKAGES, servers=["prometheus", "prometheus-alertmanager"])


def here(text: str, settings: Settings) -> str:
    """A configuration with this machine's addresses instead of the containers' names."""
    for name, address in {
        "my_exporter:9108": f"{LOCALHOST}:{settings.exporter_port}",
        "my_prometheus:9090": f"{LOCALHOST}:{settings.prometheus_port}",
        "my_alertmanager:9093": f"{LOCALHOST}:{settings.alertmanager_port}",
        "host.docker.internal": LOCALHOST,
    }.items():
        text = text.replace(name, address)
    return text


def services(settings: Settings, folder: Path) -> list[Service]:
    """The three services of docker-compose.monitoring.yml."""
    config = folder / "config/monitoring"
    data = folder / "data"

    def prepare_exporter() -> None:
        config.mkdir(parents=True, exist_ok=True)
        env = config / "exporter.env"
        env.touch(mode=0o600)
        values = {name.upper(): str(getattr(settings, name)) for name in EXPORTER_SETTINGS}
        env.write_text("".join(f"{name}={quoted(value)}\n" for name, value in values.items()))
        give(env, airflow_account())

    def prepare(data_folder: Path) -> None:
        config.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (config / name).write_text(here((CONFIGURATION / name).read_text(), settings))
        data_folder.mkdir(parents=True, exist_ok=True)
        give(data_folder, service_account())

    return [
        Service(
            name="my_exporter",
            command=[
                sys.executable,
                str(PROJECT_FOLDER / "python_scripts/exporter.py"),
                f"--env-file={config}/exporter.env",
            ],
            port=settings.exporter_port,
            port_variable="EXPORTER_PORT",
            depends_on=("my_postgres", "my_timescaledb", "my_kafka"),
            prepare=prepare_exporter,
            user=airflow_account(),
            healthy=lambda: answers(settings.exporter_port, "/metrics"),
            optional=True,
        ),
        Service(
            name="my_alertmanager",
            command=[
                str(ALERTMANAGER),
                f"--config.file={config}/alertmanager.yml",
                f"--storage.path={data}/alertmanager",
                f"--web.listen-address={LOCALHOST}:{settings.alertmanager_port}",
                "--cluster.listen-address=",
            ],
            port=settings.alertmanager_port,
            port_variable="ALERTMANAGER_PORT",
            prepare=lambda: prepare(data / "alertmanager"),
            user=service_account(),
            healthy=lambda: answers(settings.alertmanager_port, "/-/ready"),
            optional=True,
        ),
        Service(
            name="my_prometheus",
            command=[
                str(PROMETHEUS),
                f"--config.file={config}/prometheus.yml",
                f"--storage.tsdb.path={data}/prometheus",
                "--storage.tsdb.retention.time=15d",
                f"--web.listen-address={LOCALHOST}:{settings.prometheus_port}",
            ],
            port=settings.prometheus_port,
            port_variable="PROMETHEUS_PORT",
            depends_on=("my_exporter", "my_alertmanager"),
            prepare=lambda: prepare(data / "prometheus"),
            user=service_account(),
            healthy=lambda: answers(settings.prometheus_port, "/-/ready"),
            optional=True,
        ),
    ]


def quoted(value: str) -> str:
    """The value as python-dotenv reads it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def answers(port: int, path: str) -> bool:
    """Whether a server reports that it is ready."""
    return httpx.get(f"http://{LOCALHOST}:{port}{path}", timeout=20, verify=NO_TLS).is_success
