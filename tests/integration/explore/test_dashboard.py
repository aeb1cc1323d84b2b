"""The dashboard in a real browser: its numbers are those of the databases, and change with them.

The pictures of the pages are what this test sees. This makes them, from a minute of sensors
and three runs of the batch:

    DASHBOARD_PICTURES=docs pytest tests/integration/explore/test_dashboard.py
"""

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from playwright.sync_api import Locator, Page, expect

from batch_pipeline.scraper import VENDORS, scrape
from local_stack import NO_TLS
from pipeline_common.console import counted
from pipeline_common.settings import PROJECT_FOLDER
from python_scripts.queries import as_objects, run_query
from tests.broker import forget_groups
from tests.browser import chromium
from tests.integration.batch.conftest import product, run_batch
from tests.integration.explore.conftest import Script
from tests.own_stack import free_ports

PICTURES = os.environ.get("DASHBOARD_PICTURES")
SECONDS = 1000.0  # milliseconds
PAGES = ("", "batch", "trace", "lab")
SIZES = ((1280, 800), (768, 1024), (390, 844))  # a desk, a tablet, a phone
#: What Streamlit says on a normal start; every other line is a warning or worse.
SAID = re.compile(
    r"The dashboard is at http://localhost:\d+ until Ctrl-C|.* Uvicorn server (started|running) .*|"
)

