"""Start, watch and stop the services: supervisord keeps them running, this decides the order.

supervisord restarts what dies; it does not know when a service is ready, so `Stack.up` starts each
one as soon as those it depends on are healthy, as `docker compose up --wait` does.
"""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

import httpx
import psutil
import psycopg2
from supervisor.states import ProcessStates

from local_stack.logs import failing_line
from local_stack.made_with import refuse_other_secrets
from local_stack.processes import end_all
from local_stack.services import services
from local_stack.starting import (
    START_SECONDS,
    refuse_taken_ports,
    start_in_order,
    with_dependencies,
)
from local_stack.supervisord import Supervisord, log_of
from pipeline_common.console import stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings


class Stack:
    """The services of one folder; stacks with different folders and ports are independent."""

    def __init__(self, folder: Path, settings: Settings, logs: Path | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.log_folder = folder / "logs"
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self.services = {s.name: s for s in services(settings, folder, logs or self.log_folder)}
        self._supervisord = Supervisord(folder)

    @property
    def seven(self) -> list[str]:
        """Names of the services that are always there."""
        return [name for name, service in self.services.items() if not service.optional]

    @property
    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for a script that uses this stack."""
        return os.environ | self._settings

    @property
    def _settings(self) -> dict[str, str]:
        return {name.upper(): str(value) for name, value in self.settings.model_dump().items()}

    def up(self, *names: str) -> None:
        """Start the named services and what they need; return when all are healthy.

        If none is named: all that are not optional.

        Raises StackError when one does not become healthy; every service that is not healthy is
        then stopped, and the healthy ones keep running. An interrupt stops all services that this
        call has started.
        """
        refuse_other_secrets(self.folder, self.settings)
        wanted = with_dependencies(self.services, names or self.seven)
        running = self.running()
        fresh = [s for s in wanted if s.name not in running]
        refuse_taken_ports(fresh)
        try:
            self._supervisord.start(self.services.values(), self._settings)
            start_in_order(self, wanted, running)
        except StackError:
            self._stop_all([s.name for s in fresh if not self.is_healthy(s.name)])
            raise
        except BaseException:
            self._stop_all([s.name for s in fresh])
            raise

    def _stop_all(self, names: list[str]) -> None:
        self.stop(*names)
        if not self.running():
            self.down()

    def start(self, name: str) -> None:
        """Start one service without waiting for it; raises StackError if supervisord refuses."""
        self.services[name].prepare()
        try:
            self._supervisord.rpc.startProcess(name, False)
        except Fault as fault:
            raise StackError(f"{name} cannot be started: {fault.faultString}") from fault

    def why_not_healthy(self, name: str) -> str:
        """Why a service did not become healthy: a sentence, with a line of its log."""
        log = self.log(name)
        return f"{name} did not become healthy. Its log, {log}, says:\n{failing_line(log)}"

    def down(self) -> None:
        """Stop every service, each after those that depend on it; keep the data.

        Raises StackError if a process survives.
        """
        if self.is_supervised():
            self.stop(*self.services)
            self._supervisord.shut_down()
        end_all(self.folder)

    def reset(self) -> None:
        """Stop every service and delete data and backups, so that the next start is a first one."""
        self.down()
        with stderr.status("deleting the data"):
            for name in ("data", "backups", "airflow"):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def stop(self, *names: str) -> None:
        """Stop the named services, each after those of them that depend on it."""
        with stderr.status("") as line:
            for service in reversed(with_dependencies(self.services, names)):
                if service.name in names and service.name in self.running():
                    line.update(f"stopping {service.name}")
                    self._supervisord.rpc.stopProcess(service.name)

    def restart(self, name: str) -> None:
        """Stop one service gracefully and start it; return when it is healthy again."""
        self.refuse_if_down()
        self.stop(name)
        self.start(name)
        self.wait_until_healthy(name)

    def refuse_if_down(self) -> None:
        """Raise StackError unless supervisord runs."""
        if not self.is_supervised():
            raise StackError("The stack is down. Start it: make up")

    def kill(self, name: str) -> None:
        """kill -9 the service's process, as a crash would; supervisord starts it again."""
        psutil.Process(self.pid(name)).kill()

    def wait_until_healthy(self, name: str, seconds: float = START_SECONDS) -> None:
        """Wait for one service; raises StackError when it takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not self.is_healthy(name):
            if time.monotonic() > deadline:
                raise StackError(self.why_not_healthy(name))
            time.sleep(0.1)

    def is_healthy(self, name: str) -> bool:
        """Whether the service runs (or airflow_init has run) and answers."""
        service = self.services[name]
        if not self.is_supervised():
            return False
        if service.one_shot:
            info = self.info(name)
            return bool(info["state"] == ProcessStates.EXITED and info["exitstatus"] == 0)
        if self.state(name) != ProcessStates.RUNNING:
            return False
        try:
            return service.healthy()
        except (OSError, httpx.HTTPError, psycopg2.OperationalError, KeyError, ValueError):
            return False  # still starting

    def healthy(self) -> dict[str, bool]:
        """`is_healthy` of the seven and of other running services, checked in parallel."""
        running = self.running()
        names = [name for name in self.services if name in self.seven or name in running]
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(self.is_healthy, names), strict=True))

    def running(self) -> set[str]:
        """Names of the services that were started, and neither stopped nor given up since."""
        return self._supervisord.running()

    def info(self, name: str) -> dict[str, Any]:
        """supervisord's information on the service: state, pid, exitstatus, start."""
        return self._supervisord.info(name)

    def state(self, name: str) -> int:
        """supervisord's state of the service, one of supervisor.states.ProcessStates."""
        return int(self.info(name)["state"])

    def pid(self, name: str) -> int:
        """Process id of the service, 0 if it is not running."""
        return int(self.info(name)["pid"])

    def log(self, name: str) -> Path:
        """The log file with the service's output."""
        return log_of(self.folder, name)

    def is_supervised(self) -> bool:
        """Whether this stack's supervisord answers."""
        return self._supervisord.answers()
