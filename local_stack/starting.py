"""Starts services: with their dependencies, on free ports, in order."""

import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from supervisor.states import ProcessStates

from local_stack import LOCALHOST
from local_stack.service import Service
from pipeline_common.console import stderr
from pipeline_common.errors import StackError

if TYPE_CHECKING:
    from local_stack.stack import Stack

START_SECONDS = 300.0
#: How often supervisord may start a service before it counts as failed.
STARTS = 5


def with_dependencies(services: dict[str, Service], names: Iterable[str]) -> list[Service]:
    """The named services and all that they need, in the order of the table.

    Raises StackError for a name that is not in the table.
    """
    needed: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in services:
            raise StackError(f"There is no service {name}; the services are {', '.join(services)}")
        needed.add(name)
        todo += services[name].depends_on
    return [service for service in services.values() if service.name in needed]


def refuse_taken_ports(starting: list[Service]) -> None:
    """Raise StackError if another process already listens on the port of a service."""
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


def start_in_order(stack: "Stack", wanted: list[Service], running: set[str]) -> None:
    """Start each service as soon as its dependencies are healthy; return when all are healthy.

    Raises StackError when one takes too long, or exits too often.
    """
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
                    stack.start(service.name)
                    started[service.name] = time.monotonic()
                elif stack.is_healthy(service.name):
                    service.set_up()
                    seconds = time.monotonic() - started[service.name]
                    stderr.print(f"  {service.name:18} healthy after {seconds:5.1f} s")
                    del waiting[service.name]
            starting = [name for name in waiting if name in started]
            line.update(f"waiting for {', '.join(starting)} ({time.monotonic() - begin:.0f} s)")
            for name in starting:
                info = stack.info(name)
                starts[name].add(info["start"])
                too_long = time.monotonic() - started[name] > START_SECONDS
                too_often = info["state"] == ProcessStates.FATAL or len(starts[name]) > STARTS
                if too_long or too_often:
                    raise StackError(stack.why_not_healthy(name))
            time.sleep(0.2 if waiting else 0)
