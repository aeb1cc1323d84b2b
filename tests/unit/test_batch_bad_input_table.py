"""docs/batch-bad-input.md says what becomes of bad input: every case is validated here."""

import re
from collections.abc import Iterator

import pytest

from batch_pipeline.rules import Verdict, validate_record
from pipeline_common.settings import PROJECT_FOLDER

PAGE = (PROJECT_FOLDER / "docs" / "batch-bad-input.md").read_text()
GOOD = {"product_id": '"A-1"', "name": '"Mouse"', "price": "19.99", "stock": "3"} | {
    "category": '"audio"'
}


def rows_under(heading: str) -> Iterator[list[str]]:
    """The cells of the table's rows under a heading, without its head."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    for line in [line for line in section.splitlines() if line.startswith("|")][2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def as_received(cell: str) -> str:
    """The text between backticks; "500 * x" stands for 500 times x."""
    return re.sub(r"(\d+) \* (.)", lambda m: m[2] * int(m[1]), cell.strip("`"))


def as_bytes(text: str) -> bytes:
    r"""The record's bytes; \xff in the text stands for one byte."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode())


def cases() -> Iterator[tuple[str, str, str]]:
    for case, field, value, becomes in rows_under("Fields"):
        record = GOOD | {field: as_received(value)}
        if value == "left out":
            del record[field]
        text = ", ".join(f'"{name}": {json}' for name, json in record.items())
        yield f"{field} {case}", f"{{{text}}}", becomes
    for case, received, becomes in rows_under("Records"):
        yield case, as_received(received), becomes


CASES = list(cases())


@pytest.mark.parametrize(
    ("received", "becomes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_case_becomes_what_the_page_says(received: str, becomes: str) -> None:
    verdict = validate_record(as_bytes(received))
    outcome, _, detail = becomes.partition(": ")
    if outcome == "quarantined":
        assert verdict == Verdict(issues=tuple(detail.split(", ")))
    else:
        field, _, value = detail.partition(" = ")
        assert not verdict.issues
        assert str(getattr(verdict, field)) == as_received(value)


def test_the_page_names_every_reason_that_the_rules_can_give() -> None:
    files = ("rules", "record")
    source = "".join((PROJECT_FOLDER / f"batch_pipeline/{name}.py").read_text() for name in files)
    kinds = "price|stock|not|number|nested|duplicate|record"
    given = set(re.findall(rf'"((?:{kinds})_[a-z_0-9]+)"', source))
    per_field = {f"_{kind}" for kind in re.findall(r"\{field\}_([a-z_]+)", source)}
    assert {code for code in given if code not in PAGE} == set()
    for field in ("product_id", "name"):
        assert {kind for kind in per_field if field + kind not in PAGE} == set()
