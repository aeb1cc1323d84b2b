"""The account that the services run as: root starts them, none of them runs as root."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from pipeline_common.settings import DAG_ID, PROJECT_FOLDER

#: Debian's PostgreSQL brings it. PostgreSQL refuses to run as root; the others have no need to.
UNPRIVILEGED = "postgres"


def service_account() -> str | None:
    """The account that root runs the services as; None if the caller is not root."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


@cache
def airflow_account() -> str | None:
    """Airflow's account: the same, unless it cannot read the clone or its Python."""
    account = service_account()
    return account if account and _can_run_airflow(account) else None


def _can_run_airflow(account: str) -> bool:
    dag = PROJECT_FOLDER / "dags" / f"{DAG_ID}.py"
    # A package of the environment, a package of the clone, and a file of it.
    look = f"import supervisor, batch_pipeline; open({str(dag)!r}).close()"
    # Through a shell: setpriv itself would still search for the program with root's permissions.
    command = [*run_as(account), "sh", "-c", 'exec "$0" -c "$1"', sys.executable, look]
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def run_as(account: str | None) -> list[str]:
    """The prefix that makes a command run as `account`."""
    if account is None:
        return []
    return ["setpriv", "--reuid", account, "--regid", account, "--clear-groups", "--"]


def give(path: Path, account: str | None) -> None:
    """Make `account` the owner of a folder and everything in it, without following links."""
    if account:
        subprocess.run(["chown", "-R", "-h", f"{account}:", path], check=True)
