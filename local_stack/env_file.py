"""`.env`: created with secrets of this clone's own; it keeps the ports that `make` is given."""

import base64
import os
import re
import secrets
import tempfile
from pathlib import Path

from pipeline_common.console import stderr
from pipeline_common.settings import PROJECT_FOLDER

PORTS = (
    "PGPORT",
    "TIMESCALE_PORT",
    "ZOOKEEPER_PORT",
    "KAFKA_PORT",
    "AIRFLOW_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "EXPORTER_PORT",
)


def write_env(project: Path = PROJECT_FOLDER) -> None:
    """Create `.env` from .env.example unless it exists; then store the ports of this call in it.

    `PGPORT=5532 make up` would otherwise start a database that no script finds afterwards.
    """
    env = project / ".env"
    if env.exists():
        text = env.read_text()
    else:
        text = _with((project / ".env.example").read_text(), _own_values())
    given = {name: os.environ[name] for name in PORTS if os.environ.get(name)}
    moved = {name: port for name, port in given.items() if _value(text, name) != port}
    for name, port in moved.items():
        stderr.print(f"{name}={port} is kept in .env, where the scripts look for it.")
    if moved or not env.exists():
        _replace(env, _with(text, moved))


def _own_values() -> dict[str, str]:
    return {
        "AIRFLOW_JWT_SECRET": secrets.token_urlsafe(32),
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW_UID": str(os.getuid()),
    }


def _value(text: str, name: str) -> str | None:
    found = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return found[-1].strip() if found else None


def _with(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        line = f"{name}={value}"
        pattern = re.compile(rf"^{name}=.*$", re.MULTILINE)
        text = pattern.sub(lambda _, line=line: line, text)  # type: ignore[misc]
        if not pattern.search(text):
            text = f"{text.rstrip()}\n{line}\n"
    return text


def _replace(env: Path, text: str) -> None:
    # Atomically: an interrupted run leaves no partial file.
    with tempfile.NamedTemporaryFile("w", dir=env.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(env)
