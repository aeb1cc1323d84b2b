"""supervisord: its configuration, made from the table of services, and requests to it.

The services' environment is not in the configuration: they inherit supervisord's own, which needs
no quoting and keeps the secrets off the disk.
"""

import configparser
import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

from supervisor.states import ProcessStates
from supervisor.xmlrpc import SupervisorTransport

from local_stack.processes import mark
from local_stack.service import Service
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER


class Supervisord:
    """The supervisord of one stack's folder, running or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = _socket_of(folder)

    @property
    def rpc(self) -> Any:
        """supervisord's XML-RPC functions; calling one raises OSError if none is running."""
        # A new connection for each call: the transport does not survive a restart of supervisord.
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        return ServerProxy("http://supervisor", transport=transport).supervisor

    def answers(self) -> bool:
        """Whether it runs, started by this user."""
        try:
            if self.socket.stat().st_uid != os.geteuid():
                return False
            self.rpc.getState()
        except OSError:
            return False
        return True

    def start(self, services: Iterable[Service], settings: dict[str, str]) -> None:
        """Start it, with no service yet; raises StackError if it runs with other settings."""
        services = list(services)
        identifier = hashlib.sha256(repr(settings).encode()).hexdigest()[:12]
        if self.answers():
            if self.rpc.getIdentification() != identifier:
                raise StackError("The stack runs with other settings: make down, then make up")
            return
        config = self.folder / "supervisord.conf"
        with config.open("w") as file:
            configuration(services, self.folder, self.socket, identifier).write(file)
        environment = os.environ | mark(self.folder) | {"PYTHONWARNINGS": "ignore"}
        for service in services:
            environment |= service.environment
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        subprocess.run(command, check=True, env=environment, cwd=PROJECT_FOLDER)
        self._wait_until("start", running=True)

    def shut_down(self) -> None:
        """End it, and with it every service that still runs."""
        self.rpc.shutdown()
        self._wait_until("end", running=False)

    def _wait_until(self, what: str, *, running: bool) -> None:
        deadline = time.monotonic() + 120
        while self.answers() != running:
            if time.monotonic() > deadline:
                raise StackError(f"supervisord did not {what}; see {self.folder}/supervisord.log")
            time.sleep(0.05)

    def info(self, name: str) -> dict[str, Any]:
        """Its information on a service: state, pid, exitstatus."""
        info: dict[str, Any] = self.rpc.getProcessInfo(name)
        return info

    def running(self) -> set[str]:
        """Names of the services that it has started, and neither stopped nor given up since."""
        if not self.answers():
            return set()
        up = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.BACKOFF)
        return {info["name"] for info in self.rpc.getAllProcessInfo() if info["state"] in up}


def _socket_of(folder: Path) -> Path:
    # In the folder, unless its path is too long for a socket.
    inside = folder / "supervisord.sock"
    if len(str(inside)) < 90:  # the limit is 108; supervisord creates it under a longer name first
        return inside
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path("/tmp") / f"data-pipeline-{digest}.sock"  # noqa: S108 - its owner is checked


def log_of(folder: Path, name: str) -> Path:
    """The log file with a service's output."""
    return folder / "logs" / f"{name}.log"


def configuration(
    services: Iterable[Service], folder: Path, socket: Path, identifier: str
) -> configparser.RawConfigParser:
    """supervisord's configuration: its own sections, and one program for each service."""
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": str(socket), "chmod": "0700"}
    config["supervisord"] = {
        "identifier": identifier,
        "logfile": str(folder / "supervisord.log"),
        "pidfile": str(folder / "supervisord.pid"),
        "childlogdir": str(folder / "logs"),
    }
    if os.geteuid() == 0:
        config["supervisord"]["user"] = "root"
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for service in services:
        config[f"program:{service.name}"] = _program(service, log_of(folder, service.name))
    return config


def _program(service: Service, log: Path) -> dict[str, str]:
    program = {
        "command": _plain(shlex.join(service.command)),
        "directory": "/",
        "autostart": "false",
        "autorestart": "unexpected" if service.one_shot else "true",
        "startsecs": "0" if service.one_shot else "1",
        "startretries": "6",
        "stopsignal": service.stop_signal,
        "stopwaitsecs": str(service.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(log),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "1",
    }
    return program | ({"user": service.user} if service.user else {})


def _plain(text: str) -> str:
    return text.replace("%", "%%")  # supervisord would expand %(name)s
