"""Consumers that somebody started and forgot: in a group of their own, or in the validators'."""

import random
import time
from contextlib import closing

from kafka import KafkaAdminClient

from lab.incidents import culprit
from lab.incidents.incident import Incident, Memory, Note, noted
from lab.incidents.readings import good_readings, send, unread
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, VALIDATOR_GROUP, Settings
from streaming_pipeline.kafka_topic import ensure_topic

GROUPS = ["sensor_validator_grp", "sensors_validator_group", "sensor_validator_group2"]
PROGRAMS = ["debug-consumer", "metrics-tap", "notebook", "trial", "archiver"]
LEAVE_SECONDS = 60  # a member that was killed is missed after its session timeout


def second_group(settings: Settings, chance: random.Random, note: Note) -> None:
    """A second group reads all that the validators read."""
    join(settings, chance.choice(GROUPS), chance, note, reads=True)


def stuck_member(settings: Settings, chance: random.Random, note: Note) -> None:
    """A member of the validators' group keeps its partitions and reads nothing."""
    join(settings, VALIDATOR_GROUP, chance, note, reads=False)
    send(settings, SENSOR_TOPIC, good_readings(chance))


def join(settings: Settings, group: str, chance: random.Random, note: Note, *, reads: bool) -> None:
    """Let the culprit join the group."""
    bootstrap = settings.kafka_bootstrap_servers
    ensure_topic(bootstrap, SENSOR_TOPIC)
    task = {"bootstrap": bootstrap, "topic": SENSOR_TOPIC, "group": group, "reads": reads}
    program = chance.choice(PROGRAMS)
    note(group=group, program=program)
    note(**culprit.start("join_group", note, program=program, **task))


def is_member(settings: Settings, memory: Memory) -> bool:
    """Whether the culprit is in the group."""
    group, client_id = memory["group"], f"{memory['program']}-{memory['process']}"
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        members = admin.describe_groups([group])[group]["members"]
    return any(member["client_id"] == client_id for member in members)


def group_is_read(settings: Settings, memory: Memory) -> str | None:
    """Whether the second group still has its member."""
    return "The topic is still read twice." if is_member(settings, memory) else None


def partitions_are_held(settings: Settings, memory: Memory) -> str | None:
    """Whether the member still has its partitions, or what came meanwhile is not read yet."""
    if is_member(settings, memory):
        return "Some partitions still have a reader that does not read."
    return unread(settings)


def end_member(settings: Settings, memory: Memory) -> None:
    """End the process, and wait until Kafka has noticed; a group of its own is deleted."""
    if "process" not in memory:
        return
    culprit.end(memory["process"])
    deadline = time.monotonic() + LEAVE_SECONDS
    while is_member(settings, memory):
        if time.monotonic() > deadline:
            raise StackError(f"{memory['program']} is still in the group: try again in a minute.")
        time.sleep(0.5)
    if memory["group"] != VALIDATOR_GROUP:
        delete_group(settings, memory["group"])


def delete_group(settings: Settings, group: str) -> None:
    """Delete the group, unless the learner was quicker."""
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        if group in {each["group_id"] for each in admin.list_groups()}:
            admin.delete_groups([group])


SECOND_GROUP = Incident(
    symptom="Each reading leaves the broker twice, says the network's bill, though everything is "
    "stored once and no validator was added.",
    hints=(
        "Who reads from Kafka? Each consumer group gets every message.",
        "explore_kafka.py groups has a row for each group and partition, with its member.",
        "The evidence is the name of the group that is not ours. explore_kafka.py members has "
        "its member's client id, which ends with the id of its process: end that.",
    ),
    inject=second_group,
    answers=noted("group"),
    still_wrong=group_is_read,
    put_back=end_member,
)
STUCK_MEMBER = Incident(
    symptom="A validator runs and logs no error, and yet readings of some sensors do not arrive, "
    "or none at all. (If none of yours runs, start one: stream_validator.py.)",
    hints=(
        "Which partitions have a lag that does not shrink? explore_kafka.py groups.",
        "Each partition has one member of the group. How many members are there, and how many "
        "validators have you started?",
        "The evidence is the client id of the member that is not a validator (explore_kafka.py "
        "members). It ends with the id of its process: end that, and read what is left.",
    ),
    inject=stuck_member,
    answers=noted("client_id"),
    still_wrong=partitions_are_held,
    put_back=end_member,
)