# How wide the page is beside its window, and the weakest contrast of text with what is behind it.
LOOKS = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = numbers(colour).slice(0, 3).map(
            c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const solid = colour => { const n = numbers(colour); return n.length < 4 || n[3] == 1; };
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (solid(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const main = document.querySelector(".stMain");
    const texts = [...main.querySelectorAll(
        "h2, h3, td, [data-testid=stMetricValue], [data-testid=stMarkdownContainer] > p")];
    const contrasts = texts.filter(e => solid(getComputedStyle(e).color)).map(e => {
        const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    });
    const body = light(behind(main));
    return {wider: main.scrollWidth - main.clientWidth, contrast: Math.min(...contrasts), body};
}"""


@pytest.fixture
def address(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Where the pages are served, as for a user who has a desktop and a coding assistant.

    At the end, the terminal must have shown no warning.
    """
    (tmp_path / ".claude").mkdir()
    browser = tmp_path / "xdg-open"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    desktop = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (port,) = free_ports(1)
    script = str(PROJECT_FOLDER / "python_scripts/dashboard.py")
    url = f"http://localhost:{port}"
    said = tmp_path / "said"
    with (
        said.open("w") as output,
        subprocess.Popen(
            [sys.executable, script, "--port", str(port)],
            env=os.environ | environment | desktop,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        wait_until_served(url)
        yield url
        lines = said.read_text().splitlines()  # before the end, about which Streamlit says more
        process.terminate()
    assert [line for line in lines if not SAID.fullmatch(line)] == []


def wait_until_served(url: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            httpx.get(f"{url}/_stcore/health", verify=NO_TLS).raise_for_status()
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "the page is not served"
            time.sleep(0.2)
        else:
            return


@pytest.fixture
def page(address: str, kafka: str) -> Iterator[Page]:
    """The first page in headless Chromium, not in UTC; no consumer group has read anything."""
    forget_groups(kafka)
    with chromium() as browser:
        size = {"width": 1280, "height": 1300}
        page = browser.new_page(viewport=size, locale="en-US", timezone_id="Asia/Tokyo")  # type: ignore[arg-type]
        page.set_default_timeout(120 * SECONDS)
        expect.set_options(timeout=120 * SECONDS)
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


def node(page: Page, label: str) -> Locator:
    """A node of a drawn graph; the label is a regular expression."""
    return page.locator("svg text").filter(has_text=re.compile(f"^{label}$"))


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
    """The ledger, the reasons, what is still to be read, and where each sensor's readings went."""
    expect(number(page, "consumer lag")).to_have_text("?")
    expect(page.get_by_text("No sensor has sent in the last 15 minutes.")).to_be_visible()
    for count in (200, 1000):  # the page is not reloaded in between
        send(count)
        drain()
        (ledger,) = rows_of(timeseries_db, "stream_ledger")
        assert ledger["missing"] == 0
        for name in ("read", "valid", "invalid", "duplicate", "missing"):
            expect(number(page, name)).to_have_text(f"{ledger[name]:,}")
    for row in rows_of(timeseries_db, "invalid_reasons"):
        expect(table_row(page, row["reason"], row["readings"], row["percent"])).to_be_visible()
    for row in rows_of(timeseries_db, "sensor_partitions"):
        readings = counted(row["readings"], "reading")
        expect(node(page, f"{row['sensor_id']}: {readings}")).to_be_visible()
        expect(node(page, f"partition {row['partition']}, lag 0")).to_be_visible()
    expect(node(page, "no validator")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+ per minute$")).first).to_be_visible()

    expect(number(page, "consumer lag")).to_have_text("0")
    send(10)
    expect(number(page, "consumer lag")).to_have_text("10")


def test_the_zones_are_the_database_s_and_change_with_it(
    page: Page, address: str, pipeline_db: dict[str, Any]
) -> None:
    """A drawn flow: raw and the four places where a raw product can be."""
    page.goto(f"{address}/batch")
    expect(page.get_by_text("No run yet. Start one:")).to_be_visible()
    for seed in range(3):
        if seed:
            scrape_and_load(pipeline_db, seed)
        (zones,) = rows_of(pipeline_db, "batch_zones")
        for zone, rows in zones.items():
            expect(node(page, f"{zone.replace('_', ' ')}: {rows}")).to_be_visible()
    for row in rows_of(pipeline_db, "top_rejection_reasons"):
        expect(table_row(page, row["reason"], row["rows"], row["percent"])).to_be_visible()


def test_a_record_is_followed_to_its_task_s_log(
    page: Page, address: str, pipeline_db: dict[str, Any], environment: dict[str, str]
) -> None:
    """And what is not there is a sentence. A record's text is shown, not taken for Markdown."""
    text = product("P*1*", name="![x](http://x/y.png)")
    with closing(psycopg2.connect(**pipeline_db)) as connection:
        run_batch(connection, "manual__1", {"vendor": [text]})
    page.goto(f"{address}/trace")
    page.get_by_label("Topic").fill("no_such_*topic*")
    page.get_by_role("button", name="Follow it").click()
    expect(page.get_by_text("Kafka has no partition 0 of no_such_*topic*")).to_be_visible()
    page.get_by_text("product", exact=True).click()
    page.get_by_label("Product").fill("P*1*")
    page.get_by_role("button", name="Follow it").click()
    expect(page.get_by_text(text, exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile("^clean_products has "))).to_be_visible()
    run = (
        f"http://localhost:{environment['AIRFLOW_PORT']}/dags/product_batch_pipeline/runs/manual__1"
    )
    link = page.get_by_role("link", name="The task's log in Airflow")
    expect(link).to_have_attribute("href", re.compile(f"^{run}/tasks/load_to_\\w+$"))


def test_a_database_that_is_away_is_told_on_the_page(
    environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """And the other pages are there all the same."""
    environment["TIMESCALE_PORT"] = "1"
    page: Page = request.getfixturevalue("page")
    expect(page.get_by_text("TimescaleDB does not answer")).to_be_visible()
    page.get_by_role("link", name="Batch").click()
    expect(node(page, "pending: 4")).to_be_visible()


def test_every_page_fits_and_can_be_read_at_three_sizes_light_and_dark(
    page: Page, address: str, send: Callable[[int], object], drain: Callable[[], None]
) -> None:
    """Nothing is wider than the window, text stands out, and there is no box of Streamlit's own."""
    send(200)
    drain()
    for name in PAGES:
        page.goto(f"{address}/{name}")
        expect(page.locator(".stMain h2").first).to_be_visible()
        expect(page.get_by_text("Times are UTC.")).to_be_visible()
        for scheme, (width, height) in itertools.product(("light", "dark"), SIZES):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": height})
            looks = page.evaluate(LOOKS)
            deadline = time.monotonic() + 60
            while wrong(looks, scheme):
                assert time.monotonic() < deadline, (name, scheme, width, looks)
                time.sleep(0.1)
                looks = page.evaluate(LOOKS)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_text(re.compile("skills|Deploy|Page not found"))).to_have_count(0)


def wrong(looks: dict[str, float], scheme: str) -> bool:
    """Whether a page is too wide, hard to read, or light where it should be dark."""
    is_dark = looks["body"] < 0.2
    return looks["wider"] > 0 or looks["contrast"] < 4.5 or is_dark != (scheme == "dark")


@pytest.mark.skipif(not PICTURES, reason="makes the pages' pictures when DASHBOARD_PICTURES is set")
@pytest.mark.timeout(600)
def test_the_pictures(
    page: Page, pipeline_db: dict[str, Any], script: Script, topic: str, environment: dict[str, str]
) -> None:
    """Both pipelines at work, the batch once a minute."""
    folder, address = Path(PICTURES or ""), page.url
    validator = PROJECT_FOLDER / "streaming_pipeline/stream_validator.py"
    with subprocess.Popen(
        [sys.executable, str(validator), "--topic", topic, "--exit-when-idle", "20"],
        env=os.environ | environment,
    ):
        for seed in range(3):
            scrape_and_load(pipeline_db, seed)
            script("streaming_pipeline/sensor_simulator", "--topic", topic, "--duration", "20")
        page.screenshot(path=folder / "dashboard.png")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{address}batch")
    expect(node(page, "pending: 4")).to_be_visible()
    expect(page.get_by_text("duplicate_in_batch").first).to_be_visible()
    page.screenshot(path=folder / "dashboard-batch.png")
    page.set_viewport_size({"width": 1280, "height": 1080})
    page.goto(f"{address}trace")
    page.get_by_text("raw row", exact=True).click()
    page.get_by_label("Raw row").fill("8")
    page.get_by_role("button", name="Follow it").click()
    expect(page.get_by_text("superseded_products, since")).to_be_visible()
    page.screenshot(path=folder / "dashboard-trace.png")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{address}lab")
    expect(page.get_by_text(re.compile("exercises are done"))).to_be_visible()
    page.screenshot(path=folder / "dashboard-lab.png")
