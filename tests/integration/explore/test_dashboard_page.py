"""The dashboard's pages without a browser, as Streamlit's own test runner shows them."""

import subprocess
import sys

import pytest

RENDER = """
import sys, warnings
from streamlit.testing.v1 import AppTest
warnings.simplefilter("error", UserWarning)
for name in ("stream", "batch", "trace", "lab"):
    page = f"from python_scripts.dashboard_{name} import {name}_page as page; page()"
    shown = AppTest.from_string(page, default_timeout=300).run()
    assert not shown.exception, shown.exception
    assert not shown.warning, shown.warning
    for box in shown.info:
        print(box.value)
"""


@pytest.fixture
def shown(environment: dict[str, str]) -> str:
    """What the pages say about fresh databases; a warning in the terminal is an error."""
    done = subprocess.run(
        [sys.executable, "-c", RENDER],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_empty_says_what_to_do(shown: str) -> None:
    assert "No record in the last ten minutes. Start both" in shown
    assert "No sensor has sent in the last 15 minutes. Start both" in shown
    assert "No run yet. Start one: `python python_scripts/run_dag.py`" in shown
    assert "Nothing has been rejected so far." in shown
