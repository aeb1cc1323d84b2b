"""Seeded records for the drills, with the expected verdict of each, independent of the rules.

A record is of one of three kinds: `valid` (a new reading), `duplicate` (an earlier valid record
again, byte for byte), `invalid` (broken, and to be quarantined as it is).
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

SENSORS = 4


class Sent(NamedTuple):
    """One record for Kafka and the kind of it."""

    kind: str
    key: bytes
    value: bytes | None


def records(
    topic: str, seed: int, start: datetime, step: timedelta = timedelta(milliseconds=1)
) -> Iterator[Sent]:
    """An endless sequence of records; readings begin at `start`, `step` apart."""
    random = Random(seed)
    valid: list[Sent] = []
    for number in range(1, 10**9):
        sensor = f"{topic}-{random.randrange(SENSORS)}"
        reading = {
            "sensor_id": sensor,
            "timestamp": (start + number * step).isoformat(),
            "temperature": round(random.uniform(-40, 85), 2),
            "humidity": round(random.uniform(0, 100), 2),
            "pressure": round(random.uniform(900, 1100), 2),
            "location": "drill",
        }
        dice = random.random()
        if dice < 0.05 and valid:
            again = random.choice(valid[-50:])
            yield Sent("duplicate", again.key, again.value)
        elif dice < 0.15:
            yield Sent("invalid", sensor.encode(), random.choice(BROKEN)(reading))
        else:
            valid.append(Sent("valid", sensor.encode(), json.dumps(reading).encode()))
            yield valid[-1]


def _changed(**fields: Any) -> Any:
    return lambda reading: json.dumps(reading | fields).encode()


def _without(field: str) -> Any:
    return lambda reading: json.dumps({k: v for k, v in reading.items() if k != field}).encode()


BROKEN = [
    lambda reading: None,
    lambda reading: b"",
    lambda reading: b"\xff\xfe no text",
    lambda reading: b'{"sensor_id": "cut off',
    _without("timestamp"),
    _without("sensor_id"),
    _changed(temperature=999.0),
    _changed(humidity="45"),
    _changed(timestamp="2024-02-30T00:00:00Z"),
]


def kind_of(value: bytes, kafka_ms: int) -> str:
    """Whether a message of the simulator is valid, seen by its own faults only."""
    fields = json.loads(value)
    if "timestamp" not in fields or "sensor_id" not in fields:
        return "invalid"
    age = kafka_ms / 1000 - datetime.fromisoformat(fields["timestamp"]).timestamp()
    return "valid" if age <= 1800 and -40 <= fields["temperature"] <= 85 else "invalid"
