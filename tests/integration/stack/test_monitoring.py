"""MONITORING=1 without Docker: Prometheus scrapes, an alert fires and reaches Alertmanager."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import httpx
import psutil
import psycopg2
import pytest
import yaml

from local_stack import NO_TLS, monitoring
from local_stack.stack import Stack
from pipeline_common.settings import PROJECT_FOLDER, Settings
from python_scripts.exporter import Exporter
from tests.databases import as_admin
from tests.integration.batch.conftest import product, run_batch
from tests.own_stack import free_ports, stack_of_its_own

SECONDS = 240  # a deadline for what takes seconds on a quiet machine
FOLDER = PROJECT_FOLDER / "monitoring"
#: So that the test need not wait as long as people can: everything else is as in monitoring/.
QUICK = {
    "scrape_interval: 10s": "scrape_interval: 1s",
    "evaluation_interval: 10s": "evaluation_interval: 1s",
    "for: 30s": "for: 1s",
    "group_wait: 10s": "group_wait: 0s",
}


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """Prometheus and Alertmanager, which `make test` has installed before."""
    monitoring.install()


@pytest.fixture(scope="module")
def validator_port() -> int:
    """A port in place of 9101."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory, validator_port: int) -> Iterator[Stack]:
    """The stack's part that the stream needs, and what watches it, with shorter intervals."""
    quick = tmp_path_factory.mktemp("monitoring")
    for name in monitoring.FILES:
        text = (FOLDER / name).read_text().replace(":9101", f":{validator_port}")
        for slow, fast in QUICK.items():
            text = text.replace(slow, fast)
        (quick / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitoring, "CONFIGURATION", quick)
        with stack_of_its_own("test-monitoring", "my_prometheus") as stack:
            yield stack


