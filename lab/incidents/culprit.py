"""The process behind an incident: a program that somebody started and forgot.

It prints one line of JSON once it has started its work, and ends when it is killed, when the
server ends its session, or after a working day.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from typing import Any

import psutil
import psycopg2
from kafka import KafkaConsumer

from lab.incidents.incident import Note
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER

MODULE = "lab.incidents.culprit"
LONGEST_SECONDS = 8 * 3600
START_SECONDS = 60
END_SECONDS = 20
#: Why it has not begun after that time.
IN_THE_WAY = {
    "hold_sessions": "somebody else holds the lock. Wait until the running batch has ended",
    "join_group": "it got no partition. Stop a validator first",
}


def start(what: str, note: Note, **task: Any) -> dict[str, Any]:
    """Start it as a process that outlives this one; returns what it says of itself.

    Raises StackError if it ends at once, or does not begin in time.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        cwd=PROJECT_FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    note(process=process.pid)  # it does nothing until it has its task
    with process.stdin as stdin:
        stdin.write(json.dumps({"what": what} | task).encode())
    with process.stdout as stdout:
        if not select.select([stdout], [], [], START_SECONDS)[0]:
            end(process.pid)
            raise StackError(f"The incident could not begin: {IN_THE_WAY[what]}, then start again.")
        said = stdout.readline()
    if not said:
        raise StackError("The incident could not be started. Is the stack up? make status")
    about_itself: dict[str, Any] = json.loads(said)
    return about_itself


def end(pid: int) -> None:
    """End the process, if it still is the one that was started."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if MODULE in process.cmdline():
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(END_SECONDS)


def say(**what: Any) -> None:
    """The one line for the parent, which then closes the pipe."""
    print(json.dumps(what), flush=True)


def hold_sessions(login: dict[str, Any], statements: list[str], count: int) -> None:
    """Open up to `count` sessions, as many as the server allows, each in a transaction."""
    sessions: list[Any] = []
    with suppress(psycopg2.OperationalError):  # there are no more
        while len(sessions) < count:
            sessions.append(psycopg2.connect(**login))
    for session in sessions:
        for statement in statements:
            session.cursor().execute(statement)
    pids = [session.info.backend_pid for session in sessions]
    say(pid=pids[0], pids=pids)
    deadline = time.monotonic() + LONGEST_SECONDS
    while sessions and time.monotonic() < deadline:
        ended, _, _ = select.select(sessions, [], [], deadline - time.monotonic())
        sessions = [session for session in sessions if session not in ended]


def join_group(bootstrap: str, topic: str, group: str, program: str, reads: bool) -> None:
    """Be a member of a consumer group that stores nothing; without `reads`, one that is stuck."""
    client_id = f"{program}-{os.getpid()}"
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that it leaves the group at once
    deadline = time.monotonic() + LONGEST_SECONDS
    said = False
    with closing(consumer):
        while time.monotonic() < deadline:
            if not reads:
                consumer.pause(*consumer.assignment())
            consumer.poll(timeout_ms=1000)
            if reads and consumer.assignment():
                consumer.commit()
            if not said and consumer.assignment():
                said = True
                say(client_id=client_id)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    action = hold_sessions if task.pop("what") == "hold_sessions" else join_group
    action(**task)
