"""sensor_simulator.py: what it sends, and how it ends."""

import json
import re
import signal
import time
from contextlib import closing

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from streaming_pipeline.sensor_simulator import app
from streaming_pipeline.simulated_readings import KINDS
from tests.conftest import delete_topic
from tests.integration.streaming.conftest import Pipeline, ended
from tests.own_stack import free_ports

SIMULATOR = "streaming_pipeline/sensor_simulator.py"


def topic_values(pipeline: Pipeline) -> list[bytes]:
    """All values of the topic."""
    parts = [TopicPartition(pipeline.topic, number) for number in range(6)]
    consumer = KafkaConsumer(bootstrap_servers=pipeline.kafka)
    consumer.assign(parts)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(parts)
    values: list[bytes] = []
    while len(values) < sum(ends.values()):
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    consumer.close()
    return values


def test_count_as_fast_as_it_can(pipeline: Pipeline) -> None:
    out, _ = ended(pipeline.start(SIMULATOR, "--rate", "0", "--count", "5000", "--json"))
    totals = json.loads(out)
    assert totals["sent"] == 5000
    assert sum(totals[kind] for kind in KINDS) == 5000
    assert totals["failed"] == 0
    values = topic_values(pipeline)
    assert len(values) == 5000
    assert len(values) - len(set(values)) == totals["duplicate"]


def test_ctrl_c_prints_the_totals_of_what_kafka_has(pipeline: Pipeline) -> None:
    process = pipeline.start(SIMULATOR, "--rate", "200")
    deadline = time.monotonic() + 120
    while not topic_values(pipeline):
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    out, _ = ended(process)
    [total] = [line for line in out.splitlines() if line.startswith("| all")]
    assert int(total.split("|")[2]) == len(topic_values(pipeline)) > 0
    assert int(total.split("|")[3]) == 0


def test_duration_and_rate(pipeline: Pipeline) -> None:
    arguments = ["--rate", "50", "--duration", "2", "--json"]
    out, _ = ended(pipeline.start(SIMULATOR, *arguments))
    assert 20 <= json.loads(out)["sent"] <= 101


def test_what_the_broker_refuses_has_failed(pipeline: Pipeline) -> None:
    name, layout = f"{pipeline.topic}_small", {"configs": {"max.message.bytes": "50"}}
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.kafka)) as admin:
        admin.create_topics({name: layout}, wait_for_metadata=True)
        arguments = ["--topic", name, "--rate", "0", "--count", "5"]
        try:
            out, err = ended(pipeline.start(SIMULATOR, *arguments), 1)
        finally:
            delete_topic(admin, name)
    assert re.search(r"\| all +\| +0 \| +5 \|", out)
    assert "did not acknowledge 5 of 5 readings" in err.splitlines()[-1]


def test_no_broker_is_said_and_waited_for() -> None:
    nowhere = Pipeline(f"127.0.0.1:{free_ports(1)[0]}", "nowhere", {"port": 1, "dbname": ""}, None)
    process = nowhere.start(SIMULATOR)
    assert process.stderr is not None
    assert "does not answer: waiting for it" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    ended(process)


def test_wrong_usage(pipeline: Pipeline) -> None:
    for arguments in (["--rate", "-1"], ["--count", "many"], ["--speed", "9"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2
    assert "--rate" in CliRunner().invoke(app, ["--help"]).output
    ended(pipeline.start(SIMULATOR, "--rate", "-1"), 2)
