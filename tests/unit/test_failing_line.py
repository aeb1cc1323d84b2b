"""The one line of a long log that says what went wrong."""

from pathlib import Path

import pytest

from local_stack.logs import failing_line

POSTGRES = """LOG:  starting PostgreSQL 15.19
FATAL:  database files are incompatible with server
DETAIL:  The data directory was initialized by PostgreSQL version 14.
LOG:  database system is shut down
"""
KAFKA = """[2026-11-27 02:00:00] INFO starting (kafka.server.KafkaServer)
[2026-11-27 02:00:01] ERROR Fatal error during KafkaServer startup. (kafka.server.KafkaServer)
kafka.common.InconsistentClusterIdException: The Cluster ID A doesn't match stored clusterId B
\tat kafka.server.KafkaServer.startup(KafkaServer.scala:243)
[2026-11-27 02:00:02] INFO shut down completed (kafka.server.KafkaServer)
"""
AIRFLOW = """Traceback (most recent call last):
  File "cryptography/fernet.py", line 134, in _verify_signature
cryptography.exceptions.InvalidSignature: Signature did not match digest.
  File "airflow/models/connection.py", line 300, in get_password
ValueError: Fernet key must be 32 url-safe base64-encoded bytes.
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (POSTGRES, "FATAL:  database files are incompatible with server"),
        (KAFKA, "kafka.common.InconsistentClusterIdException: The Cluster ID A doesn't match"),
        (AIRFLOW, "ValueError: Fernet key must be 32"),
        ("one\ntwo\n", "one\ntwo"),
    ],
)
def test_the_failing_line_is_shown(tmp_path: Path, log: str, line: str) -> None:
    (tmp_path / "log").write_text(log)
    assert failing_line(tmp_path / "log").startswith(line)


def test_a_service_that_has_not_written_anything_has_no_line(tmp_path: Path) -> None:
    assert failing_line(tmp_path / "log") == ""
