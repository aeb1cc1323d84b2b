"""What --accept-loss does in the database: go on where Kafka still can, and keep what was stored.

Where Kafka's log was cut off, records to come get offsets that stored rows have already. Those rows
are of a log that is gone: they get a topic id of their own, as if the topic had been recreated. So
a topic id, a partition and an offset still name one record, for the fence, duplicates and replay.
"""

import logging
from functools import partial
from uuid import uuid4

import psycopg2
from psycopg2.extensions import connection as Connection

from pipeline_common.sql_files import read_sql
from streaming_pipeline.database import Database, transaction
from streaming_pipeline.failures import first_line
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.offsets import Offset
from streaming_pipeline.writer import TooMuch, is_too_much

STEP = 20_000  # offsets: their rows are changed in one transaction
log = logging.getLogger("stream")


def accept_loss(
    database: Database, topic: Topic, partition: int, stored: Offset, resume_at: int
) -> bool:
    """Go on at offset `resume_at`, though the database waits for `stored`.

    False if another member has moved it meanwhile: then the database is to be asked again.
    """
    lost_log = str(uuid4())
    step = STEP
    while stored != (topic.id, resume_at):
        to = max(resume_at, stored.next - step) if stored.topic_id == topic.id else resume_at
        move = partial(
            move_offset, topic=topic, partition=partition, stored=stored, to=to, lost_log=lost_log
        )
        try:
            if not database.do(move):
                return False
        except TooMuch as error:
            step = (stored.next - to) // 2
            log.warning("too much at once, trying %d offsets at a time: %s", step, error)
        else:
            stored = Offset(topic.id, to)
    return True


def move_offset(
    connection: Connection,
    *,
    topic: Topic,
    partition: int,
    stored: Offset,
    to: int,
    lost_log: str,
) -> bool:
    """Move a partition's offset, and rows beyond it to `lost_log`; False if it is not `stored`.

    Raises TooMuch if that takes too long and can be done in smaller steps.
    """
    sets_aside = stored.topic_id == topic.id and to < stored.next
    these = {
        "topic": topic.name,
        "topic_id": topic.id,
        "partition": partition,
        "stored_id": stored.topic_id,
        "stored_offset": stored.next,
        "offset": to,
        "lost_log": lost_log,
    }
    try:
        with transaction(connection) as cursor:
            cursor.execute(read_sql("stream/accept_loss"), these)
            if not cursor.rowcount:
                return False
            if sets_aside:
                cursor.execute(read_sql("stream/raise_decompression_limit"))
                cursor.execute(read_sql("stream/set_aside"), these)
    except psycopg2.Error as error:
        if sets_aside and stored.next - to > 1 and is_too_much(error):
            raise TooMuch(first_line(error)) from error
        raise
    return True
