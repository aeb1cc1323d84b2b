"""How Kafka's answers are shown."""

import pytest

from python_scripts.kafka_views import lag
from python_scripts.queries import Result


@pytest.mark.parametrize(
    ("group", "shown"), [("readers", "7"), ("up to date", "0"), ("nobody", "?")]
)
def test_the_lag_of_a_group_is_known_once_it_has_read(group: str, shown: str) -> None:
    rows = [
        ("readers", 1, "t", 0, 10, 3),
        ("readers", 1, "t", 1, 10, 4),
        ("up to date", 1, "t", 0, 9, 0),
    ]
    headers = ["group", "members", "topic", "partition", "committed", "lag"]
    assert lag(Result("groups", "", headers, rows), group) == shown
