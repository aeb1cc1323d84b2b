"""Simulator and validator at a real terminal: what the view shows is what the database has."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from io import StringIO
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from rich.console import Console
from rich.text import Text

from pipeline_common.settings import PROJECT_FOLDER
from tests.databases import as_admin
from tests.integration.streaming.conftest import Pipeline
from tests.terminal import Terminal, terminal

COLUMNS = 80
END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
#: A folder: make the page's pictures there.
PICTURES = os.environ.get("LIVE_VIEW_PICTURES")
REDRAWN = re.compile(r"(?:\x1b\[1A\x1b\[2K)+")
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"

AtTerminal = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def at_terminal(pipeline: Pipeline) -> AtTerminal:
    """Run a script of the stream at a terminal, on the test's own topic and database."""

    def run(script: str, *arguments: str, **environment: str) -> AbstractContextManager[Terminal]:
        path = str(PROJECT_FOLDER / "streaming_pipeline" / script)
        inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        return terminal(
            [sys.executable, path, "--topic", pipeline.topic, *arguments],
            inherited | pipeline.environment | environment,
            columns=COLUMNS,
        )

    return run


def test_the_validator_shows_rate_lag_partitions_verdicts_and_the_last_rejection(
    pipeline: Pipeline, at_terminal: AtTerminal
) -> None:
    pipeline.send(*map(pipeline.reading, range(20)), pipeline.reading(0), partition=1)
    pipeline.send(pipeline.reading(30, temperature=999), b"\x1b[2Jno JSON", partition=4)
    pipeline.producer.flush()
    with at_terminal("stream_validator.py", "--group", pipeline.topic) as view:
        view.wait_for(r"stream_validator.py, \d+ s: 23 records, [\d.]+/s, lag 0")
        view.wait_for(r"partition 1 .*/s +lag 0")
        view.wait_for(r"valid +█+.* 87.0 % +20\s+invalid +█.* 8.7 % +2\s+duplicate .* 4.3 % +1\s")
        view.wait_for(r"last rejection: \w+, partition 4, offset 1\s+\\x1b\[2Jno JSON")
        view.process.send_signal(signal.SIGINT)
        assert view.ended() == 0
        assert all(len(line) <= COLUMNS for line in view.shown.splitlines())
    assert re.search(r"in +│ +23 │\s+╰─+┴─+╯\s*$", view.shown)  # the view is gone
    assert view.raw.rfind(SHOW_CURSOR) > view.raw.rfind(HIDE_CURSOR)
    assert pipeline.rows("SELECT count(*) FROM sensor_readings WHERE topic IS NOT NULL") == [(20,)]


def test_of_many_partitions_it_shows_twelve(pipeline: Pipeline, at_terminal: AtTerminal) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.kafka)) as admin:
        admin.create_partitions({pipeline.topic: 14})
    with at_terminal("stream_validator.py", "--group", pipeline.topic) as view:
        view.wait_for(r"partition 11 [^\n]*\n *and 2 more")
        view.process.send_signal(signal.SIGINT)
        assert view.ended() == 0


def test_a_log_line_is_above_the_view(pipeline: Pipeline, at_terminal: AtTerminal) -> None:
    """The database takes no connection for a while: the validator says so once, and goes on."""
    name, login = pipeline.login["dbname"], as_admin(pipeline.login) | {"dbname": "postgres"}
    admin = Pipeline(pipeline.kafka, pipeline.topic, login, pipeline.producer)
    with at_terminal("stream_validator.py", "--group", pipeline.topic) as view:
        pipeline.send(pipeline.reading(1))
        view.wait_for(r"stream_validator.py, \d+ s: 1 record,")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.rows(END_SESSIONS.format(name))
        pipeline.send(pipeline.reading(2))
        waits = r"does\s+not\s+answer:\s+waiting\s+for\s+it"  # the terminal is narrow
        view.wait_for(waits + r"[\s\S]*\n *stream_validator.py, \d+ s: 1 record,")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        view.wait_for(r"stream_validator.py, \d+ s: 2 records")
        view.process.send_signal(signal.SIGINT)
        assert view.ended() == 0
    assert re.search(r"answers\s+again", view.shown)


def test_the_simulator_shows_rate_partitions_and_kinds(at_terminal: AtTerminal) -> None:
    with at_terminal("sensor_simulator.py", "--rate", "200") as view:
        view.wait_for(r"sensor_simulator.py, \d+ s: [\d,]+ records, [\d.]+/s")
        view.wait_for(r"partition \d +█+ +[\d.]+/s")
        view.wait_for(r"valid +█+.* [\d.]+ % +[\d,]+\s+[\s\S]*not yet acknowledged: \d+")
        view.process.send_signal(signal.SIGINT)
        assert view.ended() == 0
        assert all(len(line) <= COLUMNS for line in view.shown.splitlines())
    assert re.search(r"│ all +│ +\d+ │ +0 │", view.shown)


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_that_is_not_to_be_drawn_on_gets_log_lines(
    at_terminal: AtTerminal, setting: dict[str, str]
) -> None:
    with at_terminal("sensor_simulator.py", "--rate", "50", **setting) as lines:
        lines.wait_for(r"INFO simulator: \d+ sent, \d+ not yet acknowledged")
        lines.process.send_signal(signal.SIGINT)
        assert lines.ended() == 0
    assert b"\x1b" not in lines.raw
    assert "/s" not in lines.shown.split("+---")[0]


def save_picture(view: Terminal, name: str) -> None:
    """Save the last whole view as docs/course shows it."""
    frame = REDRAWN.split(view.raw.decode(errors="replace").replace("\r", ""))[-2]
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text.from_ansi(frame.strip("\n")), overflow="crop", no_wrap=True)
    console.save_svg(str(Path(PICTURES or "") / f"{name}.svg"), title=f"{name}.py")


@pytest.mark.skipif(not PICTURES, reason="makes the page's pictures: set LIVE_VIEW_PICTURES")
def test_the_pictures(pipeline: Pipeline, at_terminal: AtTerminal) -> None:
    """Both at work; thirty sensors, so that each partition has some."""
    arguments = ["--group", pipeline.topic]
    with (
        at_terminal("stream_validator.py", *arguments) as validator,
        at_terminal("sensor_simulator.py", "--rate", "200", "--sensors", "30") as simulator,
    ):
        views = {"sensor_simulator": simulator, "stream_validator": validator}
        end = time.monotonic() + 15
        while time.monotonic() < end:
            for view in views.values():
                view.read()
        for name, view in views.items():
            save_picture(view, name)
            view.process.send_signal(signal.SIGINT)
            assert view.ended() == 0
