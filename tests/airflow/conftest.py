"""Airflow of the tests' stack, with its web server, scheduler and dag-processor."""

import pytest

from local_stack.stack import Stack


@pytest.fixture(scope="session")
def airflow(stack: Stack) -> Stack:
    """The stack with Airflow healthy on it."""
    stack.up("airflow_scheduler")
    return stack
