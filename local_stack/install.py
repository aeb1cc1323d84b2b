"""Installs what the local stack runs on: system packages, TimescaleDB, Kafka with ZooKeeper.

Everything but the system packages goes to `.local/`, so that `make clean` removes it.
Each step does nothing if its result already exists.
"""

import os
from pathlib import Path

from local_stack import monitoring, timescale
from local_stack.debian import install_packages
from local_stack.kafka_jars import kafka_jars

# What must be there -> the Debian packages that bring it, and why it is needed.
PACKAGES = {
    timescale.DEBIAN_POSTGRES / "initdb": (["postgresql-15"], "PostgreSQL 15, the two databases"),
    Path("/usr/bin/psql"): (["postgresql-client"], "psql, to look at the results"),
    Path("/usr/bin/java"): (["openjdk-17-jre-headless"], "Java, which runs Kafka and ZooKeeper"),
    Path("/usr/bin/mvn"): (["maven"], "Maven, which downloads Kafka and ZooKeeper"),
}
BROWSER_PACKAGES = {
    Path("/usr/bin/chromium"): (["chromium"], "a browser, to test the web pages"),
}


def install_all(*, for_tests: bool = False, with_monitoring: bool = False) -> None:
    """Install everything that the local stack needs, saying what and why; raises StackError."""
    os.umask(0o022)  # the account that runs the services must read it
    wanted = dict(PACKAGES)
    if not timescale.is_there():
        wanted |= timescale.BUILD_PACKAGES
    if for_tests:
        wanted |= BROWSER_PACKAGES
    install_packages(wanted)
    timescale.build_timescale()
    kafka_jars()
    if for_tests or with_monitoring:
        monitoring.install()
