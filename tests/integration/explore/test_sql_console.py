"""The SQL console: psql's transactions in a pipe, pgcli at a terminal, as the reader or writer."""

import json
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from types import SimpleNamespace
from typing import Any

import psycopg
import psycopg2
import pytest

from pipeline_common.settings import PROJECT_FOLDER
from python_scripts import sql_terminal
from tests.databases import as_admin
from tests.integration.explore.conftest import Script

COUNT = "SELECT count(*) AS n FROM clean_products;"


def products(script: Script) -> int:
    """How many clean products there are; three at first."""
    shown = script("explore_postgres", "console", "--json", given=COUNT).stdout
    return int(json.loads(shown)[0]["n"])


def test_a_body_in_dollar_quotes_is_not_cut(script: Script) -> None:
    body = "DO $$ BEGIN IF false THEN DELETE FROM clean_products; END IF; END $$;"
    done = script("explore_postgres", "console", "--write", given=body)
    assert done.returncode == 0, done.stderr
    assert products(script) == 3


def test_what_is_rolled_back_was_not_done(script: Script) -> None:
    given = "BEGIN; DELETE FROM clean_products; ROLLBACK; SELECT 41 + 1 AS sum;"
    done = script("explore_postgres", "console", "--write", given=given)
    assert "42" in done.stdout
    assert products(script) == 3


def test_a_transaction_that_nobody_commits_was_not_done(script: Script) -> None:
    script("explore_postgres", "console", "--write", given="BEGIN; DELETE FROM clean_products;")
    assert products(script) == 3


def test_an_error_ends_the_run_and_says_where(script: Script) -> None:
    given = "SELECT 41 + 1 AS sum; SELECT nonsense; DELETE FROM clean_products;"
    done = script("explore_postgres", "console", "--write", given=given)
    assert done.returncode == 1
    assert "42" in done.stdout
    assert 'column "nonsense" does not exist' in done.stderr
    assert products(script) == 3


def test_each_statement_is_committed_by_itself(script: Script) -> None:
    given = "DELETE FROM clean_products; SELECT nonsense;"
    script("explore_postgres", "console", "--write", given=given)
    assert products(script) == 0


@pytest.mark.parametrize("given", ["DELETE FROM clean_products; SELECT 'open", "\\dt\nSELECT 1;"])
def test_of_what_is_not_sql_nothing_is_run(script: Script, given: str) -> None:
    done = script("explore_postgres", "console", "--write", given=given)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert products(script) == 3


def test_without_write_the_reader_s_rights_decide(script: Script) -> None:
    given = "SET default_transaction_read_only = off; DELETE FROM clean_products;"
    done = script("explore_postgres", "console", given=given)
    assert "permission denied for table clean_products" in done.stderr
    assert done.returncode == 1


def test_a_long_result_is_cut_and_says_so(script: Script) -> None:
    given = "SELECT generate_series(1, 100000);"
    done = script("explore_postgres", "console", "--limit", "5", given=given)
    assert "Only the first 5 rows" in done.stderr
    assert done.stdout.count("\n|") == 7  # 5 rows, the headers, the rule below them


def test_json_is_shown_as_it_is_stored(script: Script) -> None:
    shown = script("explore_postgres", "console", given="""SELECT '{"a": null}'::jsonb AS j;""")
    assert '{"a": null}' in shown.stdout


def test_a_number_in_text_stays_the_text_that_it_is(script: Script) -> None:
    assert "1e400" in script("explore_postgres", "console", given="SELECT '1e400' AS t;").stdout


def test_an_error_that_quotes_a_record_commands_no_terminal(script: Script) -> None:
    done = script("explore_postgres", "console", given="SELECT (chr(27) || ']0;title')::int;")
    assert "\\x1b]0;title" in done.stderr
    assert "\x1b" not in done.stderr


