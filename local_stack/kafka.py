"""What the two Java servers need: a command with its configuration, the topic, a health check."""

import shutil
import subprocess
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from local_stack import LOCALHOST
from local_stack.folders import cache_folder
from pipeline_common.settings import SENSOR_TOPIC, SENSOR_TOPIC_PARTITIONS

HERE = Path(__file__).parent


def java(main_class: str, config: Path, properties: dict[str, object], heap: str) -> list[str]:
    """The command that runs a Java server, with its configuration written to `config`."""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    # In the same folder, since the account that runs the server may be unable to enter the clone.
    log4j = shutil.copy(HERE / "log4j.properties", config.parent)
    flags = [f"-Xmx{heap}", f"-Dlog4j.configuration=file:{log4j}"]
    return ["java", *flags, "-cp", f"{cache_folder()}/kafka/*", main_class, str(config)]


def broker_answers(bootstrap: str) -> bool:
    """Whether the broker can list its topics."""
    try:
        with _admin(bootstrap) as admin:
            admin.list_topics()
    except KafkaError:
        return False
    return True


@retry(
    retry=retry_if_exception_type(KafkaError),
    stop=stop_after_delay(60),
    wait=wait_fixed(1),
    reraise=True,
)
def create_topic(bootstrap: str) -> None:
    """Create the sensor topic unless it exists; a broker that just started may need a second."""
    with _admin(bootstrap) as admin:
        if SENSOR_TOPIC not in admin.list_topics():
            try:
                admin.create_topics({SENSOR_TOPIC: {"num_partitions": SENSOR_TOPIC_PARTITIONS}})
            except TopicAlreadyExistsError:
                return


def _admin(bootstrap: str) -> KafkaAdminClient:
    patience = {"bootstrap_timeout_ms": 2000, "request_timeout_ms": 2000}
    return KafkaAdminClient(bootstrap_servers=bootstrap, **patience)


def zookeeper_serves(port: int) -> bool:
    """Whether ZooKeeper reports its mode; it answers "ruok" before its data is loaded."""
    line = f"exec 3<>/dev/tcp/{LOCALHOST}/{port} && echo srvr >&3 && timeout 2 cat <&3"
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return "\nMode: " in answer.stdout
