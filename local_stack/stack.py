"""Start, watch and stop the services: supervisord keeps them running, this gives the order.

supervisord restarts what dies; it does not know when a service is ready, so `Stack.up` starts each
one as soon as those it depends on are healthy, as `docker compose up --wait` does.
"""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import httpx
import psutil
import psycopg2
from supervisor.states import ProcessStates
from supervisor.xmlrpc import SupervisorTransport

from local_stack import LOCALHOST
from local_stack.services import Service, services
from local_stack.supervisord import configuration, log_of
from pipeline_console import StackError, stderr
from pipeline_settings import PROJECT_FOLDER, Settings

#: Every process of a stack carries it in its environment, so that none is ever left behind.
MARK = "DATA_PIPELINE_STACK"
START_SECONDS = 180.0


class Stack:
    """The services of one folder; two stacks with different folders and ports do not meet."""

    def __init__(self, folder: Path, settings: Settings, logs: Path | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.log_folder = folder / "logs"
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self.services = {s.name: s for s in services(settings, folder, logs or self.log_folder)}
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        # A socket's path may have 108 characters: too few for a deep clone.
        self.socket = Path(tempfile.gettempdir()) / f"data-pipeline-{digest}.sock"

    @property
    def _supervisor(self) -> Any:
        # A new one for each call: the transport does not recover from a supervisord that went away.
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        return ServerProxy("http://supervisor", transport=transport).supervisor

    @property
    def environment(self) -> dict[str, str]:
        """The settings as variables, for a script that shall talk to this very stack."""
        values = self.settings.model_dump()
        return os.environ | {name.upper(): str(value) for name, value in values.items()}

    def up(self, *names: str) -> None:
        """Start the named services (all, if none) and what they need; return when all are healthy.

        Raises StackError, with everything that this call started ended again.
        """
        wanted = self._with_dependencies(names or self.services)
        running = self.running()
        fresh = [s for s in wanted if s.name not in running]
        self._refuse_taken_ports(fresh)
        try:
            self._start_supervisor()
            self._start_in_order(wanted, running)
        except BaseException:
            if running:
                self.stop(*(service.name for service in fresh))
            else:
                self.down()
            raise

    def _start_in_order(self, wanted: list[Service], running: set[str]) -> None:
        waiting = {s.name: s for s in wanted}
        started = {name: time.monotonic() for name in running & waiting.keys()}
        begin = time.monotonic()
        with stderr.status("") as line:
            while waiting:
                for service in list(waiting.values()):
                    if any(name in waiting for name in service.depends_on):
                        continue
                    if service.name not in started:
                        self._start(service)
                        started[service.name] = time.monotonic()
                    elif self.is_healthy(service.name):
                        seconds = time.monotonic() - started[service.name]
                        stderr.print(f"  {service.name:18} healthy after {seconds:5.1f} s")
                        del waiting[service.name]
                starting = ", ".join(name for name in waiting if name in started)
                line.update(f"waiting for {starting} ({time.monotonic() - begin:.0f} s)")
                self._refuse_what_failed(started, waiting)
                time.sleep(0.2)

    def _start(self, service: Service) -> None:
        service.prepare()
        try:
            self._supervisor.startProcess(service.name, False)
        except Fault as fault:
            raise StackError(f"{service.name} cannot be started: {fault.faultString}") from fault

    def _refuse_what_failed(self, started: dict[str, float], waiting: Iterable[str]) -> None:
        for name in waiting:
            too_long = time.monotonic() - started.get(name, time.monotonic()) > START_SECONDS
            if too_long or (name in started and self.state(name) == ProcessStates.FATAL):
                raise StackError(
                    f"{name} did not become healthy. Its last words are in {self.log(name)}:\n"
                    + "\n".join(self.log(name).read_text(errors="replace").splitlines()[-5:])
                )

    def down(self) -> None:
        """Stop every service, each after those that depend on it; the data stays."""
        if self.is_supervised():
            self.stop(*self.services)
            self._supervisor.shutdown()
        deadline = time.monotonic() + 60
        while processes := self._processes():
            if time.monotonic() > deadline:
                # Orphans of a supervisord that was itself killed: nobody else will end them.
                for process in processes:
                    process.kill()
            elif not self.is_supervised():
                for process in processes:
                    process.terminate()
            psutil.wait_procs(processes, timeout=2)

    def stop(self, *names: str) -> None:
        """Stop the named services, each after those of them that depend on it."""
        for service in reversed(self._with_dependencies(names)):
            if service.name in names and service.name in self.running():
                self._supervisor.stopProcess(service.name)

    def restart(self, name: str) -> None:
        """Stop one service in an orderly way and start it; return when it is healthy again."""
        self.stop(name)
        self._start(self.services[name])
        self.wait_until_healthy(name)

    def kill(self, name: str) -> None:
        """kill -9 the service's process, as a crash would; supervisord starts it anew."""
        psutil.Process(self.pid(name)).kill()

    def wait_until_healthy(self, name: str, seconds: float = START_SECONDS) -> None:
        """Wait for one service; raises StackError when it takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not self.is_healthy(name):
            if time.monotonic() > deadline:
                raise StackError(f"{name} is not healthy after {seconds:.0f} s: {self.log(name)}")
            time.sleep(0.1)

    def is_healthy(self, name: str) -> bool:
        """Whether the service runs (or airflow_init has run) and answers."""
        service = self.services[name]
        if service.one_shot:
            info = self._info(name)
            return bool(info["state"] == ProcessStates.EXITED and info["exitstatus"] == 0)
        if self.state(name) != ProcessStates.RUNNING:
            return False
        try:
            return service.healthy()
        except (OSError, httpx.HTTPError, psycopg2.OperationalError, KeyError, ValueError):
            return False  # still starting

    def running(self) -> set[str]:
        """Names of the services that supervisord has started and not yet stopped or given up."""
        if not self.is_supervised():
            return set()
        up = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.BACKOFF)
        infos = self._supervisor.getAllProcessInfo()
        return {info["name"] for info in infos if info["state"] in up}

    def state(self, name: str) -> int:
        """supervisord's state of the service, one of supervisor.states.ProcessStates."""
        return int(self._info(name)["state"])

    def pid(self, name: str) -> int:
        """Process id of the service, 0 if it does not run."""
        return int(self._info(name)["pid"])

    def log(self, name: str) -> Path:
        """The file that holds what the service prints."""
        return log_of(self.folder, name)

    def _info(self, name: str) -> dict[str, Any]:
        info: dict[str, Any] = self._supervisor.getProcessInfo(name)
        return info

    def is_supervised(self) -> bool:
        """Whether this stack's supervisord answers."""
        try:
            self._supervisor.getState()
        except OSError:
            return False
        return True

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

    def _start_supervisor(self) -> None:
        if self.is_supervised():
            self._supervisor.reloadConfig()
            return
        config = self.folder / "supervisord.conf"
        with config.open("w") as file:
            configuration(self.services.values(), self.folder, self.socket).write(file)
        config.chmod(0o600)  # it holds the secrets
        supervisord = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        environment = os.environ | {MARK: str(self.folder), "PYTHONWARNINGS": "ignore"}
        subprocess.run(supervisord, check=True, env=environment, cwd=PROJECT_FOLDER)
        deadline = time.monotonic() + 20
        while not self.is_supervised():
            if time.monotonic() > deadline:
                raise StackError(f"supervisord did not start; see {self.folder}/supervisord.log")
            time.sleep(0.05)

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.folder):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found
