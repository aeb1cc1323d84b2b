"""Start, watch and stop the services: supervisord keeps them running, this gives the order.

supervisord restarts what dies; it does not know when a service is ready, so `Stack.up` starts each
one as soon as those it depends on are healthy, as `docker compose up --wait` does.
"""

import os
import shutil
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xmlrpc.client import Fault

import httpx
import psutil
import psycopg2
from supervisor.states import ProcessStates

from local_stack import LOCALHOST
from local_stack.logs import failing_line
from local_stack.made_with import refuse_other_secrets
from local_stack.processes import end_all
from local_stack.service import Service
from local_stack.services import services
from local_stack.supervisord import Supervisord, log_of
from pipeline_common.console import stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings

START_SECONDS = 300.0
#: How often a service may end and be started again before it counts as one that cannot start.
STARTS = 5


class Stack:
    """The services of one folder; two stacks with different folders and ports do not meet."""

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
        """The settings as variables, for a script that uses this stack."""
        return os.environ | self._settings

    @property
    def _settings(self) -> dict[str, str]:
        return {name.upper(): str(value) for name, value in self.settings.model_dump().items()}

    def up(self, *names: str) -> None:
        """Start the named services and what they need; return when all are healthy.

        If none is named: all that are not optional.

        Raises StackError when one does not become healthy: it is stopped, and with it what has not
        become healthy either; what is healthy goes on. An interrupt stops all that this call began.
        """
        refuse_other_secrets(self.folder, self.settings)
        wanted = self._with_dependencies(names or self.seven)
        running = self.running()
        fresh = [s for s in wanted if s.name not in running]
        self._refuse_taken_ports(fresh)
        try:
            self._supervisord.start(self.services.values(), self._settings)
            self._start_in_order(wanted, running)
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

    def _start_in_order(self, wanted: list[Service], running: set[str]) -> None:
        waiting = {s.name: s for s in wanted}
        started = {name: time.monotonic() for name in running & waiting.keys()}
        begin = time.monotonic()
        starts: dict[str, set[int]] = {name: set() for name in waiting}
        with stderr.status("") as line:
            while waiting:
                for service in list(waiting.values()):
                    if any(name in waiting for name in service.depends_on):
                        continue
                    if service.name not in started:
                        self._start(service)
                        started[service.name] = time.monotonic()
                    elif self.is_healthy(service.name):
                        service.set_up()
                        seconds = time.monotonic() - started[service.name]
                        stderr.print(f"  {service.name:18} healthy after {seconds:5.1f} s")
                        del waiting[service.name]
                starting = ", ".join(name for name in waiting if name in started)
                line.update(f"waiting for {starting} ({time.monotonic() - begin:.0f} s)")
                self._refuse_what_failed(started, starts, waiting)
                time.sleep(0.2 if waiting else 0)

    def _start(self, service: Service) -> None:
        service.prepare()
        try:
            self._supervisord.rpc.startProcess(service.name, False)
        except Fault as fault:
            raise StackError(f"{service.name} cannot be started: {fault.faultString}") from fault

    def _refuse_what_failed(
        self, started: dict[str, float], starts: dict[str, set[int]], waiting: Iterable[str]
    ) -> None:
        for name in waiting:
            if name not in started:
                continue
            info = self._supervisord.info(name)
            starts[name].add(info["start"])
            too_long = time.monotonic() - started[name] > START_SECONDS
            too_often = info["state"] == ProcessStates.FATAL or len(starts[name]) > STARTS
            if too_long or too_often:
                raise StackError(self._why_not_healthy(name))

    def _why_not_healthy(self, name: str) -> str:
        log = self.log(name)
        return f"{name} did not become healthy. Its log, {log}, says:\n{failing_line(log)}"

    def down(self) -> None:
        """Stop every service, each after those that depend on it; the data stays.

        Raises StackError if a process survives.
        """
        if self.is_supervised():
            self.stop(*self.services)
            self._supervisord.shut_down()
        end_all(self.folder)

    def reset(self) -> None:
        """Stop every service, delete data and backups: the next start is a first one."""
        self.down()
        with stderr.status("deleting the data"):
            for name in ("data", "backups", "airflow"):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def stop(self, *names: str) -> None:
        """Stop the named services, each after those of them that depend on it."""
        with stderr.status("") as line:
            for service in reversed(self._with_dependencies(names)):
                if service.name in names and service.name in self.running():
                    line.update(f"stopping {service.name}")
                    self._supervisord.rpc.stopProcess(service.name)

    def restart(self, name: str) -> None:
        """Stop one service gracefully and start it; return when it is healthy again."""
        self.refuse_if_down()
        self.stop(name)
        self._start(self.services[name])
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
                raise StackError(self._why_not_healthy(name))
            time.sleep(0.1)

    def is_healthy(self, name: str) -> bool:
        """Whether the service runs (or airflow_init has run) and answers."""
        service = self.services[name]
        if not self.is_supervised():
            return False
        if service.one_shot:
            info = self._supervisord.info(name)
            return bool(info["state"] == ProcessStates.EXITED and info["exitstatus"] == 0)
        if self.state(name) != ProcessStates.RUNNING:
            return False
        try:
            return service.healthy()
        except (OSError, httpx.HTTPError, psycopg2.OperationalError, KeyError, ValueError):
            return False  # still starting

    def healthy(self) -> dict[str, bool]:
        """`is_healthy` of the seven and of what else runs, asked at once: no wait adds up."""
        running = self.running()
        names = [name for name in self.services if name in self.seven or name in running]
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(self.is_healthy, names), strict=True))

    def running(self) -> set[str]:
        """Names of the services that have been started and not yet stopped or given up."""
        return self._supervisord.running()

    def state(self, name: str) -> int:
        """supervisord's state of the service, one of supervisor.states.ProcessStates."""
        return int(self._supervisord.info(name)["state"])

    def pid(self, name: str) -> int:
        """Process id of the service, 0 if it does not run."""
        return int(self._supervisord.info(name)["pid"])

    def log(self, name: str) -> Path:
        """The file that holds what the service prints."""
        return log_of(self.folder, name)

    def is_supervised(self) -> bool:
        """Whether this stack's supervisord answers."""
        return self._supervisord.answers()

    def _with_dependencies(self, names: Iterable[str]) -> list[Service]:
        needed: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in self.services:
                raise StackError(
                    f"There is no service {name}; there are {', '.join(self.services)}"
                )
            needed.add(name)
            todo += self.services[name].depends_on
        return [s for s in self.services.values() if s.name in needed]

    def _refuse_taken_ports(self, starting: list[Service]) -> None:
        for service in starting:
            if service.port is None:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOCALHOST, service.port))
                except OSError as error:
                    raise StackError(
                        f"Port {service.port}, which {service.name} needs, is taken. End what uses "
                        f"it, or move the service: {service.port_variable}={service.port + 10000} "
                        "make up"
                    ) from error
