"""What the simulated sensors send: endless readings, some of them faulty on purpose.

The same seed gives the same readings; only their times are those of the run.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

WAREHOUSES = ["warehouse_north", "warehouse_south", "warehouse_east"]
KINDS = {  # percent
    "valid": 91,
    "timestamp_missing": 2,
    "temperature_out_of_range": 3,
    "timestamp_late": 2,
    "sensor_id_missing": 1,
    "duplicate": 1,
}
MICROSECOND = timedelta(microseconds=1)

Message = tuple[str, str, bytes]  # kind, key, value


def places(count: int) -> dict[str, str]:
    """`count` sensors, each in one of the warehouses: sensor_1, sensor_2, ..."""
    return {f"sensor_{n + 1}": WAREHOUSES[n % len(WAREHOUSES)] for n in range(count)}


def messages(seed: int, sensors: dict[str, str]) -> Iterator[Message]:
    """Endless readings of these sensors (name, location): kind, key and JSON of each."""
    rng = random.Random(seed)
    last_time = dict.fromkeys(sensors, datetime.min.replace(tzinfo=timezone.utc))
    last_valid: dict[str, Message] = {}
    kinds, weights = list(KINDS), list(KINDS.values())
    while True:
        for sensor_id, location in sensors.items():
            kind = rng.choices(kinds, weights)[0]
            # A sensor has one reading per time, even if it sends faster than the clock ticks.
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
    """One reading (°C, %, hPa), with the fault given by `kind`."""
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
