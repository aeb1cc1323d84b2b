"""Sensors in three warehouses send readings to Kafka, some of them faulty on purpose.

2 % have no timestamp, 3 % a temperature out of range, 2 % are late, 1 % have no sensor_id, 1 % are
sent twice. The same seed gives the same readings; only their times are those of the run.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import logging
import time
from typing import Annotated

import typer

from pipeline_common.console import counted, log_to_stderr, run
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, Settings
from pipeline_common.tables import screen_width, table
from streaming_pipeline.metrics import MetricsHost, MetricsPort, serve_simulator
from streaming_pipeline.sender import Sender, send_all
from streaming_pipeline.simulated_readings import KINDS, messages, places
from streaming_pipeline.stopping import Stopped, stop_on_signals

log = logging.getLogger("simulator")
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    rate: Annotated[float, typer.Option(min=0, help="Readings per second; 0: no limit.")] = 10,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many seconds.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many readings.")] = None,
    sensors: Annotated[int, typer.Option(min=1, help="Number of sensors, which send in turn.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same readings.")] = 1,
    topic: Annotated[str, typer.Option(help="Kafka topic to send to.")] = SENSOR_TOPIC,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="Print the totals as JSON.")] = False,
) -> None:
    """Send readings until Ctrl-C, --duration or --count ends it; print what was sent.

    Exit code: 0 if all that was sent was acknowledged and --duration or --count was reached;
    1 if not; 2 for wrong usage.
    """
    log_to_stderr()
    bootstrap = Settings().kafka_bootstrap_servers
    sender = Sender(topic)
    begin = time.monotonic()

    def print_them() -> None:
        print_totals(sender, time.monotonic() - begin, as_json)

    stop = stop_on_signals(print_them)
    if metrics_port:
        serve_simulator(metrics_port, metrics_host, sender.answers)
    try:
        with sender.connected(bootstrap, stop):
            readings = messages(seed, places(sensors))
            send_all(sender, readings, rate=rate, duration=duration, count=count, stop=stop)
    except Stopped as error:
        log.warning("stopped while waiting (%s)", error)
    finally:
        print_them()
    if lost := sender.sent - sender.acknowledged.total():
        raise StackError(
            f"Kafka at {bootstrap} did not acknowledge {lost} of {counted(sender.sent, 'reading')}."
            " Is it up? make status"
        )
    if stop.is_set() and (duration is not None or count is not None):
        raise StackError("Stopped before the end that --duration or --count asked for.")


def print_totals(sender: Sender, seconds: float, as_json: bool) -> None:
    """The number of acknowledged readings, by kind, and of those that were not."""
    rows = [(kind, sender.acknowledged[kind], sender.failed[kind]) for kind in KINDS]
    if as_json:
        totals = dict(sender.acknowledged) | {"sent": sender.sent, "failed": sender.failed.total()}
        print(json.dumps(totals))
        return
    rows.append(("all", sender.acknowledged.total(), sender.failed.total()))
    print(table(rows, ["kind", "acknowledged", "failed"], screen_width()))
    log.info("%.1f s, %.0f readings/s", seconds, sender.acknowledged.total() / seconds)


if __name__ == "__main__":
    run(app)
