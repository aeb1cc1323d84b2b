"""Settings of the databases that somebody changed: room for sorts, the length of a chunk."""

import random
from contextlib import closing
from datetime import datetime, timezone

from batch_pipeline import scraper, steps
from batch_pipeline.database import connect
from lab.incidents.batches import new_batch_id, not_loaded, remove_batch
from lab.incidents.incident import Incident, Memory, Note, ask, noted
from pipeline_common.console import counted
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings

PRODUCTS = 4000  # of one vendor: more than fits into the memory that a sort is left with
READINGS = 60  # one a minute


def temp_space(settings: Settings, chance: random.Random, note: Note) -> None:
    """A large batch is landed; then the login that loads it gets nearly no room for sorts.

    A disk that is full for temporary files looks the same, and would need the server's machine.
    """
    batch_id, limit = new_batch_id(), f"{chance.randrange(24, 64)}kB"
    login = {"login": settings.pguser}
    had = dict(ask(settings.admin(settings.postgres), "settings_of_login", login))
    note(batch_id=batch_id, limit=limit, had=had, **login)
    records = scraper.scrape("home_goods", PRODUCTS, chance.randrange(1000))
    with closing(connect(settings.postgres)) as connection:
        steps.land(connection, batch_id, "home_goods", records)
        steps.load_to_raw_zone(connection, batch_id)
    limits = {"work_mem": "64kB", "temp_file_limit": limit}
    ask(settings.admin(settings.postgres), "limit_temporary_files", login | limits)


def temp_space_is_short(settings: Settings, memory: Memory) -> str | None:
    """Whether the limit is there, or the batch is not loaded yet."""
    if any(limit != "-1" for (limit,) in ask(settings.postgres, "temporary_file_limit")):
        return "The login that loads the batches still has nearly no room for temporary files."
    return not_loaded(settings, memory["batch_id"])


def reset_temp_space(settings: Settings, memory: Memory) -> None:
    """Let the login have what it had, and take the batch back, too."""
    limits = {"work_mem": "", "temp_file_limit": ""} | memory["had"]
    values = {"login": memory["login"]} | limits
    ask(settings.admin(settings.postgres), "limit_temporary_files", values)
    remove_batch(settings, memory["batch_id"])


def chunk_interval(settings: Settings, chance: random.Random, note: Note) -> None:
    """New chunks of the readings are a minute long; then a gateway delivers an hour of the past."""
    admin = settings.admin(settings.timescale)
    sensor = f"gateway_{chance.randrange(1, 100)}"
    ((day,),) = ask(admin, "newest_day_without_chunk")
    if day is None:
        raise StackError("Each of the last 80 days has readings: start one with another seed.")
    ((interval,),) = ask(admin, "chunk_interval")
    memory = {"sensor": sensor, "day": day.isoformat(), "readings": READINGS}
    note(interval=interval, **memory)
    ask(admin, "make_chunks_short")
    ask(settings.timescale, "insert_gateway_readings", memory)


def short_chunks(settings: Settings) -> int:
    """How many chunks of the readings are shorter than a day."""
    return int(ask(settings.timescale, "short_chunks")[0][0])


def chunks_are_short(settings: Settings, memory: Memory) -> str | None:
    """Whether new chunks are short, old ones still are, or readings were lost on the way."""
    ((stored,),) = ask(settings.timescale, "count_gateway_readings", memory)
    if stored != memory["readings"]:
        found = f"{memory['sensor']} has {counted(stored, 'reading')}, not {memory['readings']}"
        return f"{found}: put them back."
    ((interval,),) = ask(settings.timescale, "chunk_interval")
    if interval not in ("1 day", memory["interval"]):
        return "The next chunk of the hypertable would be as short as the last ones."
    if left := short_chunks(settings):
        return f"New chunks will be right. Chunks shorter than a day that are left: {left}."
    return None


def reset_chunks(settings: Settings, memory: Memory) -> None:
    """Take the interval back, and the gateway's readings; others' move into a chunk of it."""
    begin = datetime.fromisoformat(memory["day"]).replace(tzinfo=timezone.utc)
    ask(settings.admin(settings.timescale), "drop_gateway_chunks", memory | {"begin": begin})


def count_short_chunks(settings: Settings, _memory: Memory) -> set[str]:
    """The evidence is counted when it is asked for: more readings make more chunks."""
    return {str(short_chunks(settings))}


TEMP_SPACE = Incident(
    symptom="Batch {batch_id} is in the raw zone, but it cannot be loaded:\n"
    "python batch_pipeline/reprocess.py {batch_id}\n"
    "fails, however often we try. Small batches go through.",
    hints=(
        "Read the error of reprocess.py to its end. What does the statement need and not get?",
        "A setting may come from a file, the database or the login: pg_db_role_setting, or SHOW "
        "as pipeline_user.",
        "The evidence is what SHOW temp_file_limit says to pipeline_user, as 48kB. As "
        "pipeline_admin: ALTER ROLE pipeline_user RESET ALL. Then load the batch.",
    ),
    inject=temp_space,
    answers=noted("limit"),
    still_wrong=temp_space_is_short,
    put_back=reset_temp_space,
)
CHUNKS = Incident(
    symptom="A gateway that was offline has delivered an hour of readings, one a minute. Since "
    "then each query over all of sensor_readings takes longer to plan than to run.",
    hints=(
        "How many chunks does EXPLAIN show, and how long is each?",
        "timescaledb_information.chunks has range_start and range_end; .dimensions has what the "
        "next chunk will be.",
        "The evidence is the number of chunks of sensor_readings that are shorter than a day. As "
        "pipeline_admin: set_chunk_time_interval; then move the hour's rows into a new chunk: "
        "copy them to a temporary table, drop_chunks, insert them, in one transaction.",
    ),
    inject=chunk_interval,
    answers=count_short_chunks,
    still_wrong=chunks_are_short,
    put_back=reset_chunks,
)
