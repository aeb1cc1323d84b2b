"""Each incident: it causes its fault, only the right answer passes, only a repair closes it.

Those of Airflow are in tests/acceptance/airflow/test_incidents_of_airflow.py.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg2
import pytest
from kafka import KafkaAdminClient
from psycopg2.errors import ConfigurationLimitExceeded, LockNotAvailable
from typer.testing import CliRunner

from batch_pipeline import rules, verdicts
from batch_pipeline.reprocess import reprocess
from lab import incident as script
from lab.incidents import culprit, readings
from lab.incidents.catalog import CAUSES, INCIDENTS, cause_of
from lab.incidents.incident import Memory
from lab.incidents.readings import ROUNDS, good_readings, send
from lab.incidents.sessions import READER_CONNECTIONS
from local_stack.stack import Stack
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER, SENSOR_TOPIC, VALIDATOR_GROUP, Settings
from python_scripts.kafka_views import groups, members, topic_names
from streaming_pipeline.kafka_topic import make_topic
from tests.own_stack import stack_of_its_own

Act = Callable[[Settings, Memory], None]
OF_AIRFLOW = {"dag-paused", "connection-wrong"}
#: What an incident may change and has to put back, as rows that can be compared.
CHANGED = {
    "postgres": """
        SELECT 'setting', setrole::regrole::text, setconfig::text FROM pg_db_role_setting
        UNION ALL SELECT 'batch', batch_id, count(*)::text FROM raw_products GROUP BY batch_id
        UNION ALL SELECT 'clean', product_id, batch_id FROM clean_products
        UNION ALL SELECT 'superseded', product_id, batch_id FROM superseded_products
        UNION ALL SELECT 'quarantined', batch_id, raw_id::text FROM quarantine_products
        UNION ALL SELECT 'verdict', batch_id, raw_id::text FROM product_verdicts
        UNION ALL SELECT 'of a batch', batch_id, '' FROM batches
        UNION ALL SELECT 'reported', batch_id, '' FROM batch_reports
        UNION ALL SELECT 'session', application_name, '' FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()""",
    "timescale": """
        SELECT 'chunk', range_start::text, range_end::text FROM timescaledb_information.chunks
        WHERE hypertable_name = 'sensor_readings'
        UNION ALL SELECT 'interval', hypertable_name, time_interval::text
        FROM timescaledb_information.dimensions WHERE hypertable_schema = 'public'
        UNION ALL SELECT 'offsets', topic, '' FROM stream_offsets
        UNION ALL SELECT 'session', application_name, '' FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
              AND backend_type = 'client backend'""",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Both databases and Kafka, for this file alone: incidents break what others use."""
    with (
        stack_of_its_own("incidents", "my_postgres", "my_timescaledb", "my_kafka") as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        send_and_read()
        yield stack


@pytest.fixture
def settings(stack: Stack) -> Settings:
    """Where the stack is."""
    return stack.settings


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the incident is recorded; not the user's own file."""
    monkeypatch.setattr(script, "STATE", tmp_path / "state")
    return script.STATE


def query(login: dict[str, Any], sql: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows of a query, in a transaction of its own."""
    with closing(psycopg2.connect(**login)) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []


def run(*arguments: str) -> None:
    """Run a script of the project, which must succeed."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=PROJECT_FOLDER, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


def read_topic(topic: str = SENSOR_TOPIC) -> None:
    """Let a validator read all that Kafka holds."""
    script = "streaming_pipeline/stream_validator.py"
    run(script, "--topic", topic, "--exit-when-idle", "1")


def send_and_read() -> None:
    """Let twelve sensors send, and a validator read."""
    simulator = "streaming_pipeline/sensor_simulator.py"
    run(simulator, "--rate", "0", "--sensors", "12", "--count", "120")
    read_topic()


def changed(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """What an incident might have left behind."""
    logins = {"postgres": settings.postgres, "timescale": settings.timescale}
    found = {
        name: sorted(query(settings.admin(login), CHANGED[name])) for name, login in logins.items()
    }
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        found["topics"] = [(topic,) for topic in topic_names(admin)]
        found["members"] = [tuple(row[:3]) for row in members(admin).rows]
        found["groups"] = sorted({(row[0],) for row in groups(admin).rows})
    return found


# --- What each fault does, and how a learner would repair it --------------------------------------


def explorer_waits(settings: Settings, memory: Memory) -> None:
    with pytest.raises(LockNotAvailable):
        query(settings.reader(settings.postgres), "SET lock_timeout = 100; TABLE clean_products")
    held = """SELECT pid FROM pg_locks WHERE relation = 'clean_products'::regclass
              AND mode = 'AccessExclusiveLock' AND granted"""
    assert query(settings.reader(settings.postgres), held) == [(memory["pid"],)]


def vacuum_keeps_dead_rows(settings: Settings, memory: Memory) -> None:
    oldest = """SELECT pid, state FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                ORDER BY age(backend_xmin) DESC NULLS LAST"""
    assert query(settings.timescale, oldest)[0] == (memory["pid"], "idle in transaction")
    query(settings.timescale, "UPDATE stream_offsets SET updated_at = now()")
    with closing(psycopg2.connect(**settings.admin(settings.timescale))) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM (VERBOSE) stream_offsets")
        said = "".join(connection.notices)  # of the table, and of what it keeps out of line
    assert any(map(int, re.findall(r"(\d+) are dead but not yet removable", said))), said


def reader_is_refused(settings: Settings, memory: Memory) -> None:
    with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
        query(settings.reader(settings.postgres), "SELECT 1")
    by_program = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    found = query(settings.postgres, by_program, memory["program"])
    assert found == [(READER_CONNECTIONS,)]


def end_by_pid(login_name: str) -> Act:
    def act(settings: Settings, memory: Memory) -> None:
        query(
            getattr(settings, login_name), "SELECT pg_terminate_backend(%s, 60000)", memory["pid"]
        )

    return act


def end_the_program(settings: Settings, memory: Memory) -> None:
    sql = (
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = %s"
    )
    query(settings.admin(settings.postgres), sql, memory["program"])


def big_batch_fails(settings: Settings, memory: Memory) -> None:
    with pytest.raises(ConfigurationLimitExceeded):
        load(settings, memory)


def give_room_and_load(settings: Settings, memory: Memory) -> None:
    query(settings.admin(settings.postgres), f"ALTER ROLE {settings.pguser} RESET ALL")
    load(settings, memory)


def load(settings: Settings, memory: Memory) -> None:
    with closing(psycopg2.connect(**settings.postgres)) as connection:
        reprocess(connection, memory["batch_id"])


def plan_is_long(settings: Settings, memory: Memory) -> None:
    plan = query(settings.timescale, "EXPLAIN SELECT count(*) FROM sensor_readings")
    assert sum("Scan" in line for (line,) in plan) >= memory["readings"]


def move_into_one_chunk(settings: Settings, memory: Memory) -> None:
    day = f"'{memory['day']}'::timestamptz"
    query(
        settings.admin(settings.timescale),
        f"""SELECT set_chunk_time_interval('sensor_readings', INTERVAL '1 day');
            CREATE TEMPORARY TABLE hour AS SELECT * FROM sensor_readings
            WHERE time >= {day} AND time < {day} + INTERVAL '1 day';
            SELECT drop_chunks('sensor_readings', older_than => {day} + INTERVAL '1 day',
                               newer_than => {day});
            INSERT INTO sensor_readings SELECT * FROM hour""",
    )


def vendor_is_rejected(settings: Settings, memory: Memory) -> None:
    sql = """SELECT source, count(*) FROM quarantine_products WHERE batch_id = %s
             AND 'price_missing' = ANY (issues) GROUP BY source ORDER BY 2 DESC"""
    assert query(settings.postgres, sql, memory["batch_id"])[0][0] == memory["vendor"]


def take_the_new_name(settings: Settings, memory: Memory) -> None:
    """As with the change in rules.py that a learner makes."""
    new_name = f'"{memory["field"]}"'

    def with_new_name(record: str | bytes) -> rules.Verdict:
        text = record.decode() if isinstance(record, bytes) else record
        return rules.validate_record(text.replace(new_name, '"price"'))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdicts, "validate_record", with_new_name)
        load(settings, memory)


def expensive_are_rejected(settings: Settings, memory: Memory) -> None:
    sql = """SELECT count(*), max(rule_version) FROM product_verdicts
             WHERE batch_id = %s AND issues = '{price_implausible}'"""
    ((count, version),) = query(settings.postgres, sql, memory["batch_id"])
    assert count > 10
    assert version == memory["version"] > rules.RULE_VERSION
    clean = "SELECT max(price) FROM clean_products WHERE batch_id = %s"
    assert query(settings.postgres, clean, memory["batch_id"])[0][0] <= 500


def room_is_missing(settings: Settings, memory: Memory) -> None:
    read_topic()
    late = """SELECT sensor_id, count(*) FROM sensor_readings_invalid
              WHERE issues = '{timestamp_late}' GROUP BY sensor_id ORDER BY 2 DESC"""
    (sensor, count), *_ = query(settings.timescale, late)
    assert sensor == memory["sensor"]
    assert count >= ROUNDS


def send_with_the_right_time(_settings: Settings, _memory: Memory) -> None:
    send_and_read()


def lag_is_high(settings: Settings, memory: Memory) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        lags = [row[-1] for row in groups(admin).rows if row[0] == VALIDATOR_GROUP]
    assert max(lags) >= memory["records"]


def read_all(_settings: Settings, _memory: Memory) -> None:
    read_topic()


def topic_has_no_group(settings: Settings, memory: Memory) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        assert memory["topic"] in topic_names(admin)
        assert memory["topic"] not in {row[2] for row in groups(admin).rows}


def read_that_topic(_settings: Settings, memory: Memory) -> None:
    read_topic(memory["topic"])


def group_reads(settings: Settings, memory: Memory) -> None:
    deadline = time.monotonic() + 60
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        while memory["group"] not in {row[0] for row in groups(admin).rows}:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def member_holds_partitions(settings: Settings, memory: Memory) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        ((_, client_id, _, partitions),) = members(admin).rows
    assert (client_id, partitions) == (memory["client_id"], f"{SENSOR_TOPIC}: [0, 1, 2, 3, 4, 5]")
    lag_is_there(settings)


def lag_is_there(settings: Settings) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        assert sum(row[-1] for row in groups(admin).rows if row[0] == VALIDATOR_GROUP) > 0


def end_process_of_client(_settings: Settings, memory: Memory) -> None:
    os.kill(int(memory["client_id"].rpartition("-")[2]), signal.SIGTERM)


def end_it_and_read(settings: Settings, memory: Memory) -> None:
    end_process_of_client(settings, memory)
    read_topic()


class Case(NamedTuple):
    """What shows that the fault is there, and what repairs it."""

    shows: Act
    repair: Act


CASES = {
    "lock-held": Case(explorer_waits, end_by_pid("postgres")),
    "transaction-left-open": Case(vacuum_keeps_dead_rows, end_by_pid("timescale")),
    "connections-exhausted": Case(reader_is_refused, end_the_program),
    "temporary-space-short": Case(big_batch_fails, give_room_and_load),
    "chunks-too-short": Case(plan_is_long, move_into_one_chunk),
    "vendor-renamed-field": Case(vendor_is_rejected, take_the_new_name),
    "rule-version-bad": Case(expensive_are_rejected, load),
    "sensor-clock-wrong": Case(room_is_missing, send_with_the_right_time),
    "duplicate-flood": Case(lag_is_high, read_all),
    "topic-unread": Case(topic_has_no_group, read_that_topic),
    "second-group": Case(group_reads, end_process_of_client),
    "member-stuck": Case(member_holds_partitions, end_it_and_read),
}


def seed_of(cause: str) -> int:
    """A seed of this incident."""
    return next(seed for seed in range(len(INCIDENTS)) if cause_of(seed) == cause)


def start(cause: str) -> tuple[str, Memory]:
    """Start the incident as the command does; what it prints, and what it notes."""
    done = CliRunner().invoke(script.app, ["start", "--seed", str(seed_of(cause))])
    assert done.exit_code == 0, done.exception
    state, _ = script.under_way()
    return done.stdout, state["memory"]


def refused(action: Callable[..., None], *arguments: object) -> str:
    """What the command says as it fails."""
    with pytest.raises(StackError) as error:
        action(*arguments)
    return str(error.value)


def test_there_is_a_case_for_each_incident() -> None:
    assert len(INCIDENTS) >= 12
    assert CASES.keys() | OF_AIRFLOW == INCIDENTS.keys()
    assert INCIDENTS.keys() < CAUSES.keys(), "there are decoys"
    assert {cause_of(seed) for seed in range(len(INCIDENTS))} == INCIDENTS.keys()


@pytest.mark.parametrize("cause", CASES)
def test_only_a_repair_closes(
    cause: str, settings: Settings, state_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[cause]
    said, memory = start(cause)
    try:
        assert cause not in said
        assert cause.encode() not in state_file.read_bytes()
        assert "First say what it is" in refused(script.check)
        case.shows(settings, memory)
        decoy = cause_of(seed_of(cause) + 1)
        (evidence,) = INCIDENTS[cause].answers(settings, memory)
        assert f"It is not {decoy}" in refused(script.answer, decoy, evidence)
        assert "the evidence is not" in refused(script.answer, cause, f"{evidence}0")
        script.answer(cause, evidence)
        assert "Not yet." in refused(script.check)
        case.repair(settings, memory)
        until_gone(settings, memory, cause)
        capsys.readouterr()
        script.check()
        closing_line = " ".join(capsys.readouterr().out.split())  # the screen's width wraps it
        assert re.search(rf"Incident {seed_of(cause)}: minutes \d+, hints 0", closing_line)
        assert closing_line.endswith("wrong answers 2.")
        assert not state_file.exists()
    finally:
        INCIDENTS[cause].put_back(settings, memory)


def until_gone(settings: Settings, memory: Memory, cause: str) -> None:
    """The servers need a moment to notice that a session or member is gone."""
    deadline = time.monotonic() + 60
    while INCIDENTS[cause].still_wrong(settings, memory) and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.parametrize("cause", CASES)
def test_giving_up_leaves_nothing(cause: str, settings: Settings, state_file: Path) -> None:
    before = changed(settings)
    start(cause)
    script.give_up()
    assert not state_file.exists()
    assert changed(settings) == before
    if cause in ("sensor-clock-wrong", "duplicate-flood", "member-stuck"):
        read_topic()  # what a topic has stays, and is accounted for
    assert script.unbalanced(settings) is None


def test_one_at_a_time(settings: Settings) -> None:
    assert "No incident is open" in refused(script.check)
    start("lock-held")
    assert "already open" in refused(script.start)
    script.give_up()


def test_hints_get_plainer_and_are_counted(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    start("lock-held")
    for _ in range(4):
        script.hint()
    script.give_up()
    shown = capsys.readouterr().out
    assert [shown.count(f"Hint {number} of 3") for number in (1, 2, 3)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("cause", "moment"),
    [
        ("chunks-too-short", "begun"),
        ("temporary-space-short", "begun"),
        ("lock-held", "process"),
        ("lock-held", "pids"),
        ("second-group", "begun"),
        ("topic-unread", "begun"),
    ],
)
def test_what_stops_half_way_is_put_back(
    cause: str, moment: str, settings: Settings, state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by Ctrl-C once this much is noted, which is after the first change."""
    before = changed(settings)
    write = script.save

    def write_and_stop(state: dict[str, Any]) -> None:
        write(state)
        if state.get(moment) or state["memory"].get(moment):
            raise KeyboardInterrupt

    monkeypatch.setattr(script, "save", write_and_stop)
    with pytest.raises(KeyboardInterrupt):
        script.start(seed_of(cause))
    assert not state_file.exists()
    assert changed(settings) == before


def test_what_could_not_be_put_back_at_once_is_by_giving_up(
    settings: Settings, state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = changed(settings)
    incident = INCIDENTS["lock-held"]

    def fail(*_: object) -> None:
        raise StackError("down")

    def inject_and_fail(*arguments: Any) -> None:
        incident.inject(*arguments)
        fail()

    with monkeypatch.context() as patch:
        half = incident._replace(inject=inject_and_fail, put_back=fail)
        patch.setitem(INCIDENTS, "lock-held", half)
        assert refused(script.start, seed_of("lock-held")) == "down"
    assert "It was interrupted" in refused(script.answer, "lock-held", "1")
    script.give_up()
    assert not state_file.exists()
    assert changed(settings) == before


def test_giving_up_keeps_what_others_stored_of_that_day(settings: Settings) -> None:
    _, memory = start("chunks-too-short")
    store = """INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure)
               VALUES (%s::timestamptz + INTERVAL '9 hours', 'of_others', 20, 50, 1013)"""
    query(settings.timescale, store, memory["day"])
    try:
        script.give_up()
        kept = "SELECT count(*) FROM sensor_readings WHERE sensor_id = 'of_others'"
        assert query(settings.timescale, kept) == [(1,)]
    finally:
        query(
            settings.admin(settings.timescale),
            """SELECT drop_chunks('sensor_readings', newer_than => %s::timestamptz,
                                  older_than => %s::timestamptz + INTERVAL '1 day')""",
            memory["day"],
            memory["day"],
        )


def test_a_topic_that_was_there_is_left_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "MISTYPED", ["topic_of_the_learner"])
    make_topic(settings.kafka_bootstrap_servers, "topic_of_the_learner")
    before = changed(settings)
    try:
        assert "exist already" in refused(script.start, seed_of("topic-unread"))
        assert changed(settings) == before
    finally:
        readings.delete_topic(settings, {"topic": "topic_of_the_learner"})


def test_a_topic_that_was_made_again_is_unread(settings: Settings) -> None:
    topic, bootstrap = "made_again", settings.kafka_bootstrap_servers
    try:
        make_topic(bootstrap, topic)
        send(settings, topic, good_readings(random.Random(1)))
        read_topic(topic)
        assert readings.unread(settings, topic) is None
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
            admin.delete_topics([topic])
        make_topic(bootstrap, topic)
        send(settings, topic, good_readings(random.Random(1)))
        assert "not stored yet" in str(readings.unread(settings, topic))
    finally:
        readings.delete_topic(settings, {"topic": topic})


def test_a_culprit_that_cannot_begin_is_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader keeps its lock on the table, so that the culprit waits for its own."""
    monkeypatch.setattr(culprit, "START_SECONDS", 5)
    before = changed(settings)
    with closing(psycopg2.connect(**settings.postgres)) as connection:
        connection.cursor().execute("TABLE clean_products")
        assert "could not begin" in refused(script.start, seed_of("lock-held"))
    deadline = time.monotonic() + 60
    while (found := changed(settings)) != before and time.monotonic() < deadline:
        time.sleep(0.1)  # its session ends once it has the lock for which it waits
    assert found == before


def test_a_culprit_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(culprit, "END_SECONDS", 1)
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, culprit.MODULE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # it ignores the signal from here on
        try:
            culprit.end(process.pid)
            assert not psutil.pid_exists(process.pid)
        finally:
            process.kill()
