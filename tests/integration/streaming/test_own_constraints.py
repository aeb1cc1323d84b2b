"""Rows that a user's own constraints and triggers reject are quarantined; all others are stored."""

import pytest

from pipeline_common.errors import StackError
from tests.integration.streaming.conftest import Table

DROP = """
CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_it BEFORE INSERT ON sensor_readings FOR EACH ROW
WHEN (NEW.temperature > 40) EXECUTE FUNCTION drop_it()"""

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE 'not this one' USING ERRCODE = '{state}'; END $$;
CREATE {kind} ON sensor_readings {deferred} FOR EACH ROW
WHEN (NEW.temperature > 40) EXECUTE FUNCTION refuse()"""


def write_three(table: Table) -> None:
    """The second of them is hot."""
    table.write(table.reading(1), table.reading(2, temperature=41), table.reading(3))


def test_what_a_trigger_drops_in_silence_is_quarantined(table: Table) -> None:
    table.execute(DROP)
    write_three(table)
    assert table.ledger("valid", "invalid") == (2, 1)
    assert table.quarantine() == [(1, ["dropped_by_database"])]


def test_a_duplicate_is_told_from_what_a_trigger_drops(table: Table) -> None:
    table.execute(DROP)
    hot = table.reading(2, temperature=41)
    table.write(table.reading(1), hot)
    table.write(table.reading(1), hot)
    assert table.ledger("valid", "invalid", "duplicate") == (1, 2, 1)


def test_rows_that_clash_only_together(table: Table) -> None:
    table.execute("CREATE UNIQUE INDEX ON sensor_readings (location, time)")
    twins = [table.reading(5, sensor_id=name) for name in ("a", "b")]
    others = [table.reading(number, location=f"l{number}") for number in range(6, 106)]
    table.write(*others[:50], *twins, *others[50:])
    assert table.ledger("valid", "invalid") == (101, 1)
    assert table.quarantine() == [(51, ["rejected_by_database"])]


def test_each_of_many_refused_readings_is_found(table: Table) -> None:
    table.execute("ALTER TABLE sensor_readings ADD CHECK (temperature <> 66)")
    table.write(
        *[table.reading(number, temperature=66 if number % 3 else 20) for number in range(300)]
    )
    assert table.ledger("valid", "invalid") == (100, 200)
    assert [offset for offset, _ in table.quarantine()] == [n for n in range(300) if n % 3]


def test_a_constraint_trigger_that_would_speak_at_commit(table: Table) -> None:
    kind, deferred = "CONSTRAINT TRIGGER refuse AFTER INSERT", "DEFERRABLE INITIALLY DEFERRED"
    table.execute(REFUSE.format(state="P0001", kind=kind, deferred=deferred))
    write_three(table)
    assert table.ledger("valid", "invalid") == (2, 1)
    assert table.quarantine() == [(1, ["rejected_by_database"])]


@pytest.mark.parametrize(
    "state", ["P0001", "42P01", "40001", "53100", "08006", "57014", "57P01", "XX000", "ZZZZZ"]
)
def test_a_trigger_may_raise_any_sqlstate(table: Table, state: str) -> None:
    table.execute(REFUSE.format(state=state, kind="TRIGGER refuse BEFORE INSERT", deferred=""))
    write_three(table)
    assert table.ledger("valid", "invalid") == (2, 1)
    assert table.quarantine() == [(1, ["rejected_by_database"])]


def test_a_trigger_that_fails_in_itself_stops_the_writer(table: Table) -> None:
    table.execute(
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM count(*) FROM nowhere; RETURN NEW; END';"
        "CREATE TRIGGER broken BEFORE INSERT ON sensor_readings"
        " FOR EACH ROW EXECUTE FUNCTION broken()"
    )
    with pytest.raises(StackError, match='"nowhere" does not exist'):
        table.write(table.reading(1))
    assert table.ledger("read") == (0,)
