"""The SQL console: many lines, errors that do not end it, a limit, and no writing unless asked."""

import json
import os
import pty
import re
import select
import sys
import time

import pytest

from pipeline_settings import PROJECT_FOLDER
from python_scripts.sql_statements import read_entries, split_statements
from tests.explore.conftest import Script


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1;", "SELECT 2;"]),
        ("SELECT\n1;", ["SELECT\n1;"]),
        ("SELECT ';';", ["SELECT ';';"]),
        ("SELECT $$ ; $$;", ["SELECT $$ ; $$;"]),
        ('SELECT ";" FROM t;', ['SELECT ";" FROM t;']),
        ("SELECT 1 -- one;\n;", ["SELECT 1 -- one;\n;"]),
        ("/* ; */ SELECT 1;", ["/* ; */ SELECT 1;"]),
        ("SELECT 'open;", []),
    ],
)
def test_a_statement_ends_at_its_semicolon_and_no_other(text: str, statements: list[str]) -> None:
    """Semicolons in quotes, comments and bodies do not end it."""
    assert split_statements(text)[:-1] == statements


def test_commands_and_statements_are_told_apart() -> None:
    """A line that begins with a backslash is a command; a last statement needs no semicolon."""
    lines = ["SELECT 1;\n", "\\dt\n", "SELECT\n", "2"]
    assert list(read_entries(lines)) == ["SELECT 1;", "\\dt", "SELECT\n2"]


def test_an_error_is_shown_and_the_rest_still_runs(script: Script) -> None:
    """And the exit status says that something failed."""
    done = script("explore_postgres", "console", given="SELECT nonsense; SELECT 41 + 1 AS sum;")
    assert 'column "nonsense" does not exist' in done.stderr
    assert "here: nonsense;" in done.stderr
    assert "42" in done.stdout
    assert done.returncode == 1


def test_nothing_is_written_without_write(script: Script) -> None:
    """Not by a statement, not by several."""
    attempts = """
        DELETE FROM clean_products;
        COMMIT; DELETE FROM clean_products;
        SET TRANSACTION READ WRITE; DELETE FROM clean_products;
        BEGIN READ WRITE; DELETE FROM clean_products; COMMIT;
        SET default_transaction_read_only = off; DELETE FROM clean_products;
        WITH gone AS (DELETE FROM clean_products RETURNING *) SELECT * FROM gone;
        SELECT count(*) AS left_over FROM clean_products;"""
    done = script("explore_postgres", "console", given=attempts)
    assert done.stderr.count("in a read-only transaction") == 6
    assert re.search(r"left_over \|\n.*\n\|\s+3 \|", done.stdout), done.stdout


def test_write_lets_statements_change_data(script: Script) -> None:
    """Each is a transaction of its own, committed at once."""
    script("explore_postgres", "console", "--write", given="DELETE FROM clean_products; oops;")
    left = script("explore_postgres", "console", given="SELECT count(*) AS n FROM clean_products;")
    assert re.search(r"\|\s+0 \|", left.stdout), left.stdout


def test_a_long_result_is_cut_and_says_so(script: Script) -> None:
    """At the limit, whatever the size; the rest never leaves the server."""
    given = "SELECT generate_series(1, 100000000);"
    begin = time.monotonic()
    done = script("explore_postgres", "console", "--limit", "5", given=given)
    assert "Only the first 5 rows" in done.stderr
    assert done.stdout.count("\n|") == 7  # 5 rows, the headers, the rule below them
    assert time.monotonic() - begin < 30


def test_look_ups_and_json(script: Script) -> None:
    """\\dt, \\d TABLE and \\l, also as JSON, one line for each result."""
    done = script("explore_postgres", "console", "--json", given="\\dt\n\\d raw_products\n\\l\n")
    tables, columns, indexes, databases = (json.loads(line) for line in done.stdout.splitlines())
    assert "raw_products" in {row["table"] for row in tables}
    assert {"id", "raw_text"} <= {row["column"] for row in columns}
    assert any("UNIQUE" in row["index"] for row in indexes)
    assert "postgres" in {row["database"] for row in databases}


def test_json_is_shown_as_it_is_stored(script: Script) -> None:
    """Not as Python would write it."""
    shown = script("explore_postgres", "console", given="""SELECT '{"a": null}'::jsonb AS j;""")
    assert '{"a": null}' in shown.stdout


def test_a_table_that_is_not_there_is_told(script: Script) -> None:
    """Not an empty table of columns."""
    assert "There is no nope" in script("explore_postgres", "console", given="\\d nope").stdout


def test_a_number_in_text_stays_the_text_that_it_is(script: Script) -> None:
    """1e400 is not infinity."""
    assert "1e400" in script("explore_postgres", "console", given="SELECT '1e400' AS t;").stdout


class Terminal:
    """A real terminal with the script in it; what it shows is kept without its colours."""

    def __init__(self, environment: dict[str, str]) -> None:
        script = str(PROJECT_FOLDER / "python_scripts" / "explore_postgres.py")
        self.shown = ""
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.execve(
                sys.executable,
                [sys.executable, script, "console"],
                os.environ | environment | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            )

    def type(self, keys: str) -> None:
        """Type some keys; \r is Enter, \x03 is Ctrl-C."""
        os.write(self.master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Wait until the terminal has shown `text` since the last time that this was asked."""
        deadline = time.monotonic() + 20
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.2)[0]:
                data = os.read(self.master, 65536).decode(errors="replace")
                self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data)
        self.shown = self.shown.split(text, 1)[1]


def test_at_a_terminal_one_types_over_several_lines_and_stops_a_statement_by_ctrl_c(
    environment: dict[str, str],
) -> None:
    """Prompt, continuation, result, Ctrl-C on a statement that runs, look-up, the end."""
    terminal = Terminal(environment)
    terminal.wait_for("=>")
    terminal.type("SELECT 6 *\r7 AS product;\r")
    terminal.wait_for("42")
    terminal.wait_for("=>")
    terminal.type("SELECT pg_sleep(60);\r")
    terminal.wait_for("pg_sleep(60);")
    time.sleep(1)  # the statement has to be running; nothing shows that from outside
    terminal.type("\x03")
    terminal.wait_for("canceling statement due to user request")
    terminal.wait_for("=>")
    terminal.type("SELECT * FROM clean_pro\t")
    terminal.wait_for("clean_products")
    terminal.type(";\r")
    terminal.wait_for("Mechanical Keyboard")
    terminal.wait_for("=>")
    terminal.type("\\q\r")
    assert os.waitpid(terminal.process, 0)[1] == 0
