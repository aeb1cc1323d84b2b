"""The zones compared with a plain Python model, step by step, in any order that Hypothesis finds.

Batches of past and present days that overlap, vendors that land late or not at all, changed rules,
slices, steps that are repeated or interrupted: after each, the tables must equal the model.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from datetime import date, timedelta
from typing import Any, NamedTuple

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from batch_pipeline import batches, steps
from batch_pipeline.rules import Verdict, validate_record
from batch_pipeline.slices import cut
from tests.databases import as_admin

DAY = date(2026, 11, 1)
VENDORS = ("art", "pet", "zoo")
TABLES = (
    "batches, landing_products, extractions, raw_products, product_verdicts, clean_products, "
    "superseded_products, quarantine_products, batch_reports"
)
ZONES = """
    SELECT zone, raw.batch_id, raw.source, raw.line_number, reason
    FROM (SELECT 'clean' AS zone, raw_id, '' AS reason FROM clean_products
          UNION ALL SELECT 'superseded', raw_id, '' FROM superseded_products
          UNION ALL SELECT 'quarantined', raw_id, issues[1] FROM quarantine_products) AS placed
    JOIN raw_products AS raw ON raw.id = raw_id"""


class Record(NamedTuple):
    """A record as a vendor sends it, and the reason that a version of the rules gives, if any."""

    product_id: str
    kind: str

    @property
    def text(self) -> str:
        price = "CALL" if self.kind == "unpriced" else 5
        fields = {"product_id": self.product_id, "name": self.kind, "price": price, "stock": 1}
        return json.dumps(fields)

    def reason(self, version: int) -> str:
        reasons = {"unpriced": ("price_not_a_number", ""), "mouse": ("", "no_mice")}
        return reasons.get(self.kind, ("", ""))[version - 1]


def other_rules(raw_text: str) -> Verdict:
    """Version 2, as Record.reason describes it."""
    if '"mouse"' in raw_text:
        return Verdict(issues=("no_mice",))
    return validate_record(raw_text.replace('"CALL"', "1"))


@contextmanager
def rules_of(version: int) -> Iterator[None]:
    """The steps validate by this version of the rules."""
    with pytest.MonkeyPatch.context() as rules:
        if version == 2:
            rules.setattr("batch_pipeline.verdicts.validate_record", other_rules)
            rules.setattr("batch_pipeline.verdicts.RULE_VERSION", 2)
        yield


Row = tuple[str, str, int]  # batch, vendor, line
Verdicts = dict[Row, tuple[str, str]]  # product and reason


class Model:
    """What the tables should hold, in the simplest way to say it."""

    def __init__(self) -> None:
        self.rank: dict[str, tuple[date, int]] = {}
        self.landed: dict[tuple[str, str], list[Record]] = {}
        self.raw: dict[Row, Record] = {}
        self.verdicts: dict[str, Verdicts] = {}
        self.loaded: dict[str, Verdicts] = {}
        self.quarantined: dict[str, Verdicts] = {}

    def land(self, batch: str, vendor: str, records: list[Record]) -> None:
        if not self.landed.get((batch, vendor)):
            self.landed[batch, vendor] = records

    def move(self, batch: str) -> None:
        for (one, vendor), records in self.landed.items():
            if one == batch:
                self.raw |= {(one, vendor, n): record for n, record in enumerate(records, 1)}

    def validate(self, batch: str, version: int) -> None:
        mine = {row: record for row, record in self.raw.items() if row[0] == batch}
        self.verdicts[batch] = {
            row: (record.product_id, record.reason(version)) for row, record in mine.items()
        }

    def first_rows(self, verdicts: Verdicts) -> dict[str, Row]:
        """The row of each product that stands for its batch: the first by vendor and line."""
        first: dict[str, Row] = {}
        for row, (product_id, reason) in sorted(verdicts.items()):
            if not reason:
                first.setdefault(product_id, row)
        return first

    def standing(self) -> dict[str, Row]:
        """The row of each product in the clean zone: that of the newest batch."""
        newest: dict[str, Row] = {}
        for batch in sorted(self.loaded, key=self.rank.__getitem__):
            newest |= self.first_rows(self.loaded[batch])
        return newest

    def zones(self) -> set[tuple[Any, ...]]:
        """All rows in the zones: (zone, batch, vendor, line, reason)."""
        clean = set(self.standing().values())
        found: set[tuple[Any, ...]] = {
            ("clean" if row in clean else "superseded", *row, "")
            for verdicts in self.loaded.values()
            for row in self.first_rows(verdicts).values()
        }
        for verdicts in self.quarantined.values():
            first = self.first_rows(verdicts).values()
            found |= {
                ("quarantined", *row, reason or "duplicate_in_batch")
                for row, (_, reason) in verdicts.items()
                if row not in first
            }
        return found


class BreaksOff(Cursor):
    """A cursor that fails at its statement number `at`, as if the process died."""

    at = 0

    def execute(self, *arguments: Any) -> None:
        BreaksOff.at -= 1
        if BreaksOff.at < 0:
            raise KeyboardInterrupt
        super().execute(*arguments)


versions, counts = st.sampled_from([2, 1]), st.sampled_from([1, 2, 5])
products, kinds = st.sampled_from("AB"), st.sampled_from(["mouse", "cable", "unpriced"])
vendors, records = st.sampled_from(VENDORS), st.builds(Record, products, kinds)


class Zones(RuleBasedStateMachine):
    """Does the same to the database and to the model."""

    login: dict[str, Any]
    connection: Connection

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        with closing(psycopg2.connect(**as_admin(self.login))) as admin, admin:
            admin.cursor().execute(f"TRUNCATE {TABLES}")

    def batch(self, number: int) -> str:
        """One of the batches; the first one is made if there is none."""
        if not self.model.rank:
            self.new_batch(0)
        names = list(self.model.rank)
        return names[number % len(names)]

    @rule(
        day=st.integers(0, 3),
        received=st.dictionaries(vendors, st.lists(records, min_size=1, max_size=3), min_size=1),
        slices=counts,
    )
    def run(self, day: int, received: dict[str, list[Record]], slices: int) -> None:
        """A new batch, through all steps."""
        self.new_batch(day)
        number = len(self.model.rank) - 1
        for vendor, sent in received.items():
            self.land(number, vendor, sent)
        self.reprocess(number, 1, slices)

    @rule(
        product_id=products,
        nights=st.lists(
            st.tuples(st.integers(0, 3), st.dictionaries(vendors, kinds, min_size=1, max_size=2)),
            min_size=3,
            max_size=5,
        ),
    )
    def run_nights(self, product_id: str, nights: list[tuple[int, dict[str, str]]]) -> None:
        """The same product night after night, from several vendors, in any order of days."""
        for day, sent in nights:
            received = {vendor: [Record(product_id, kind)] for vendor, kind in sent.items()}
            self.run(day, received, 1)

    @rule(product_id=products, slices=counts)
    def withdraw(self, product_id: str, slices: int) -> None:
        """Other rules, by which the row that stands is not valid, if there are such."""
        row = self.model.standing().get(product_id)
        if row is None:
            return
        version = next((v for v in (1, 2) if self.model.raw[row].reason(v)), 1)
        self.reprocess(list(self.model.rank).index(row[0]), version, slices)

    @rule(number=st.integers(0, 9), version=versions, slices=counts)
    def reprocess(self, number: int, version: int, slices: int) -> None:
        """Whatever has landed meanwhile, by these rules, through all steps."""
        self.validate(number, version, slices)
        self.load_to_clean_zone(number, slices)
        self.load_to_quarantine(number)

    @rule(day=st.integers(0, 3))
    def new_batch(self, day: int) -> None:
        name, on = f"run-{len(self.model.rank)}", DAY + timedelta(days=day)
        batches.batch_of_run(self.connection, name, on)
        self.model.rank[name] = (on, len(self.model.rank))

    @rule(
        number=st.integers(0, 9),
        vendor=vendors,
        received=st.lists(records, max_size=5),
    )
    def land(self, number: int, vendor: str, received: list[Record]) -> None:
        batch = self.batch(number)
        steps.land(self.connection, batch, vendor, [record.text for record in received])
        self.model.land(batch, vendor, received)

    @rule(number=st.integers(0, 9), version=versions, slices=counts)
    def validate(self, number: int, version: int, slices: int) -> None:
        batch = self.batch(number)
        if not any(records for (one, _), records in self.model.landed.items() if one == batch):
            return
        steps.load_to_raw_zone(self.connection, batch)
        self.model.move(batch)
        with rules_of(version):
            for part in reversed(cut(slices)):
                steps.validate(self.connection, batch, part)
        self.model.validate(batch, version)

    @rule(number=st.integers(0, 9), slices=counts)
    def load_to_clean_zone(self, number: int, slices: int) -> None:
        batch = self.batch(number)
        for part in reversed(cut(slices)):
            steps.load_to_clean_zone(self.connection, batch, part)
        self.model.loaded[batch] = deepcopy(self.model.verdicts.get(batch, {}))

    @rule(number=st.integers(0, 9))
    def load_to_quarantine(self, number: int) -> None:
        batch = self.batch(number)
        steps.load_to_quarantine(self.connection, batch)
        self.model.quarantined[batch] = deepcopy(self.model.verdicts.get(batch, {}))

    @rule(
        number=st.integers(0, 9),
        step=st.sampled_from([steps.load_to_raw_zone, steps.validate, steps.load_to_clean_zone]),
        at=st.integers(0, 9),
    )
    def break_off(self, number: int, step: Any, at: int) -> None:
        """Nothing of an interrupted step is left, unless it had finished before."""
        batch = self.batch(number)
        BreaksOff.at = at
        with closing(psycopg2.connect(**self.login, cursor_factory=BreaksOff)) as connection:
            try:
                step(connection, batch)
            except (KeyboardInterrupt, batches.BatchError):
                return
        again = {
            "load_to_raw_zone": lambda: self.model.move(batch),
            "validate": lambda: self.model.validate(batch, 1),
            "load_to_clean_zone": lambda: self.model.loaded.update(
                {batch: deepcopy(self.model.verdicts.get(batch, {}))}
            ),
        }
        again[step.__name__]()

    @invariant()
    def the_tables_hold_what_the_model_does(self) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(ZONES)
            found = cursor.fetchall()
        assert len(found) == len(set(found))
        assert set(found) == self.model.zones()


def test_the_zones_are_what_a_plain_model_says(
    pipeline_db: dict[str, Any], connection: Connection
) -> None:
    Zones.login, Zones.connection = pipeline_db, connection
    run_state_machine_as_test(
        Zones,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
