"""docker-compose.monitoring.yml: Prometheus scrapes the state of the seven from the exporter."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.acceptance.compose import stand_ins
from tests.acceptance.compose.project import Compose

SERVICES = ["my_exporter", "my_alertmanager", "my_prometheus"]


@pytest.fixture(scope="module")
def monitored(docker: dict[str, str], real_images: bool, up: Compose) -> Iterator[Compose]:
    """Starts the three beside the seven, which are running already, and stops them again."""
    if not real_images:
        stand_ins.build_for_monitoring(docker)
    compose = replace(up, files=(*up.files, "docker-compose.monitoring.yml"))
    compose("up", "--detach", "--wait", *SERVICES)
    yield compose
    compose("rm", "--force", "--stop", "--volumes", *SERVICES)
    compose.run("docker", "volume", "rm", f"{compose.folder.name}_prometheus_data")


def ask(port: int, path: str, **parameters: str) -> Any:
    """Prometheus's response to a query."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=parameters)
    return answer.raise_for_status().json()["data"]


def test_the_exporter_asks_every_part_and_prometheus_asks_it(monitored: Compose) -> None:
    port = monitored.settings.prometheus_port
    deadline = time.monotonic() + 240
    while len(found := ask(port, "query", query="pipeline_part_up == 1")["result"]) < 5:
        assert time.monotonic() < deadline, (found, monitored("logs", "--tail=20", *SERVICES))
        time.sleep(0.5)


def test_prometheus_knows_the_alerts_and_where_to_send_them(monitored: Compose) -> None:
    port = monitored.settings.prometheus_port
    [alertmanager] = ask(port, "alertmanagers")["activeAlertmanagers"]
    assert alertmanager["url"] == "http://my_alertmanager:9093/api/v2/alerts"
    rules = [rule for group in ask(port, "rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert "ValidatorDown" in [rule["name"] for rule in rules]
    address = f"http://127.0.0.1:{monitored.settings.alertmanager_port}/-/ready"
    assert httpx.get(address).is_success


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_open_to_this_machine_only_and_has_no_privilege(
    monitored: Compose, service: str
) -> None:
    ports = monitored.run("docker", "port", service).splitlines()
    assert ports
    assert all("-> 127.0.0.1:" in port for port in ports)
    status = monitored.run("docker", "exec", service, "cat", "/proc/1/status").splitlines()
    fields = dict(line.split(":\t", 1) for line in status)
    assert fields["Uid"].split()[0] != "0"
    assert int(fields["CapEff"], 16) == 0
