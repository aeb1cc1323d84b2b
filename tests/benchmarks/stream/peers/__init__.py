"""Other ways from Kafka to TimescaleDB, which bench.py measures: one script for each.

    python -m tests.benchmarks.stream.peers.naive TOPIC

All that validate do it by the validator's own rules, so that only the way differs. Their packages
are in requirements.txt and connect.xml, and packages.py builds Telegraf, which is set up in
telegraf.conf; bench.py installs them into .local, not into the project.
"""