class Terminal:
    """A real terminal with the console in it; what it shows is kept."""

    def __init__(self, environment: dict[str, str], *options: str) -> None:
        script = str(PROJECT_FOLDER / "python_scripts" / "explore_postgres.py")
        self.shown = ""
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.execve(
                sys.executable,
                [sys.executable, script, "console", *options],
                os.environ | environment | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            )

    def type(self, keys: str) -> None:
        """Type some keys; \r is Enter, \x03 is Ctrl-C."""
        os.write(self.master, keys.encode())

    def wait_for(self, text: str) -> str:
        """Wait until `text` is shown; what was shown up to there, since the last time."""
        deadline = time.monotonic() + 120
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.shown):
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.2)[0]:
                self.shown += os.read(self.master, 65536).decode(errors="replace")
        shown, self.shown = self.shown, ""
        return shown

    def quit(self) -> int:
        r"""Leave by \q, typed again as long as the console did not listen; its exit code."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError):  # it has ended meanwhile
                self.type("\\q\r")
            again = time.monotonic() + 5
            while time.monotonic() < again:
                if select.select([self.master], [], [], 0.1)[0]:
                    with suppress(OSError):  # it has closed its side
                        self.shown += os.read(self.master, 65536).decode(errors="replace")
                ended, status = os.waitpid(self.process, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        raise AssertionError(self.shown)


@pytest.fixture
def home(environment: dict[str, str], tmp_path: object) -> dict[str, str]:
    """The environment of somebody who has never started pgcli."""
    return environment | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def terminal(home: dict[str, str]) -> Iterator[Terminal]:
    """The console at a terminal, past its greeting."""
    terminal = Terminal(home)
    terminal.wait_for(">")
    yield terminal
    assert terminal.quit() == 0


def test_at_a_terminal_it_is_pgcli_as_the_reader(terminal: Terminal) -> None:
    terminal.type("SELECT current_user || '!' AS me, current_setting('timezone') AS zone;\r")
    shown = terminal.wait_for("SELECT 1")
    assert "pipeline_reader!" in shown
    assert "UTC" in shown


def test_at_a_terminal_ctrl_c_stops_the_statement_that_runs(
    terminal: Terminal, pipeline_db: dict[str, Any]
) -> None:
    terminal.type("SELECT pg_sleep(600), 'never' || 'theless';\r")
    running = """SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"""
    deadline = time.monotonic() + 60
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as connection:
        cursor = connection.cursor()
        while not cursor.rowcount > 0:
            assert time.monotonic() < deadline
            cursor.execute(running)
            connection.rollback()
    terminal.type("\x03")
    assert "nevertheless" not in terminal.wait_for("cancel")
    terminal.type("SELECT 'the session' || ' is usable' AS now;\r")
    terminal.wait_for("the session is usable")


def test_an_interrupt_that_psycopg_does_not_see_cancels_the_statement_too(
    environment: dict[str, str], pipeline_db: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faked: no test can time Ctrl-C to arrive just after the statement has been sent."""

    def interrupted(executor: Any, sql: str) -> None:
        executor.conn.pgconn.send_query(sql.encode())
        raise KeyboardInterrupt

    monkeypatch.setattr(sql_terminal, "execute_normal_sql", interrupted)
    with psycopg.connect(**pipeline_db, autocommit=True) as session:
        executor: Any = SimpleNamespace(conn=session)
        with pytest.raises(KeyboardInterrupt):
            sql_terminal.run_until_ctrl_c(executor, "SELECT pg_sleep(600)")
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_at_a_terminal_a_record_s_control_characters_are_shown_escaped(terminal: Terminal) -> None:
    terminal.type("SELECT chr(27) || ']52;c;' || chr(7) AS clipboard;\r")
    assert "\x1b]52" not in terminal.wait_for("\\x1b]52;c;\\x07")
    terminal.type("SELECT (chr(27) || ']0;title')::int;\r")
    assert "\x1b]0;title" not in terminal.wait_for("\\x1b]0;title")


def test_with_write_it_is_the_writer(home: dict[str, str]) -> None:
    terminal = Terminal(home, "--write")
    terminal.wait_for(">")
    terminal.type("SELECT current_user || '!' AS me;\r")
    terminal.wait_for("pipeline_user!")
    assert terminal.quit() == 0
