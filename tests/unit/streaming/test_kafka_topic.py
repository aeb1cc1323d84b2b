"""A broker's answers about its topics while it starts, which a real one gives only briefly."""

from typing import Any

import pytest
from kafka.errors import LeaderNotAvailableError, UnknownTopicOrPartitionError

from pipeline_common.errors import StackError
from streaming_pipeline import kafka_topic
from streaming_pipeline.failures import is_transient
from streaming_pipeline.kafka_topic import Topic, ensure_topic


class Admin:
    """Answers as the broker's admin client does: topics of each answer, and one description."""

    def __init__(self, *answers: list[str], error_code: int = 0) -> None:
        self.answers = list(answers)
        self.error_code = error_code

    def list_topics(self) -> list[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def describe_topics(self, _names: list[str]) -> list[dict[str, Any]]:
        return [{"error_code": self.error_code, "topic_id": "an id"}]

    def close(self) -> None:
        pass


def asked(monkeypatch: pytest.MonkeyPatch, admin: Admin) -> Topic:
    """What `ensure_topic` finds."""
    monkeypatch.setattr(kafka_topic, "_admin", lambda _: admin)
    return ensure_topic("nowhere", "readings")


def test_a_broker_that_knows_no_topic_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, Admin([], [], ["readings"])) == Topic("readings", "an id")


def test_a_broker_that_has_no_topics_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_topic, "NO_TOPICS_SECONDS", 0.3)
    with pytest.raises(StackError, match="It has: none"):
        asked(monkeypatch, Admin([]))


@pytest.mark.parametrize("error", [UnknownTopicOrPartitionError, LeaderNotAvailableError])
def test_a_topic_that_cannot_be_described_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    code = error.errno  # type: ignore[attr-defined]
    with pytest.raises(error) as raised:
        asked(monkeypatch, Admin(["readings"], error_code=code))
    assert is_transient(raised.value)
