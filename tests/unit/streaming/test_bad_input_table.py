"""docs/streaming-bad-input.md says what becomes of bad readings: every case, by the rules alone."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from pipeline_common.settings import PROJECT_FOLDER
from streaming_pipeline.quick_path import validate
from streaming_pipeline.rules import Reading, Rejection
from tests.unit.streaming.bad_input import CASES, PAGE, Case, as_sent


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_becomes_what_the_page_says(case: Case) -> None:
    verdict = validate(case.value, case.key, case.kafka_ms, case.received_ms)
    if case.issues is not None:
        assert isinstance(verdict, Rejection)
        assert verdict.issues == case.issues
        return
    assert isinstance(verdict, Reading)
    if " = " in case.becomes:
        field, value = case.becomes.removeprefix("valid: ").split(" = ")
        expected = (as_sent(f"`{value}`") or b"").decode()
        found = getattr(verdict, field)
        assert str(found) == expected or (field == "extra" and as_json(found) == as_json(expected))


def as_json(text: str) -> Any:
    """JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal)


def test_the_page_names_every_reason_that_the_rules_can_give() -> None:
    folder = PROJECT_FOLDER / "streaming_pipeline"
    source = "".join(
        (folder / f"{name}.py").read_text() for name in ("rules", "exact_json", "record", "store")
    )
    given = set(re.findall(r'(?:append|Error|return|[A-Z]+ =)\(?\s*"([a-z0-9_]+)"', source))
    assert {"null_value", "key_mismatch", "timestamp_late", "extra_too_long"} <= given
    assert {code for code in given if code not in PAGE} == set()
    kinds = set(re.findall(r"\{field\}(_[a-z_]+)", source))
    for field in ("sensor_id", "location"):
        of_text = kinds & {"_wrong_type", "_empty", "_bad_character", "_too_long"}
        assert {kind for kind in of_text if field + kind not in PAGE} == set()
    for field in ("temperature", "humidity", "pressure"):
        of_number = kinds & {"_missing", "_wrong_type", "_not_finite", "_out_of_range"}
        missing = {kind for kind in of_number if field + kind not in PAGE}
        assert missing == set()
