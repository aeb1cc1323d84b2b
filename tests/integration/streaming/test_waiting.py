"""Servers that are down, or never existed, and scripts that are asked to stop meanwhile."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from subprocess import Popen
from threading import Event
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaProducer

from local_stack.stack import Stack
from pipeline_common.settings import Settings
from streaming_pipeline import reader, validation_loop
from streaming_pipeline.database import Database
from tests.databases import as_admin
from tests.integration.streaming.conftest import Pipeline, ended

VALIDATOR = "streaming_pipeline/stream_validator.py"
SIMULATOR = "streaming_pipeline/sensor_simulator.py"


@contextmanager
def suspended(stack: Stack, service: str) -> Iterator[None]:
    """A server that keeps its connections and does not answer."""
    pid = stack.pid(service)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
    stack.wait_until_healthy(service)


def wait_for_line(process: "Popen[str]", part: str) -> str:
    """The first line of its log with `part` in it."""
    assert process.stderr
    for line in process.stderr:
        if part in line:
            return line
    raise AssertionError(f"it ended with {process.wait()} and did not say {part!r}")


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def settings_of(pipeline: Pipeline) -> Settings:
    """Where the validator finds the test's own servers."""
    return Settings(
        kafka_bootstrap_servers=pipeline.kafka,
        timescale_host="127.0.0.1",
        timescale_port=pipeline.login["port"],
        timescale_database=pipeline.login["dbname"],
    )


def wait_for(condition: Callable[[], object]) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- Away for a while ---


def test_an_outage_of_kafka_that_its_client_hides_is_said(stack: Stack, pipeline: Pipeline) -> None:
    validator = pipeline.start_validator()
    pipeline.send(pipeline.reading(0))
    pipeline.wait_until_read(1)
    with suspended(stack, "my_kafka"):
        assert "Kafka at" in wait_for_line(validator, "does not answer: waiting for it")
    wait_for_line(validator, "answers again")
    pipeline.send(pipeline.reading(1))
    pipeline.wait_until_read(2)


def test_a_database_that_has_become_read_only_is_waited_for(pipeline: Pipeline) -> None:
    name = pipeline.login["dbname"]
    validator = pipeline.start_validator()
    pipeline.send(pipeline.reading(0))
    pipeline.wait_until_read(1)
    pipeline.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    pipeline.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    pipeline.send(pipeline.reading(1))
    wait_for_line(validator, "does not answer: waiting for it")
    writable = as_admin(pipeline.login) | {"options": "-c default_transaction_read_only=off"}
    with closing(psycopg2.connect(**writable)) as connection, connection:
        connection.cursor().execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    pipeline.wait_until_read(2)
    assert pipeline.ledger() == (2, 2, 0)


@pytest.mark.parametrize("more", [0, 1])
def test_a_database_that_was_restored_meanwhile_is_given_the_records_again(
    pipeline: Pipeline, more: int
) -> None:
    """Also where no record comes any longer; tests/faults restores a real one from its backup."""
    pipeline.start_validator()
    pipeline.send(*(pipeline.reading(number) for number in range(300)))
    pipeline.wait_until_read(300)
    pipeline.execute("DELETE FROM sensor_readings WHERE topic IS NOT NULL")
    pipeline.execute("UPDATE stream_offsets SET next_offset = 0, records = 0")
    pipeline.send(*(pipeline.reading(300 + number) for number in range(more)))
    pipeline.wait_until_read(300 + more)
    assert pipeline.ledger() == (300 + more, 300 + more, 0)


def test_polls_that_are_all_slow_still_get_on(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records of a slow poll are read again, as after any silence; but only once."""
    monkeypatch.setattr(reader, "SILENCE_SECONDS", 0.0)  # so every poll is a slow one
    stopping = Event()
    validator = validation_loop.Validator(
        settings_of(pipeline),
        pipeline.topic,
        pipeline.topic,
        stopping=stopping,
        accept_loss=False,
        totals={"valid": 0, "invalid": 0, "duplicate": 0},
    )
    pipeline.send(*(pipeline.reading(number) for number in range(300)))
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(validator.run, None)
        try:
            pipeline.wait_until_read(300)
        finally:
            stopping.set()
        running.result()
    validator.close()
    assert pipeline.ledger() == (300, 300, 0)


def test_a_database_that_goes_before_the_first_batch_is_written_is_waited_for(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It has answered the reader, which counts for the writer, too: its wait is unlimited."""
    patience = 0.5
    hasty = partial(Database, first_answer_seconds=patience)
    monkeypatch.setattr(validation_loop, "Database", hasty)
    name, stopping = pipeline.login["dbname"], Event()
    validator = validation_loop.Validator(
        settings_of(pipeline),
        pipeline.topic,
        pipeline.topic,
        stopping=stopping,
        accept_loss=False,
        totals={"valid": 0, "invalid": 0, "duplicate": 0},
    )
    admin = Pipeline(
        pipeline.kafka,
        pipeline.topic,
        as_admin(pipeline.login) | {"dbname": "postgres"},
        pipeline.producer,
    )
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(validator.run, None)
        try:
            wait_for(lambda: pipeline.rows("SELECT 1 FROM stream_offsets WHERE topic = %s"))
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            pipeline.send(pipeline.reading(0))
            wait_for(lambda: "does not answer: waiting for it" in caplog.text or running.done())
            time.sleep(4 * patience)
            assert not running.done()
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            pipeline.wait_until_read(1)
        finally:
            stopping.set()
        running.result()
    validator.close()


def test_partitions_that_are_added_meanwhile_are_read(pipeline: Pipeline) -> None:
    validator = pipeline.start_validator()
    pipeline.send(pipeline.reading(0))
    pipeline.wait_until_read(1)
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.kafka)) as admin:
        admin.create_partitions({pipeline.topic: 9})
    with closing(KafkaProducer(bootstrap_servers=pipeline.kafka)) as producer:
        for number in range(1, 5):
            producer.send(pipeline.topic, pipeline.reading(number), partition=8)
    pipeline.wait_until_read(5, seconds=180)
    validator.send_signal(signal.SIGINT)
    ended(validator)
    assert pipeline.ledger() == (5, 5, 0)


