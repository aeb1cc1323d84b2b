"""Re-validate by today's rules the records that the database has read and Kafka still holds.

In the order of the offsets: records that the rules now accept leave quarantine, those that they no
longer accept enter it. Live validators may keep running, and a replay that was interrupted can be
repeated. docs/delivery-guarantees.md explains why the result is that of a first reading.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import logging
from datetime import datetime
from typing import Annotated

import msgspec
import typer

from pipeline_common.console import log_to_stderr, run
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, Settings
from pipeline_common.tables import screen_width, table
from streaming_pipeline.places import DUPLICATE, INVALID, VALID
from streaming_pipeline.stopping import Stopped, stop_on_signals
from streaming_pipeline.topic_replay import Replay

TOTALS = {"valid": VALID, "invalid": INVALID, "duplicate": DUPLICATE}
AWARE_TIME: type[datetime] = Annotated[datetime, msgspec.Meta(tz=True)]  # type: ignore[assignment]
log = logging.getLogger("replay")
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


def utc_time(text: str) -> datetime:
    """A time with its zone, such as 2026-11-24T08:00:00Z."""
    try:
        return msgspec.convert(text, AWARE_TIME)
    except msgspec.ValidationError:
        raise typer.BadParameter(
            f"{text!r} is not a time with a zone, such as 2026-11-24T08:00:00Z"
        ) from None


def report(replay: Replay) -> str:
    """Where the records are now, and which have moved (in a dry run: would move)."""
    counts = [(name, replay.totals[place]) for name, place in TOTALS.items()]
    totals = table(
        [*counts, ("in", replay.totals.total())], ["records re-validated", "count"], screen_width()
    )
    if not replay.moves:
        return f"{totals}\nNo record {'would move' if replay.dry_run else 'has moved'}."
    headers = ["from", "to", "would move" if replay.dry_run else "moved"]
    moves = [
        (*way, count, f"partition {replay.first[way].partition}, offset {replay.first[way].offset}")
        for way, count in replay.moves.most_common()
    ]
    return f"{totals}\n{table(moves, [*headers, 'the first'], screen_width())}"


def replay_topic(topic: str, since: datetime | None, *, dry_run: bool = False) -> None:
    """Replay a topic, then print where its records are now and which have moved."""
    stopping = stop_on_signals()
    replay = Replay(Settings(), topic, since, dry_run=dry_run, stopping=stopping)
    try:
        replay.run()
    except Stopped as error:
        log.warning("stopped while waiting (%s)", error)
    finally:
        print(report(replay))
    if stopping.is_set():
        raise StackError("Stopped before the end: run the replay again; repeating it is safe.")


@app.command()
def main(
    *,
    topic: Annotated[str, typer.Option(help="Kafka topic to replay.")] = SENSOR_TOPIC,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            parser=utc_time,
            metavar="TIME",
            help="Replay only what Kafka has received since.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would move where; change nothing.")
    ] = False,
) -> None:
    """Re-validate the topic's records, then print where they are now and which have moved."""
    log_to_stderr()
    replay_topic(topic, since, dry_run=dry_run)


if __name__ == "__main__":
    run(app)
