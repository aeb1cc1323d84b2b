"""Passwords of any printable characters, from the settings to the server."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from local_stack.stack import Stack
from pipeline_common.database import connect
from tests.own_stack import folder_of_its_own, settings_of_its_own

PASSWORD = """p@ss/"w%20o'r d:#$HOME;\\x"""


@pytest.fixture(scope="module")
def stack_with_odd_passwords() -> Iterator[Stack]:
    """my_postgres, whose logins all have such a password."""
    names = ("pgpassword", "pipeline_reader_password", "pipeline_admin_password")
    odd = dict.fromkeys((*names, "airflow_db_password"), PASSWORD)
    settings = settings_of_its_own().model_copy(update=odd)
    with folder_of_its_own("passwords") as folder:
        stack = Stack(folder, settings)
        try:
            stack.up("my_postgres")
            yield stack
        finally:
            stack.down()


@pytest.mark.parametrize("role", ["pipeline_user", "pipeline_reader", "pipeline_admin"])
def test_the_role_logs_in(stack_with_odd_passwords: Stack, role: str) -> None:
    login = stack_with_odd_passwords.settings.postgres | {"user": role}
    assert current_user(login) == role


def test_airflow_s_role_logs_in(stack_with_odd_passwords: Stack) -> None:
    airflow = {"user": "airflow_user", "dbname": "airflow_db"}
    assert current_user(stack_with_odd_passwords.settings.postgres | airflow) == "airflow_user"


def current_user(login: dict[str, Any]) -> str:
    """Who the server says one is."""
    with closing(connect(login, "test")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        [(user,)] = cursor.fetchall()
        return str(user)
