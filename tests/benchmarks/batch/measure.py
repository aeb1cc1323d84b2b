"""What a piece of work takes: seconds, CPU seconds and memory of the client and of its session.

Used by bench.py and, in the peers' own environment, by peers.py.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Result = dict[str, Any]
CLEAN_ROWS = "SELECT count(*) FROM clean_products WHERE batch_id = 'bench'"


def measure(
    login: dict[str, Any], rows: int, work: "Callable[[Connection], float | None]"
) -> Result:
    """Run `work` on one core, shared by this process and its session on the server.

    `work` returns the CPU seconds that other processes of its own took, if there are any.
    """
    connection = psycopg2.connect(**login)
    with connection, connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
    client, session = psutil.Process(), psutil.Process(connection.info.backend_pid)
    pin([0], client, session)
    before, start = cpu_seconds(client, session), time.perf_counter()
    elsewhere = work(connection) or 0.0
    seconds = time.perf_counter() - start
    result = {
        "rows": rows,
        "seconds": seconds,
        "cpu": cpu_seconds(client, session) - before + elsewhere,
        "client_mb": status_mb(client, "VmHWM"),
        # Without the buffers, which all sessions share.
        "server_mb": status_mb(session, "RssAnon"),
    }
    with connection, connection.cursor() as cursor:
        cursor.execute(CLEAN_ROWS)
        result["clean"] = (cursor.fetchone() or (0,))[0]
    connection.close()
    return result


def pin(cores: Sequence[int], *processes: psutil.Process) -> None:
    """Let the processes share some cores; root may do this to the server's session, too."""
    for process in processes:
        process.cpu_affinity(list(cores))


def cpu_seconds(*processes: psutil.Process) -> float:
    """The CPU seconds that they have used so far, in user and in system mode."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def status_mb(process: psutil.Process, name: str) -> float:
    """A figure of /proc/<pid>/status, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
