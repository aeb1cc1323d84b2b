"""Read sensor readings from Kafka, validate them, store them in TimescaleDB: each exactly once.

Valid readings go to sensor_readings, invalid records with their reason codes to
sensor_readings_invalid. Start as many as you like: they share the topic's partitions.
Ctrl-C finishes the batch in flight and ends.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import gc
import sys
from datetime import datetime
from typing import Annotated

import typer

from pipeline_common.console import log_to_stderr, run
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, VALIDATOR_GROUP, Settings
from pipeline_common.tables import screen_width, table
from streaming_pipeline.live_view import shown
from streaming_pipeline.metrics import MetricsHost, MetricsPort, serve_validator
from streaming_pipeline.replay import replay_topic, utc_time
from streaming_pipeline.stopping import Stopped, stop_on_signals
from streaming_pipeline.validation_loop import Validator

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    exit_when_idle: Annotated[
        float | None,
        typer.Option(min=0.1, help="Stop when no record has come for this many seconds."),
    ] = None,
    topic: Annotated[str, typer.Option(help="Kafka topic to read.")] = SENSOR_TOPIC,
    group: Annotated[str, typer.Option(help="Consumer group to join.")] = VALIDATOR_GROUP,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Continue even if Kafka has deleted unread records."),
    ] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    replay: Annotated[
        bool, typer.Option("--replay", help="The same as streaming_pipeline/replay.py.")
    ] = False,
    replay_from: Annotated[
        datetime | None,
        typer.Option(parser=utc_time, metavar="TIME", help="The same as its --from."),
    ] = None,
) -> None:
    """Run the stream validator until it is stopped or, with --exit-when-idle, done.

    Exit code: 0 if it is done, or was stopped with all that it had read stored; 1 if it failed, was
    stopped before it was done, or had to leave a batch that will be read again; 2 for wrong usage.
    """
    log_to_stderr()
    if replay or replay_from:
        replay_topic(topic, replay_from)
        return
    totals = {"valid": 0, "invalid": 0, "duplicate": 0}
    stopping = stop_on_signals(lambda: print_totals(totals, "records of this run"))
    try:
        validator = Validator(
            Settings(), topic, group, stopping=stopping, accept_loss=accept_loss, totals=totals
        )
        if metrics_port:
            serve_validator(metrics_port, metrics_host, totals, lambda: validator.in_flight)
        drained = validate(validator, exit_when_idle)
    except Stopped as error:
        raise StackError(
            f"Stopped while waiting; what was in flight will be read again ({error})."
        ) from error
    if exit_when_idle and not drained:
        raise StackError(
            "Stopped before the end of the topic was reached: start it again to continue."
        )


def validate(validator: Validator, idle_seconds: float | None) -> bool:
    """Read on, then print what has become of the records; whether the topic is drained."""
    # Records come by the ten thousand and make no cycles: looking for some costs 8 % of the time.
    gc.freeze()
    gc.set_threshold(100_000)
    # kafka-python's thread receives 4 kB at a time, the writer asks the database some ten times a
    # batch; after each answer they would wait up to 5 ms for the GIL.
    sys.setswitchinterval(0.0001)
    try:
        with shown("stream_validator.py", validator.figures):
            return validator.run(idle_seconds)
    finally:
        validator.close()
        print_totals(validator.totals, "records of this run")


def print_totals(totals: dict[str, int], title: str) -> None:
    """The closing table: in = valid + invalid + duplicate."""
    print(table([*totals.items(), ("in", sum(totals.values()))], [title, "count"], screen_width()))


if __name__ == "__main__":
    run(app)
