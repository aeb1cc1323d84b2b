"""The live page in a real browser: its numbers are those of the databases, and change with them.

The picture in the README is what this test sees. This makes it anew, from four minutes of sensors
and four runs of the batch:

    DASHBOARD_PICTURE=docs/dashboard.png python -m pytest tests/explore/test_dashboard.py
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import psycopg2
import pytest
from playwright.sync_api import Locator, Page, expect

from batch_pipeline.scraper import VENDORS, scrape
from local_stack.own_stack import free_ports
from pipeline_settings import PROJECT_FOLDER
from python_scripts.queries import as_objects, run_query
from tests.batch.conftest import run_batch
from tests.browser import chromium
from tests.explore.conftest import Script

PICTURE = os.environ.get("DASHBOARD_PICTURE")
SECONDS = 1000.0  # milliseconds


@pytest.fixture
def address(environment: dict[str, str]) -> Iterator[str]:
    """Where the page is served, by the script that a user starts."""
    (port,) = free_ports(1)
    script = str(PROJECT_FOLDER / "python_scripts/dashboard.py")
    url = f"http://localhost:{port}"
    with subprocess.Popen(
        [sys.executable, script, "--no-browser", "--port", str(port)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
    ) as process:
        wait_until_served(url)
        yield url
        process.terminate()


def wait_until_served(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{url}/_stcore/health").raise_for_status()
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "the page is not served"
            time.sleep(0.2)
        else:
            return


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """The page in headless Chromium, in another time zone than UTC."""
    with chromium() as browser:
        size = {"width": 1280, "height": 1760}
        page = browser.new_page(viewport=size, locale="en-US", timezone_id="Asia/Tokyo")  # type: ignore[arg-type]
        page.set_default_timeout(30 * SECONDS)
        expect.set_options(timeout=30 * SECONDS)
        page.goto(address)
        yield page


def number(page: Page, name: str) -> Locator:
    """The element that shows a total."""
    metrics = page.get_by_test_id("stMetric")
    metric = metrics.filter(has=page.get_by_text(name, exact=True))
    return metric.get_by_test_id("stMetricValue")


def table_row(page: Page, *cells: object) -> Locator:
    """A row of a table with just these cells."""
    text = r"\s*".join(re.escape(str(cell)) for cell in cells)
    return page.get_by_role("row").filter(has_text=re.compile(rf"^\s*{text}\s*$"))


def rows_of(login: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The rows of sql/queries/NAME.sql."""
    with closing(psycopg2.connect(**login)) as connection:
        return as_objects(run_query(connection, name))


def scrape_and_load(login: dict[str, Any], seed: int) -> None:
    """One run of the batch, as the DAG does it."""
    records = {vendor: list(scrape(vendor, 15, seed)) for vendor in VENDORS}
    with closing(psycopg2.connect(**login)) as connection:
        run_batch(connection, f"manual__{seed}", records)


def test_the_stream_s_numbers_are_the_database_s_and_change_with_it(
    page: Page,
    timeseries_db: dict[str, Any],
    send: Callable[[int], object],
    drain: Callable[[], None],
) -> None:
    """Read, valid, invalid, duplicate, by the ledger; and what is still to be read."""
    for count in (200, 50):  # the page is not reloaded in between
        send(count)
        drain()
        (ledger,) = rows_of(timeseries_db, "stream_ledger")
        assert ledger["missing"] == 0
        for name in ("read", "valid", "invalid", "duplicate", "missing"):
            expect(number(page, name)).to_have_text(str(ledger[name]))
    for row in rows_of(timeseries_db, "invalid_reasons"):
        expect(table_row(page, row["reason"], row["readings"], row["percent"])).to_be_visible()

    expect(number(page, "consumer lag")).to_have_text("0")
    send(10)
    expect(number(page, "consumer lag")).to_have_text("10")


def test_the_zones_are_the_database_s_and_change_with_it(
    page: Page, pipeline_db: dict[str, Any]
) -> None:
    """A drawn flow: raw and the four places where a raw product can be."""
    for seed in range(3):
        if seed:
            scrape_and_load(pipeline_db, seed)
        (zones,) = rows_of(pipeline_db, "batch_zones")
        for zone, rows in zones.items():
            label = re.compile(rf"^{zone.replace('_', ' ')}: {rows}$")
            expect(page.locator("svg text").filter(has_text=label)).to_be_visible()
    for row in rows_of(pipeline_db, "top_rejection_reasons"):
        expect(table_row(page, row["reason"], row["rows"], row["percent"])).to_be_visible()


def test_a_database_that_is_away_is_told_on_the_page(
    environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """And the other part of the page is there all the same."""
    environment["TIMESCALE_PORT"] = "1"
    page: Page = request.getfixturevalue("page")
    expect(page.get_by_text("TimescaleDB does not answer")).to_be_visible()
    expect(page.get_by_text("not judged yet: 4")).to_be_visible()


@pytest.mark.skipif(not PICTURE, reason="makes the README's picture when DASHBOARD_PICTURE is set")
@pytest.mark.timeout(600)
def test_the_picture(
    page: Page, pipeline_db: dict[str, Any], script: Script, topic: str, environment: dict[str, str]
) -> None:
    """Both pipelines at work, the batch once a minute."""
    validator = PROJECT_FOLDER / "streaming_pipeline/stream_validator.py"
    with subprocess.Popen(
        [sys.executable, str(validator), "--topic", topic, "--exit-when-idle", "20"],
        env=os.environ | environment,
    ):
        for seed in range(4):
            scrape_and_load(pipeline_db, seed)
            script("streaming_pipeline/sensor_simulator", "--topic", topic, "--duration", "60")
        page.screenshot(path=PICTURE)
