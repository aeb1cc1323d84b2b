"""What all rungs share: where to read and write, and what makes a record a valid reading.

The arena sets the environment: TOPIC, GROUP, KAFKA_BOOTSTRAP_SERVERS, and psql's PGHOST, PGPORT,
PGUSER, PGPASSWORD and PGDATABASE, which psycopg2.connect("") reads. Its tables:

    readings  (partition, "offset", sensor_id, time, temperature)   one row for each valid record
    rejected  (partition, "offset", raw, reason)                    one row for each other record
    totals    (sensor_id, readings)                                 valid readings of each sensor
    positions (partition, "offset")                                 for a consumer that wants it
"""

import json
import os
from collections import Counter
from typing import Any

TOPIC = os.environ.get("TOPIC", "")
GROUP = os.environ.get("GROUP", "")
KAFKA = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")

TOTALS = """
    INSERT INTO totals VALUES %s
    ON CONFLICT (sensor_id) DO UPDATE SET readings = totals.readings + excluded.readings"""


def parse(value: bytes | None) -> tuple[str, str, float]:
    """The sensor's id, the time (ISO 8601, UTC) and the temperature (°C) of a record.

    Raises ValueError, with the reason, if the record is no valid reading.
    """
    try:
        fields = json.loads(value or b"")
        reading = str(fields["sensor_id"]), str(fields["timestamp"]), float(fields["temperature"])
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"no reading: {error!r}") from error
    if not -40 <= reading[2] <= 85:
        raise ValueError("temperature out of range")
    return reading


def split(batch: list[Any]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of Kafka's records for the table readings, and those for the table rejected."""
    readings, rejected = [], []
    for record in batch:
        try:
            readings.append((record.partition, record.offset, *parse(record.value)))
        except ValueError as reason:
            rejected.append((record.partition, record.offset, record.value, str(reason)))
    return readings, rejected


def by_sensor(readings: list[tuple[Any, ...]]) -> list[tuple[str, int]]:
    """How many of these readings each sensor has; sorted, so that two consumers never deadlock."""
    return sorted(Counter(str(row[2]) for row in readings).items())
