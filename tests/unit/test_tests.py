"""What holds for every file of the tests."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLOCKS = {"now", "today", "utcnow", "time", "monotonic"}


def calls_of_import(file: Path) -> set[str]:
    """Names of what is called while the file is imported: outside of functions and classes."""
    statements = ast.parse(file.read_text()).body
    defined = (ast.FunctionDef, ast.ClassDef)
    outside = [statement for statement in statements if not isinstance(statement, defined)]
    calls = [node.func for one in outside for node in ast.walk(one) if isinstance(node, ast.Call)]
    return {call.attr for call in calls if isinstance(call, ast.Attribute)}


@pytest.mark.parametrize(
    "file", sorted(TESTS.rglob("test_*.py")), ids=lambda file: str(file.relative_to(TESTS))
)
def test_a_test_does_not_read_the_clock_when_it_is_imported(file: Path) -> None:
    """In a long run that is half an hour before the test, and its readings would be late."""
    assert not calls_of_import(file) & CLOCKS