# --- Never there ---


def test_servers_that_never_answer_end_it_with_one_sentence(pipeline: Pipeline) -> None:
    """All at once, as each is waited for some 20 s."""
    sentences: list[tuple[dict[str, Any], str]] = [
        ({"TIMESCALE_DATABASE": "no_such_database"}, 'database "no_such_database" does not exist'),
        ({"TIMESCALE_PASSWORD": "wrong", "TIMESCALE_USER": "nobody"}, "nobody"),
        ({"TIMESCALE_PORT": closed_port()}, "onnection refused"),
        ({"KAFKA_BOOTSTRAP_SERVERS": f"localhost:{closed_port()}"}, "Kafka at localhost"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "no address:at all"}, "Kafka at no address"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "localhost:99999999"}, "Kafka at localhost"),
    ]
    validators = [pipeline.start_validator(**environment) for environment, _ in sentences]
    for validator, (_, sentence) in zip(validators, sentences, strict=True):
        _, err = ended(validator, 1)
        assert sentence in err.splitlines()[-1]


def test_an_empty_group_ends_it_with_one_sentence(pipeline: Pipeline) -> None:
    _, err = ended(pipeline.start_validator("--group", ""), 1)
    assert "group" in err.splitlines()[-1].lower()


@pytest.mark.parametrize("script", [VALIDATOR, SIMULATOR])
def test_a_mistyped_topic_is_said_and_not_made(pipeline: Pipeline, script: str) -> None:
    _, err = ended(pipeline.start(script, "--topic", "sensor_raedings"), 1)
    assert err.splitlines()[-1].startswith("Kafka has no topic 'sensor_raedings'")
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.kafka)) as admin:
        assert "sensor_raedings" not in admin.list_topics()


# --- Stopped meanwhile ---


def test_stopped_while_kafka_is_silent_it_prints_its_totals(
    stack: Stack, pipeline: Pipeline
) -> None:
    validator = pipeline.start_validator()
    pipeline.send(pipeline.reading(0))
    pipeline.wait_until_read(1)
    with suspended(stack, "my_kafka"):
        validator.send_signal(signal.SIGTERM)
        out, err = validator.communicate(timeout=60)
    assert validator.returncode in (0, 1), err
    assert "| in " in out
    assert "Traceback" not in err


def test_stopped_while_the_database_holds_a_lock_it_ends_with_1(pipeline: Pipeline) -> None:
    validator = pipeline.start_validator()
    pipeline.send(pipeline.reading(0))
    pipeline.wait_until_read(1)
    with closing(psycopg2.connect(**pipeline.login)) as other:
        other.cursor().execute("LOCK stream_offsets IN ACCESS EXCLUSIVE MODE")
        pipeline.send(pipeline.reading(1))
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = time.monotonic() + 60
        while not pipeline.rows(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        validator.send_signal(signal.SIGINT)
        out, _ = ended(validator, 1)
    assert "| in " in out
    pipeline.validate()
    assert pipeline.ledger() == (2, 2, 0)


def test_stopped_before_the_topic_is_drained_it_ends_with_1(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.reading(0))
    validator = pipeline.start_validator("--exit-when-idle", "3600")
    pipeline.wait_until_read(1)
    validator.send_signal(signal.SIGINT)
    out, err = ended(validator, 1)
    assert "| in " in out
    assert "before the end of the topic was reached" in err


def test_a_simulator_stopped_while_kafka_is_away_prints_its_totals(
    stack: Stack, pipeline: Pipeline
) -> None:
    simulator = pipeline.start(SIMULATOR, "--rate", "100")
    wait_for_line(simulator, "sent")
    with suspended(stack, "my_kafka"):
        simulator.send_signal(signal.SIGINT)
        out, err = simulator.communicate(timeout=60)
    assert simulator.returncode in (0, 1), err
    assert "acknowledged" in out
    assert "Traceback" not in err


# --- What a user can cause ---


def test_a_duration_of_zero_sends_nothing(pipeline: Pipeline) -> None:
    out, _ = ended(pipeline.start(SIMULATOR, "--duration", "0"))
    assert "| all " in out


def test_a_replay_from_the_year_1_is_one_from_the_beginning(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.reading(0))
    pipeline.validate()
    ended(pipeline.start_validator("--replay-from", "0001-01-01T00:00:00Z"))


def test_a_port_that_is_no_number_is_said(pipeline: Pipeline) -> None:
    _, err = ended(pipeline.start_validator(TIMESCALE_PORT="abc"), 1)
    assert "TIMESCALE_PORT" in err.upper()


def test_totals_that_cannot_be_written_are_said(pipeline: Pipeline) -> None:
    with Path("/dev/full").open("w") as full:
        validator = pipeline.start_validator("--exit-when-idle", "0.5", stdout=full)
        err = validator.communicate(timeout=60)[1]
    assert validator.returncode == 1
    assert "No space left on device" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_pipe_that_is_closed_at_exit_gives_no_traceback(pipeline: Pipeline) -> None:
    validator = pipeline.start_validator("--exit-when-idle", "0.5")
    assert validator.stdout
    assert validator.stderr
    validator.stdout.close()
    assert "Traceback" not in validator.stderr.read()
    validator.wait(timeout=60)
