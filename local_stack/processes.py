"""Finds a stack's processes, including those that supervisord has lost, and ends them."""

import time
from pathlib import Path

import psutil

from pipeline_common.errors import StackError

#: Every process of a stack has this variable in its environment: the stack's folder.
MARK = "DATA_PIPELINE_STACK"


def mark(folder: Path) -> dict[str, str]:
    """The variables by which a stack's processes are found."""
    # Airflow uses setproctitle, which would overwrite a process's environment with its title.
    return {MARK: str(folder), "SPT_NOENV": "1"}


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes of the stack in `folder`, with all their descendants."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder):
                # PostgreSQL's processes overwrite their environment with their title, too.
                found |= {p.pid: p for p in [process, *process.children(recursive=True)]}
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [p for p in found.values() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def end_all(folder: Path, patience: float = 60.0) -> None:
    """End the stack's remaining processes: SIGTERM first, SIGKILL after `patience` seconds.

    Raises StackError if a process is still there `patience` seconds after that.
    """
    begin = time.monotonic()
    while processes := processes_of(folder):
        waited = time.monotonic() - begin
        if waited > 2 * patience:
            left = ", ".join(f"{p.pid} ({p.name()})" for p in processes)
            raise StackError(f"These processes of the stack survive even SIGKILL: {left}.")
        for process in processes:
            try:
                process.kill() if waited > patience else process.terminate()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=min(2, patience))
