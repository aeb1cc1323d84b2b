"""The table of services as supervisord's configuration."""

import configparser
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from local_stack.services import Service


def log_of(folder: Path, name: str) -> Path:
    """The file that holds what a service prints."""
    return folder / "logs" / f"{name}.log"


def configuration(
    services: Iterable[Service], folder: Path, socket: Path
) -> configparser.RawConfigParser:
    """What supervisord reads: itself, reached by `socket`, and one program for each service."""
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": str(socket), "chmod": "0700"}
    config["supervisord"] = {
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
    variables = (f'{name}="{_plain(value)}"' for name, value in service.environment.items())
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
        "environment": ",".join(variables),
    }
    return program | ({"user": service.user} if service.user else {})


def _plain(text: str) -> str:
    return text.replace("%", "%%")  # supervisord would read %(name)s as a value of its own
