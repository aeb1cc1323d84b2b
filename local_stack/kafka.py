"""What the two Java servers need: a command with its configuration, the topic, a health check."""

import subprocess
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from local_stack import LOCALHOST, install
from pipeline_settings import SENSOR_TOPIC, SENSOR_TOPIC_PARTITIONS


def java(main_class: str, config: Path, properties: dict[str, object], heap: str) -> list[str]:
    """The command that runs a Java server, with its configuration written to `config`."""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    log4j = install.HERE / "log4j.properties"
    classes = f"{install.kafka_jars()}/*"
    flags = [f"-Xmx{heap}", "-XX:+UseG1GC", f"-Dlog4j.configuration=file:{log4j}"]
    return ["java", *flags, "-cp", classes, main_class, str(config)]


def create_topic(bootstrap: str) -> bool:
    """Make sure that the sensor topic is there; False while the broker is still starting."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    except KafkaError:
        return False
    try:
        if SENSOR_TOPIC not in admin.list_topics():
            admin.create_topics({SENSOR_TOPIC: {"num_partitions": SENSOR_TOPIC_PARTITIONS}})
    except TopicAlreadyExistsError:
        return True
    except KafkaError:
        return False
    finally:
        admin.close()
    return True


def zookeeper_is_ok(port: int) -> bool:
    """Whether ZooKeeper answers "imok" to "ruok", the check of its own documentation."""
    line = f"exec 3<>/dev/tcp/{LOCALHOST}/{port} && echo -n ruok >&3 && timeout 2 cat <&3"
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return answer.stdout == "imok"
