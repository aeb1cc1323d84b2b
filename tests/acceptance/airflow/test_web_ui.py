"""A person can run the DAG from Airflow's pages, in a real browser."""

import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from pipeline_common.settings import DAG_ID
from python_scripts.airflow_api import sign_in, wait_for_dag
from tests.browser import chromium

SECONDS = 1000.0  # milliseconds


@pytest.fixture(scope="module")
def page(airflow: Stack) -> Iterator[Page]:
    """A page of headless Chromium that looks at the stack's Airflow."""
    with chromium() as browser:
        page = browser.new_page(base_url=airflow.settings.airflow_url, locale="en-US")
        page.set_default_timeout(120 * SECONDS)
        expect.set_options(timeout=120 * SECONDS)
        yield page


def test_a_wrong_password_is_refused(airflow: Stack, page: Page) -> None:
    sign_in_by_hand(page, "not the password")
    expect(page.get_by_text("Invalid credentials")).to_be_visible()


def test_the_dag_is_found_switched_on_triggered_and_green(airflow: Stack, page: Page) -> None:
    api = sign_in(airflow.settings)
    wait_for_dag(api, DAG_ID)
    # Off, as on a fresh stack, whatever other tests have done.
    api.patch(f"/api/v2/dags/{DAG_ID}", json={"is_paused": True}).raise_for_status()
    before = runs(api)
    sign_in_by_hand(page, airflow.settings.airflow_password)
    page.get_by_role("link", name="Dags").click()
    page.get_by_role("link", name=DAG_ID, exact=True).click()
    # The list of DAGs, still there until the DAG's own page has loaded, has such a button, too.
    expect(page.get_by_text("Latest Dag Version")).to_be_visible()

    page.get_by_test_id("trigger-dag-button").click()
    expect(page.get_by_text(f"Unpause {DAG_ID} on trigger")).to_be_visible()
    page.get_by_test_id("trigger-dag-submit").click()

    deadline = time.monotonic() + 120
    while not (new := runs(api) - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(new) == 1
    page.goto(f"/dags/{DAG_ID}/runs")
    newest = page.get_by_role("row").nth(1)  # below the headings
    expect(newest).to_contain_text("Success", timeout=300 * SECONDS)


def runs(api: httpx.Client) -> set[str]:
    """Ids of all runs of the DAG."""
    found = api.get(f"/api/v2/dags/{DAG_ID}/dagRuns").raise_for_status().json()["dag_runs"]
    return {run["dag_run_id"] for run in found}


def sign_in_by_hand(page: Page, password: str) -> None:
    page.goto("/")
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()
