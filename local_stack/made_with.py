"""Data and `.env` belong together: the data contains the logins and the key of its first start."""

import hashlib
import json
from pathlib import Path

from pipeline_common.errors import StackError
from pipeline_common.settings import Settings

#: Settings that the databases, and values that Airflow has encrypted, keep from the first start.
KEPT = (
    "pipeline_admin_password",
    "pipeline_reader_password",
    "pguser",
    "pgpassword",
    "pgdatabase",
    "timescale_user",
    "timescale_password",
    "timescale_database",
    "airflow_db_password",
    "airflow_fernet_key",
)


def refuse_other_secrets(folder: Path, settings: Settings) -> None:
    """Raise StackError if the data in `folder` has other values; record those of new data."""
    note = folder / "data/made_with.json"
    now = {name: hashlib.sha256(str(getattr(settings, name)).encode()).hexdigest() for name in KEPT}
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch(mode=0o600)
        note.write_text(json.dumps(now))
        return
    then = json.loads(note.read_text())
    other = [name.upper() for name in KEPT if then.get(name, now[name]) != now[name]]
    if other:
        raise StackError(
            f"The data in {note.parent} was made with another {', '.join(other)} than .env (or the "
            "environment) has now. Put the old value back, or delete the data: make reset"
        )
