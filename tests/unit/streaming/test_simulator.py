"""What the simulator sends: each kind in its share, and as the rules see it."""

import json
import time
from collections import Counter
from itertools import islice
from typing import Any

from streaming_pipeline.quick_path import validate
from streaming_pipeline.rules import Rejection
from streaming_pipeline.simulated_readings import KINDS, messages, places


def test_each_kind_has_its_share() -> None:
    kinds = Counter(kind for kind, _, _ in islice(messages(1, places(3)), 20_000))
    for kind, percent in KINDS.items():
        assert abs(kinds[kind] / 200 - percent) < 0.5, kind


def test_the_rules_see_each_fault_as_it_is_meant() -> None:
    now = int(time.time() * 1000)
    for kind, key, value in islice(messages(2, places(3)), 3000):
        verdict = validate(value, key.encode(), now, now)
        issues = verdict.issues if isinstance(verdict, Rejection) else []
        assert issues == ([] if kind in ("valid", "duplicate") else [kind])


def test_the_same_seed_gives_the_same_readings() -> None:
    def readings(seed: int) -> list[Any]:
        found = []
        for kind, key, value in islice(messages(seed, places(3)), 500):
            fields = json.loads(value)
            fields.pop("timestamp", None)
            found.append((kind, key, fields))
        return found

    assert readings(7) == readings(7)
    assert readings(7) != readings(8)
