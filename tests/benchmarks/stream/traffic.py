"""What the benchmark sends: topics full of readings, and ten readings a second."""

import itertools
import json
import time
from contextlib import closing
from threading import Event

from kafka import KafkaProducer

from local_stack.stack import Stack
from pipeline_common.console import stderr
from pipeline_common.errors import StackError
from streaming_pipeline.kafka_topic import make_topic
from streaming_pipeline.sender import Sender, send_all
from streaming_pipeline.simulated_readings import messages
from tests.benchmarks.stream.contenders import VALIDATOR
from tests.benchmarks.stream.lab import Place, asking, running

SENSORS = {f"bench_{number}": f"warehouse_{number % 3}" for number in range(60)}
WARM_UP = 20  # readings until the validator has started
VISIBLE = "SELECT count(*) FROM sensor_readings WHERE sensor_id = %s AND time = %s"


def load(stack: Stack, topic: str, records: int) -> float:
    """Fill a topic as the simulator does: 8 % faulty, 1 % twice; returns acknowledged records/s."""
    bootstrap = stack.settings.kafka_bootstrap_servers
    make_topic(bootstrap, topic)
    stderr.print(f"sending {records:,} records")
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, batch_size=128 * 1024)
    sender = Sender(topic, producer)
    readings = messages(1, SENSORS)
    begin = time.monotonic()
    send_all(sender, readings, rate=0, duration=None, count=records, stop=Event())
    producer.flush()
    seconds = time.monotonic() - begin
    producer.close()
    if sender.acknowledged.total() != records:
        raise StackError(f"Kafka acknowledged {sender.acknowledged.total()} of {records} records.")
    return records / seconds


def measure_latency(place: Place, readings: int) -> list[float]:
    """Seconds from Kafka's acknowledgement until a SELECT finds the reading, at 10 readings/s."""
    stderr.print("latency at 10 readings/s")
    bootstrap = place.stack.settings.kafka_bootstrap_servers
    make_topic(bootstrap, place.topic)
    valid = (message for message in messages(2, SENSORS) if message[0] == "valid")
    command = [*VALIDATOR, "--topic", place.topic, "--group", place.topic]
    found = []
    with (
        running(place, [command]),
        closing(KafkaProducer(bootstrap_servers=bootstrap)) as producer,
        asking(place) as ask,
    ):
        for _, key, value in itertools.islice(valid, WARM_UP + readings):
            producer.send(place.topic, value, key=key.encode()).get(timeout=60)
            acknowledged = time.monotonic()
            while not ask(VISIBLE, key, json.loads(value)["timestamp"]):
                time.sleep(0.001)
            found.append(time.monotonic() - acknowledged)
            time.sleep(max(0.1 - found[-1], 0))
    return found[WARM_UP:]
