"""--metrics-port: the metrics equal what the database and Kafka have."""

import subprocess
import time
from contextlib import closing
from threading import Event

import httpx
import psutil
import psycopg2
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from local_stack import NO_TLS
from streaming_pipeline.waiting import Server
from tests.databases import as_admin
from tests.integration.streaming.conftest import SECONDS, Pipeline, ended
from tests.own_stack import free_ports

SIMULATOR = "streaming_pipeline/sensor_simulator.py"
Metrics = dict[tuple[str, str], float]  # name and the one label's value


def metrics(port: int) -> Metrics:
    """What a script answers; nothing while it has not begun to."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", verify=NO_TLS).text
    except httpx.TransportError:
        return {}
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def wait_for(port: int, name: str, label: str, value: float) -> Metrics:
    """The metrics once one of them has that value."""
    deadline = time.monotonic() + SECONDS
    while (found := metrics(port)).get((name, label)) != value:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def listens(process: "subprocess.Popen[str]") -> list[str]:
    """The addresses at which a process can be reached."""
    connections = psutil.Process(process.pid).net_connections()
    return [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]


def test_the_validator_counts_what_the_database_has(pipeline: Pipeline) -> None:
    [port] = free_ports(1)
    process = pipeline.start_validator("--metrics-port", str(port))
    pipeline.send(*(pipeline.reading(n) for n in range(90)))
    pipeline.send(pipeline.reading(5), b"no JSON", pipeline.reading(6, temperature=999))
    pipeline.producer.flush()
    pipeline.wait_until_read(93)
    found = wait_for(port, "stream_validator_records_total", "duplicate", 1)
    outcomes = {kind: value for (name, kind), value in found.items() if name.endswith("rds_total")}
    assert outcomes == {"valid": 90, "invalid": 2, "duplicate": 1}
    wait_for(port, "stream_validator_in_flight_records", "", 0)
    assert found["stream_write_seconds_count", ""] >= 1
    assert found["stream_retries_total", f"Kafka at {pipeline.kafka}"] == 0
    assert listens(process) == ["127.0.0.1"]
    process.terminate()
    ended(process)


def test_what_is_in_flight_shows_while_the_database_is_locked(pipeline: Pipeline) -> None:
    [port] = free_ports(1)
    process = pipeline.start_validator("--metrics-port", str(port))
    pipeline.send(pipeline.reading(1))
    pipeline.producer.flush()
    pipeline.wait_until_read(1)
    with closing(psycopg2.connect(**as_admin(pipeline.login))) as connection:
        connection.cursor().execute("LOCK TABLE stream_offsets IN ACCESS EXCLUSIVE MODE")
        pipeline.send(pipeline.reading(2))
        pipeline.producer.flush()
        wait_for(port, "stream_validator_in_flight_records", "", 1)
        connection.rollback()
    wait_for(port, "stream_validator_in_flight_records", "", 0)
    process.terminate()
    ended(process)


def test_the_simulator_counts_the_answers(pipeline: Pipeline) -> None:
    [port] = free_ports(1)
    process = pipeline.start(SIMULATOR, "--rate", "500", "--count", "200000", "--json",
                             "--metrics-port", str(port))  # fmt: skip
    deadline = time.monotonic() + SECONDS
    while not metrics(port).get(("stream_simulator_records_total", "acknowledged")):
        assert time.monotonic() < deadline
    assert metrics(port)["stream_simulator_records_total", "failed"] == 0
    process.terminate()
    process.communicate(timeout=SECONDS)


def test_nothing_is_served_unless_asked_for(pipeline: Pipeline) -> None:
    process = pipeline.start_validator()
    pipeline.send(pipeline.reading(1))
    pipeline.producer.flush()
    pipeline.wait_until_read(1)
    assert listens(process) == []
    process.terminate()
    ended(process)


def test_a_taken_port_is_one_sentence(pipeline: Pipeline) -> None:
    port = pipeline.kafka.rpartition(":")[2]
    for process in (
        pipeline.start(SIMULATOR, "--metrics-port", port),
        pipeline.start_validator("--metrics-port", port),
    ):
        _, error = ended(process, 1)
        assert f"Metrics cannot be served at 127.0.0.1:{port}" in error
        assert "--metrics-port" in error
        assert "Traceback" not in error


def test_each_retry_is_counted() -> None:
    """No server fails exactly twice on demand, so its answers are simulated."""
    server = Server("a server for test_metrics", Event())
    answers = iter([OSError("away"), OSError("away")])

    def ask() -> str:
        for error in answers:
            raise error
        return "here"

    assert server.ask(ask) == "here"
    labels = {"server": server.name}
    assert REGISTRY.get_sample_value("stream_retries_total", labels) == 2
