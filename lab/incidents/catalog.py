"""Every incident by its cause, and causes that no incident has."""

import random

from lab.incidents import batches, databases, groups, readings, scheduling, sessions
from lab.incidents.incident import Incident

INCIDENTS: dict[str, Incident] = {
    "connections-exhausted": sessions.CONNECTIONS,
    "lock-held": sessions.LOCK,
    "transaction-left-open": sessions.TRANSACTION,
    "temporary-space-short": databases.TEMP_SPACE,
    "chunks-too-short": databases.CHUNKS,
    "vendor-renamed-field": batches.SCHEMA_DRIFT,
    "rule-version-bad": batches.STRICT_RULE,
    "sensor-clock-wrong": readings.CLOCK,
    "duplicate-flood": readings.FLOOD,
    "topic-unread": readings.UNREAD_TOPIC,
    "second-group": groups.SECOND_GROUP,
    "member-stuck": groups.STUCK_MEMBER,
    "dag-paused": scheduling.PAUSED_DAG,
    "connection-wrong": scheduling.WRONG_CONNECTION,
}
#: What each cause means, and what is asked for as evidence; those without an incident are decoys.
CAUSES: dict[str, tuple[str, str]] = {
    "broker-down": ("the Kafka broker does not answer", "its address"),
    "chunks-too-short": ("a hypertable gets far too many chunks", "number of such chunks"),
    "connection-wrong": ("Airflow's connection points to the wrong place", "name of the database"),
    "connections-exhausted": ("a program takes all connections of a login", "application_name"),
    "dag-broken": ("the DAG's file cannot be imported", "last line of the error"),
    "dag-paused": ("the DAG is switched off", "id of a run that waits"),
    "duplicate-flood": ("a sensor sends the same reading over and over", "sensor_id"),
    "index-missing": ("a query reads a whole table for lack of an index", "name of the index"),
    "key-changed": ("a sensor sends with another key", "sensor_id"),
    "lock-held": ("a forgotten session holds a lock that others wait for", "its pid"),
    "member-stuck": ("a member of our group holds partitions and reads nothing", "its client id"),
    "password-changed": ("a login is refused because of its password", "the login"),
    "retention-short": ("Kafka deletes records before they are read", "partition"),
    "rule-version-bad": ("rows were validated by rules that were wrong", "rule_version"),
    "second-group": ("another consumer group reads the topic, too", "name of the group"),
    "sensor-clock-wrong": ("a sensor's clock is wrong", "sensor_id"),
    "sensor-silent": ("a sensor sends nothing", "sensor_id"),
    "temporary-space-short": ("no room on disk for temporary files", "the limit, as 48kB"),
    "topic-unread": ("messages go to a topic that nobody reads", "name of the topic"),
    "transaction-left-open": ("an old snapshot holds VACUUM back", "pid of its session"),
    "validator-old": ("a validator of an older release runs", "rule_version"),
    "vendor-renamed-field": ("a vendor has renamed a field", "the new name"),
    "vendor-silent": ("a vendor sends nothing", "name of the vendor"),
}


def cause_of(seed: int) -> str:
    """The incident of a seed; as many seeds in a row as there are incidents give each once."""
    order = random.Random("incidents").sample(list(INCIDENTS), len(INCIDENTS))
    return order[seed % len(order)]
