"""What --accept-loss does in the database: resume where Kafka still can, and keep the stored rows.

If Kafka's log was truncated, new records get offsets that stored rows already have, and it is not
known from which offset on. So everything that Kafka holds is read again, and the rows at these
offsets are set aside: they get a topic id of their own, as if the topic had been recreated. So
topic id, partition and offset still identify one record, for fencing, duplicates and replay.
"""

import logging
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg2
from psycopg2.extensions import connection as Connection

from pipeline_common.errors import StackError
from pipeline_common.sql_files import read_sql
from streaming_pipeline.database import Database, transaction
from streaming_pipeline.failures import Failure, first_line, kind_of
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.offsets import Offset
from streaming_pipeline.writer import TooMuch, is_too_much

STEP = 20_000  # offsets: their rows are changed in one transaction
log = logging.getLogger("stream")


def accept_loss(
    database: Database, topic: Topic, partition: int, stored: Offset, resume_at: int
) -> bool:
    """Continue at offset `resume_at`, though the database expects `stored`.

    False if another member has moved it meanwhile: then read the stored offset again. The offset
    moves last: if this is interrupted, the loss is detected again.
    """
    these = {
        "topic": topic.name,
        "topic_id": topic.id,
        "partition": partition,
        "stored_id": stored.topic_id,
        "stored_offset": stored.next,
        "lost_log": str(uuid4()),
    }
    step = STEP
    end = stored.next if stored.topic_id == topic.id else resume_at  # of the rows to set aside
    while True:
        begin = max(resume_at, end - step)
        next_offset = resume_at if begin == resume_at else stored.next
        part = these | {"begin": begin, "end": end, "next_offset": next_offset}
        try:
            if not database.do(partial(set_aside, part=part)):
                return False
        except TooMuch as error:
            step = (end - begin) // 2
            log.warning("too much at once, trying %d offsets at a time: %s", step, error)
        else:
            if begin == resume_at:
                return True
            end = begin


def set_aside(connection: Connection, part: dict[str, Any]) -> bool:
    """Set aside rows from `begin` up to before `end`, and move the offset to `next_offset`.

    False if the offset is not what it was. Raises TooMuch if that takes too long and can be done in
    smaller steps, StackError if the database refuses a row.
    """
    try:
        with transaction(connection) as cursor:
            cursor.execute(read_sql("stream/accept_loss"), part)
            if not cursor.rowcount:
                return False
            if part["begin"] < part["end"]:
                cursor.execute(read_sql("stream/raise_decompression_limit"))
                cursor.execute(read_sql("stream/set_aside"), part)
    except psycopg2.Error as error:
        if part["end"] - part["begin"] > 1 and is_too_much(error):
            raise TooMuch(first_line(error)) from error
        if kind_of(error) is Failure.RECORD:  # a constraint or trigger of the user's own
            raise StackError(
                f"The database refuses to set rows aside: {first_line(error)}. "
                "Remove the constraint or trigger that refuses them."
            ) from error
        raise
    return True
