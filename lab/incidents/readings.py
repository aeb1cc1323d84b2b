"""What sensors do: a wrong clock, a reading sent over and over, a topic that nobody reads."""

import json
import random
from collections.abc import Iterable
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import UnknownTopicOrPartitionError

from lab.incidents.incident import Incident, Memory, Note, ask, noted
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, Settings
from python_scripts.kafka_views import offsets, topic_names
from streaming_pipeline.kafka_topic import ensure_topic, make_topic
from streaming_pipeline.simulated_readings import places, reading

SENSORS = 12
ROUNDS = 20  # of one reading from each sensor
COPIES = 2000
MISTYPED = ["sensor_readings_raw2", "sensor_reading_raw", "sensors_readings_raw", "readings_raw"]
Reading = dict[str, Any]


def send(settings: Settings, topic: str, readings: Iterable[Reading]) -> None:
    """Send the readings, and return once Kafka has them all."""
    bootstrap = settings.kafka_bootstrap_servers
    with closing(KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)) as producer:
        sent = [
            producer.send(topic, key=each["sensor_id"].encode(), value=json.dumps(each).encode())
            for each in readings
        ]
        for future in sent:
            future.get(timeout=60)


def good_readings(chance: random.Random, rounds: int = ROUNDS) -> list[Reading]:
    """Readings of each of the sensors, some seconds apart, up to now."""
    now = datetime.now(timezone.utc)
    return [
        reading(chance, "valid", sensor, place, now - timedelta(seconds=rounds - number))
        for number in range(rounds)
        for sensor, place in places(SENSORS).items()
    ]


def wrong_clock(settings: Settings, chance: random.Random, note: Note) -> None:
    """Of all sensors that send, one has a clock that is some hours behind."""
    sensor = chance.choice(list(places(SENSORS)))
    behind = timedelta(minutes=chance.randrange(120, 600))
    readings = good_readings(chance)
    for each in readings:
        if each["sensor_id"] == sensor:
            each["timestamp"] = (datetime.fromisoformat(each["timestamp"]) - behind).isoformat()
    ensure_topic(settings.kafka_bootstrap_servers, SENSOR_TOPIC)
    send(settings, SENSOR_TOPIC, readings)
    note(sensor=sensor, since=datetime.now(timezone.utc).isoformat())


def flood(settings: Settings, chance: random.Random, note: Note) -> None:
    """Of all sensors that send, one sends its last reading over and over."""
    readings = good_readings(chance)
    last = chance.choice(readings[-SENSORS:])
    ensure_topic(settings.kafka_bootstrap_servers, SENSOR_TOPIC)
    send(settings, SENSOR_TOPIC, [*readings, *[last] * COPIES])
    note(sensor=last["sensor_id"], time=last["timestamp"], records=COPIES)


def unread_topic(settings: Settings, chance: random.Random, note: Note) -> None:
    """New sensors send to a topic of nearly the same name."""
    topic = new_topic(settings, chance)
    note(topic=topic)
    make_topic(settings.kafka_bootstrap_servers, topic)
    send(settings, topic, good_readings(chance))


def new_topic(settings: Settings, chance: random.Random) -> str:
    """A mistyped name that nothing has: giving up deletes all that there is of the topic."""
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin:
        taken = set(topic_names(admin))
    for topic in chance.sample(MISTYPED, len(MISTYPED)):
        values = {"topic": topic}
        ((stored,),) = ask(settings.reader(settings.timescale), "topic_has_rows", values)
        if topic not in taken and not stored:
            return topic
    raise StackError("All topics of this incident exist already: start one with another seed.")


def unread(settings: Settings, topic: str = SENSOR_TOPIC) -> str | None:
    """How many records of the topic the database does not know yet, in a sentence."""
    bootstrap = settings.kafka_bootstrap_servers
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        if topic not in topic_names(admin):
            return f"Topic {topic} no longer exists, and its records were never stored."
        topic_id = str(admin.describe_topics([topic])[0]["topic_id"])
        ends = {part.partition: end for part, (_, end) in offsets(admin, [topic]).items()}
    values = {"topic": topic, "topic_id": topic_id}
    read = dict(ask(settings.reader(settings.timescale), "read_offsets", values))
    left = sum(end - read.get(partition, 0) for partition, end in ends.items())
    return f"Records of {topic} that are not stored yet: {left}. Read it." if left else None


def clock_is_wrong(settings: Settings, memory: Memory) -> str | None:
    """Whether the sensor has not sent a reading with the right time since."""
    if said := unread(settings):
        return said
    ((count,),) = ask(settings.reader(settings.timescale), "count_readings_since", memory)
    return None if count else "The sensor has not sent a reading with the right time since then."


def flood_is_unread(settings: Settings, memory: Memory) -> str | None:
    """Whether all copies were read, and the reading is stored once."""
    if said := unread(settings):
        return said
    ((count,),) = ask(settings.reader(settings.timescale), "count_reading", memory)
    return None if count == 1 else f"The reading is stored {count} times."


def topic_is_unread(settings: Settings, memory: Memory) -> str | None:
    """Whether the topic was read to its end."""
    return unread(settings, memory["topic"])


def leave(_settings: Settings, _memory: Memory) -> None:
    """Nothing to put back: what a topic has is never taken out; a validator accounts for it."""


def delete_topic(settings: Settings, memory: Memory) -> None:
    """Delete the topic, and what was read from it."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    with closing(admin), suppress(UnknownTopicOrPartitionError):  # the learner was quicker
        admin.delete_topics([memory["topic"]])
    ask(settings.admin(settings.timescale), "delete_topic_rows", memory)


CLOCK = Incident(
    symptom="Twelve sensors send, and all of them are accepted by Kafka. Once a validator has read "
    "them (stream_validator.py --exit-when-idle 2), the figures of one room are missing, and more "
    "is rejected than usual.",
    hints=(
        "Which reason code do the newest rows of sensor_readings_invalid have?",
        "Group them by sensor_id, and compare the time in `raw` with kafka_ms.",
        "The evidence is the sensor's id. Its rejected readings stay in quarantine: nobody knows "
        "their time. Restart it with the right time (sensor_simulator.py --sensors 12 --count 120) "
        "and read what it sends.",
    ),
    inject=wrong_clock,
    answers=noted("sensor"),
    still_wrong=clock_is_wrong,
    put_back=leave,
)
FLOOD = Incident(
    symptom="{records} records more than usual have come within seconds, and the lag with them. "
    "When a validator reads them, sensor_readings hardly grows. Do we lose records?",
    hints=(
        "Which partition has the lag? All messages of one key are in one partition.",
        "explore_kafka.py peek shows the newest message of each partition; what does "
        "stream_validator.py count them as?",
        "The evidence is the sensor_id of those messages. Let a validator read them all "
        "(--exit-when-idle 2): each copy is counted, none is stored, nothing is to be deleted.",
    ),
    inject=flood,
    answers=noted("sensor"),
    still_wrong=flood_is_unread,
    put_back=leave,
)
UNREAD_TOPIC = Incident(
    symptom="The team of a new hall has connected its sensors. Kafka acknowledges what they "
    "send, no validator rejects anything, and no reading of theirs is ever stored.",
    hints=(
        "Where do acknowledged messages go? explore_kafka.py topics counts them.",
        "Which topic has messages, and no group with a position in it?",
        "The evidence is that topic's name. What it holds is good: stream_validator.py has an "
        "option to read another topic to its end.",
    ),
    inject=unread_topic,
    answers=noted("topic"),
    still_wrong=topic_is_unread,
    put_back=delete_topic,
)
