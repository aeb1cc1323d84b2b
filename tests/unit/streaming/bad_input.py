"""The cases of docs/streaming-bad-input.md: records as sent, and what the page says of them."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pipeline_common.settings import PROJECT_FOLDER

PAGE = (PROJECT_FOLDER / "docs" / "streaming-bad-input.md").read_text()
DAY = "2026-11-24"
KAFKA_TIME = f"{DAY}T08:00:00Z"
GOOD = {
    "sensor_id": '"sensor_1"',
    "timestamp": f'"{KAFKA_TIME}"',
    "temperature": "21.5",
    "humidity": "50",
    "pressure": "1013.2",
    "location": '"warehouse_north"',
}


class Case(NamedTuple):
    """A record as sent, and what the page says of it."""

    name: str
    value: bytes | None
    key: bytes | None
    kafka_ms: int
    received_ms: int
    becomes: str

    @property
    def issues(self) -> list[str] | None:
        """The reason codes, None for a valid reading."""
        outcome, _, detail = self.becomes.partition(": ")
        return detail.split(", ") if outcome == "quarantined" else None


def rows_under(heading: str) -> Iterator[list[str]]:
    """The cells of the rows of the tables under a heading, without their heads."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    for table in re.findall(r"(?:^\|.*\n)+", section, re.M):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def as_sent(cell: str) -> bytes | None:
    """The bytes between backticks; "500 * x" stands for 500 times x."""
    if cell == "no value":
        return None
    text = cell.removeprefix("hex ")[1:-1]
    if cell.startswith("hex "):
        return bytes.fromhex(text)
    return re.sub(r"(\d+) \* (.)", lambda m: m[2] * int(m[1]), text).encode()


def milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


def record(fields: dict[str, str]) -> bytes:
    members = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    return f"{{{members}}}".encode()


def cases() -> Iterator[Case]:
    now = milliseconds(KAFKA_TIME)
    for name, field, value, becomes in rows_under("Fields"):
        fields = GOOD | {field: (as_sent(value) or b"").decode()}
        if value == "left out":
            del fields[field]
        yield Case(f"{field} {name}", record(fields), None, now, now, becomes)
    for name, value, becomes in rows_under("Records"):
        key = b"sensor_1" if value == "no value" else None
        yield Case(name, as_sent(value), key, now, now, becomes)
    for name, cell, time, becomes in rows_under("Keys and Kafka's timestamp"):
        kafka_ms = milliseconds(time)
        yield Case(f"key {name}", record(GOOD), as_sent(cell), kafka_ms, now, becomes)


CASES = list(cases())
