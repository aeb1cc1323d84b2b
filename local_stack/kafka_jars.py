"""The jars of Kafka and ZooKeeper, from Maven Central, as kafka-jars.sha256 lists them."""

import shutil
from pathlib import Path

from local_stack.checksums import differences
from local_stack.debian import run, say
from local_stack.folders import cache_folder
from pipeline_common.errors import StackError

POM = Path(__file__).with_name("pom.xml")
CHECKSUMS = Path(__file__).with_name("kafka-jars.sha256")
#: Maven with this project's pom; --strict-checksums also checks the plugins that it downloads.
MAVEN = ["mvn", "--batch-mode", "--strict-checksums", "--file", str(POM)]


def kafka_jars() -> Path:
    """The folder with exactly the jars that kafka-jars.sha256 lists; downloaded if it differs.

    An extra jar is as bad as a wrong one: Java loads everything in the folder.
    """
    folder = cache_folder() / "kafka"
    if folder.exists():
        wrong = differences(folder, CHECKSUMS)
        if not wrong:
            return folder
        few = ", ".join(wrong[:3]) + (" …" if len(wrong) > 3 else "")
        say(f"{folder} is not what {CHECKSUMS.name} lists ({few}): recreating it.")
        shutil.rmtree(folder)
    say("Downloading Kafka and ZooKeeper from Maven Central ...")
    partial = folder.with_name("kafka.partial")
    shutil.rmtree(partial, ignore_errors=True)
    log = cache_folder() / "kafka-download.log"
    log.unlink(missing_ok=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    run([*MAVEN, *goal], f"Kafka could not be downloaded; the log is {log}", log=log)
    if wrong := differences(partial, CHECKSUMS):
        raise StackError(f"In {partial}, {', '.join(wrong)} is not what {CHECKSUMS.name} lists.")
    return partial.rename(folder)
