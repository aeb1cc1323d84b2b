"""A health check is read-only: a separate step creates the schema and the topic."""

from pathlib import Path

import pytest

from local_stack import kafka, postgres
from local_stack.services import services
from pipeline_common.settings import Settings


def test_what_makes_schema_and_topic_is_not_the_health_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No server runs: each call is recorded instead.
    made: list[str] = []
    monkeypatch.setattr(postgres, "accepts", lambda *_: True)
    monkeypatch.setattr(kafka, "broker_answers", lambda _: True)
    monkeypatch.setattr(postgres, "run_init_sql", lambda *_: made.append("schema"))
    monkeypatch.setattr(kafka, "create_topic", lambda _: made.append("topic"))
    monkeypatch.setattr(Path, "touch", lambda _: None)
    table = {s.name: s for s in services(Settings(), tmp_path, tmp_path)}
    names = ["my_postgres", "my_timescaledb", "my_kafka"]
    assert all(table[name].healthy() for name in names)
    assert made == []
    for name in names:
        table[name].set_up()
    assert made == ["schema", "schema", "topic"]