@contextmanager
def running(stack: Stack, script: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A script of the stream, ended at the end as Ctrl-C would end it."""
    process = subprocess.Popen(
        [sys.executable, f"streaming_pipeline/{script}.py", *arguments],
        cwd=PROJECT_FOLDER,
        env=stack.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(SECONDS)


def ask(stack: Stack, query: str) -> list[float]:
    """The values that Prometheus has for a query."""
    url = f"http://127.0.0.1:{stack.settings.prometheus_port}/api/v1/query"
    answer = httpx.get(url, params={"query": query}, verify=NO_TLS).raise_for_status().json()
    return [float(sample["value"][1]) for sample in answer["data"]["result"]]


def alerts(stack: Stack) -> list[str]:
    """The alerts that Alertmanager has, by name."""
    url = f"http://127.0.0.1:{stack.settings.alertmanager_port}/api/v2/alerts"
    found = httpx.get(url, params={"active": True}, verify=NO_TLS).raise_for_status().json()
    return [alert["labels"]["alertname"] for alert in found]


def wait_until(condition: Callable[[], object], what: Callable[[], object]) -> None:
    """Return once the condition holds; fails with what there is instead."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def exported(settings: Settings) -> dict[tuple[str, ...], float]:
    """What the exporter says now: by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in Exporter(settings).collect()
        for sample in metric.samples
    }


def execute(login: dict[str, Any], statement: str) -> list[tuple[Any, ...]]:
    """Run a statement as the superuser."""
    with closing(psycopg2.connect(**as_admin(login))) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_validator_that_stops_is_an_alert_in_alertmanager(
    monitored: Stack, validator_port: int
) -> None:
    validator = "stream_validator", "--metrics-port", str(validator_port)
    with running(monitored, "sensor_simulator", "--rate", "20"):
        with running(monitored, *validator):
            for query in (
                "sum(stream_validators) == 1",
                "sum(rate(stream_records_total[10s])) > 0",
                'rate(stream_validator_records_total{outcome="valid"}[10s]) > 0',
                "sum(stream_lag_records) < 1000",
            ):
                wait_until(partial(ask, monitored, query), lambda: "no answer")
            assert "ValidatorDown" not in alerts(monitored)
        wait_until(lambda: "ValidatorDown" in alerts(monitored), lambda: alerts(monitored))
        with running(monitored, *validator):
            wait_until(lambda: "ValidatorDown" not in alerts(monitored), lambda: alerts(monitored))


def test_the_exporter_says_what_the_database_has(monitored: Stack) -> None:
    settings = monitored.settings
    before = exported(settings)
    [(records, following)] = execute(
        settings.timescale, "SELECT sum(records)::int, sum(next_offset)::int FROM stream_offsets"
    )
    totals: dict[str, float] = {}
    for (name, *_), value in before.items():
        totals[name] = totals.get(name, 0) + value
    assert totals["stream_records_total"] == records > 0
    assert totals["stream_next_offset"] == following
    assert totals["stream_end_offset"] >= following
    assert totals["stream_ledger_records"] == records
    assert before["stream_unaccounted_records", "sensor_readings_raw"] == 0
    assert before["stream_validators", "sensor_validator_group"] == 0
    assert 0 < before["database_connections", "timeseries_db"] < 100
    assert before["database_max_connections", "timeseries_db"] == 100
    execute(
        settings.timescale,
        """DELETE FROM sensor_readings WHERE ctid = (SELECT min(ctid) FROM sensor_readings WHERE
           topic IS NOT NULL AND tableoid = (SELECT max(tableoid) FROM sensor_readings
           WHERE topic IS NOT NULL)) AND topic IS NOT NULL""",
    )
    assert exported(settings)["stream_unaccounted_records", "sensor_readings_raw"] == 1


def test_the_exporter_counts_the_last_batch(monitored: Stack) -> None:
    settings = monitored.settings
    assert ("batch_last_success_timestamp_seconds",) not in exported(settings)
    begin = time.time()
    with closing(psycopg2.connect(**settings.postgres)) as connection:
        run_batch(connection, "first", {"shop": [product("A"), product("B", price=-1)]})
        run_batch(connection, "second", {"shop": [product("A")], "store": [product("C"), "?"]})
    found = exported(settings)
    assert found["batch_last_success_timestamp_seconds",] >= begin - 1
    assert found["batch_unaccounted_rows",] == 0
    assert {key[1:]: n for key, n in found.items() if key[0] == "batch_rows" and n} == {
        ("shop", "clean"): 1,
        ("store", "clean"): 1,
        ("store", "quarantined"): 1,
    }
    execute(settings.postgres, "DELETE FROM quarantine_products WHERE batch_id = 'first'")
    assert exported(settings)["batch_unaccounted_rows",] == 1


def test_a_server_that_is_away_hides_nothing_of_the_others(monitored: Stack) -> None:
    monitored.stop("my_timescaledb")
    found = exported(monitored.settings)
    up = {key[1]: value for key, value in found.items() if key[0] == "pipeline_part_up"}
    assert up == {
        "my_postgres": 1,
        "my_timescaledb": 0,
        "my_kafka": 1,
        "batch ledger": 1,
        "stream ledger": 0,
    }
    assert ("database_connections", "pipeline_db") in found
    wait_until(lambda: ask(monitored, 'pipeline_part_up{part="my_timescaledb"}') == [0], list)


def test_a_fresh_broker_without_any_group_is_no_broker_that_is_down(monitored: Stack) -> None:
    """The fixture's exporter has asked it before the first validator came."""
    log = monitored.log("my_exporter").read_text()
    assert "my_kafka" not in log, log


def test_a_broker_that_hangs_delays_no_scrape_for_longer_than_prometheus_waits(
    monitored: Stack,
) -> None:
    kafka = psutil.Process(monitored.pid("my_kafka"))
    kafka.suspend()
    try:
        begin = time.monotonic()
        found = exported(monitored.settings)
        assert time.monotonic() - begin < 20  # half of it when quiet; Kafka's own limit is 30 s
    finally:
        kafka.resume()
    assert found["pipeline_part_up", "my_kafka"] == 0
    assert found["pipeline_part_up", "my_postgres"] == 1


def test_only_this_machine_can_reach_it(monitored: Stack) -> None:
    for name in ("my_exporter", "my_prometheus", "my_alertmanager"):
        connections = psutil.Process(monitored.pid(name)).net_connections()
        listening = [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]
        assert listening == ["127.0.0.1"], name


def test_the_status_has_what_runs_of_it(monitored: Stack) -> None:
    assert monitored.healthy()["my_prometheus"]
    monitored.stop("my_prometheus")
    assert "my_prometheus" not in monitored.healthy()
    assert "my_kafka" in monitored.healthy()


def promtool(*arguments: str, program: str = "promtool") -> str:
    """Its output; fails if promtool reports an error."""
    command = [program, *arguments]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_and_alertmanager_take_their_configurations() -> None:
    assert "10 rules found" in promtool("check", "config", "monitoring/prometheus.yml")
    promtool("check-config", "monitoring/alertmanager.yml", program="amtool")


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    files = sorted(FOLDER.glob("*_test.yml"))
    promtool("test", "rules", *map(str, files))
    cases = [case for file in files for case in yaml.safe_load(file.read_text())["tests"]]
    for alert in rules():
        fires = {
            bool(case["exp_alerts"])
            for test in cases
            for case in test["alert_rule_test"]
            if case["alertname"] == alert["alert"]
        }
        assert fires == {True, False}, alert


def rules() -> list[dict[str, Any]]:
    """The alerts of alerts.yml."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("alert", rules(), ids=lambda alert: alert["alert"])
def test_each_alert_leads_to_a_section_that_says_what_to_do(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (PROJECT_FOLDER / page).read_text(), re.MULTILINE)
    assert anchor == alert["alert"].lower()
    assert alert["alert"] in headings


def test_no_name_of_a_container_is_left_in_the_local_configuration() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    text = (FOLDER / "prometheus.yml").read_text()
    targets = re.findall(r'"([\w.]+):(\d+)"', monitoring.here(text, Settings(**defaults)))
    assert {host for host, _ in targets} == {"127.0.0.1"}
    assert [port for _, port in targets] == re.findall(r':(\d+)"', text)
