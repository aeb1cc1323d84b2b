"""A password may hold any printable character."""

import shlex
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from local_stack.monitoring import quoted
from pipeline_common.database import connection_arguments
from pipeline_common.settings import Settings
from python_scripts.demo import address_for_psql

PASSWORD = """p@ss/"w%20o r:d#$HOME;?&=\\x"""
LOGIN = {"host": "localhost", "port": 1, "user": "u@x", "password": PASSWORD, "dbname": "a/b"}


def test_in_single_quotes_env_takes_it_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PGPASSWORD='{PASSWORD}'\n")
    assert Settings(_env_file=tmp_path / ".env").pgpassword == PASSWORD  # type: ignore[call-arg]


def test_the_exporter_s_own_file_holds_it_as_it_is(tmp_path: Path) -> None:
    env = tmp_path / "exporter.env"
    for password in (PASSWORD, "p@ss'w'ord\\", "\\'$HOME # x"):
        env.write_text(f"PIPELINE_READER_PASSWORD={quoted(password)}\n")
        read = Settings(_env_file=env)  # type: ignore[call-arg]
        assert read.pipeline_reader_password == password


def test_the_address_that_the_demo_prints_is_one_word_that_leads_to_the_login() -> None:
    (address,) = shlex.split(address_for_psql(LOGIN))
    found = conninfo_to_dict(address)
    assert {key: found[key] for key in ("user", "password", "dbname")} == {
        key: LOGIN[key] for key in ("user", "password", "dbname")
    }


def test_pgcli_is_told_the_password_that_it_is() -> None:
    conninfo = make_conninfo(**connection_arguments(LOGIN, "console"))
    assert conninfo_to_dict(conninfo)["password"] == PASSWORD
