"""Three sensors in three warehouses send readings to Kafka, some of them faulty on purpose.

2 % have no timestamp, 3 % a temperature out of range, 2 % are late, 1 % have no sensor_id, 1 % are
sent twice. The same seed gives the same readings; only their times are those of the run.
"""

import json
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from threading import Event
from typing import Annotated, Any

import msgspec
import typer
from kafka import KafkaProducer
from kafka.errors import KafkaError

from pipeline_console import StackError, log_to_stderr, run, table
from pipeline_settings import SENSOR_TOPIC, Settings
from streaming_pipeline.kafka_topic import ensure_topic
from streaming_pipeline.waiting import stop_on_signals, until_it_works

SENSORS = {
    "sensor_1": "warehouse_north",
    "sensor_2": "warehouse_south",
    "sensor_3": "warehouse_east",
}
KINDS = {  # percent
    "valid": 91,
    "timestamp_missing": 2,
    "temperature_out_of_range": 3,
    "timestamp_late": 2,
    "sensor_id_missing": 1,
    "duplicate": 1,
}
UNACKNOWLEDGED_AT_MOST = 20_000  # bounds memory while the broker is away
MICROSECOND = timedelta(microseconds=1)

log = logging.getLogger("simulator")
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)
Message = tuple[str, str, bytes]  # kind, key, value


def messages(seed: int, sensors: dict[str, str] = SENSORS) -> Iterator[Message]:
    """Endless readings of sensors, given with their places: kind, key and JSON of each."""
    rng = random.Random(seed)
    last_time = dict.fromkeys(sensors, datetime.min.replace(tzinfo=timezone.utc))
    last_valid: dict[str, Message] = {}
    kinds, weights = list(KINDS), list(KINDS.values())
    while True:
        for sensor_id, location in sensors.items():
            kind = rng.choices(kinds, weights)[0]
            # One sensor, one reading at one time: also when they come quicker than the clock ticks.
            last_time[sensor_id] = max(
                datetime.now(timezone.utc), last_time[sensor_id] + MICROSECOND
            )
            fields = reading(rng, kind, sensor_id, location, last_time[sensor_id])
            value = msgspec.json.encode(fields)
            if kind == "duplicate" and sensor_id in last_valid:
                yield "duplicate", sensor_id, last_valid[sensor_id][2]
            elif kind in ("valid", "duplicate"):
                last_valid[sensor_id] = "valid", sensor_id, value
                yield last_valid[sensor_id]
            else:
                yield kind, sensor_id, value


def reading(
    rng: random.Random, kind: str, sensor_id: str, location: str, now: datetime
) -> dict[str, Any]:
    """One reading (°C, %, hPa), with the fault that `kind` names."""
    values: dict[str, Any] = {
        "sensor_id": sensor_id,
        "timestamp": now.isoformat(timespec="microseconds"),
        "temperature": round(rng.gauss(21, 3), 2),
        "humidity": round(min(max(rng.gauss(50, 8), 0), 100), 2),
        "pressure": round(rng.gauss(1013, 4), 2),
        "location": location,
    }
    if kind == "timestamp_missing":
        del values["timestamp"]
    elif kind == "temperature_out_of_range":
        values["temperature"] = round(rng.choice([rng.uniform(-90, -45), rng.uniform(90, 150)]), 2)
    elif kind == "timestamp_late":
        late = now - timedelta(minutes=rng.uniform(31, 120))
        values["timestamp"] = late.isoformat(timespec="microseconds")
    elif kind == "sensor_id_missing":
        del values["sensor_id"]
    return values


class Sender:
    """Sends without waiting for each answer, and counts the answers."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self.producer = producer
        self.topic = topic
        self.sent = 0
        self.acknowledged: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def send(self, message: Message) -> None:
        """Send one message; what became of it is counted when the broker has answered."""
        kind, key, value = message
        while self.unanswered() >= UNACKNOWLEDGED_AT_MOST:
            time.sleep(0.001)
        future = self.producer.send(self.topic, value, key=key.encode())
        self.sent += 1
        future.add_callback(partial(self._count, self.acknowledged, kind))
        future.add_errback(partial(self._count, self.failed, kind))

    def _count(self, counter: "Counter[str]", kind: str, _answer: object) -> None:
        counter[kind] += 1

    def unanswered(self) -> int:
        """Messages on their way."""
        return self.sent - self.acknowledged.total() - self.failed.total()


def send_all(
    sender: Sender,
    readings: Iterator[Message],
    *,
    rate: float,
    duration: float | None,
    count: int | None,
    stop: Event,
) -> None:
    """Send at `rate` messages/s (0: no limit) until duration, count or `stop` ends it."""
    begin = last_said = time.monotonic()
    for message in readings:
        now = time.monotonic()
        if stop.is_set() or sender.sent == count or (duration and now - begin >= duration):
            return
        ahead = sender.sent / rate - (now - begin) if rate else 0
        if ahead > 0 and stop.wait(ahead):
            return
        sender.send(message)
        if now - last_said > 5:
            last_said = now
            log.info("%d sent, %d not yet acknowledged", sender.sent, sender.unanswered())


@app.command()
def main(
    *,
    rate: Annotated[float, typer.Option(min=0, help="readings a second; 0: no limit")] = 10,
    duration: Annotated[float | None, typer.Option(min=0, help="end after so many seconds")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many readings")] = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same readings")] = 1,
    topic: Annotated[str, typer.Option(help="Kafka topic to send to")] = SENSOR_TOPIC,
    as_json: Annotated[bool, typer.Option("--json", help="print the totals as JSON")] = False,
) -> None:
    """Send readings until Ctrl-C, or as --duration and --count say; print what was sent."""
    log_to_stderr()
    stop = stop_on_signals()
    bootstrap = Settings().kafka_bootstrap_servers
    begin = time.monotonic()
    try:
        until_it_works(f"Kafka at {bootstrap}", partial(ensure_topic, bootstrap, topic), stop)
    except KafkaError:
        if not stop.is_set():
            raise
        return
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, acks="all", linger_ms=5, batch_size=128 * 1024
    )
    sender = Sender(producer, topic)
    try:
        send_all(sender, messages(seed), rate=rate, duration=duration, count=count, stop=stop)
    finally:
        try:
            producer.flush(timeout=130)
        finally:
            producer.close(timeout=5)
            print_totals(sender, time.monotonic() - begin, as_json)
    if sender.failed or sender.unanswered():
        lost = sender.failed.total() + sender.unanswered()
        raise StackError(
            f"{lost} of {sender.sent} readings were not acknowledged by Kafka at {bootstrap}. "
            "Is it up? make status"
        )


def print_totals(sender: Sender, seconds: float, as_json: bool) -> None:
    """What was acknowledged, by kind, and what was not."""
    rows = [(kind, sender.acknowledged[kind], sender.failed[kind]) for kind in KINDS]
    if as_json:
        totals = dict(sender.acknowledged) | {"sent": sender.sent, "failed": sender.failed.total()}
        print(json.dumps(totals))
        return
    rows.append(("all", sender.acknowledged.total(), sender.failed.total()))
    print(table(rows, ["kind", "acknowledged", "failed"]))
    log.info("%.1f s, %.0f readings/s", seconds, sender.acknowledged.total() / seconds)


if __name__ == "__main__":
    run(app)
