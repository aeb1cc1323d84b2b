"""What the two databases and Kafka say about both pipelines, as metrics for Prometheus.

`make up MONITORING=1` starts it; docs/monitoring.md says what each metric is for. It looks at each
server when Prometheus asks, as the login that may only read. So the figures are those of the
database, whoever wrote them, and are there even while no validator and no DAG run is active.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import psycopg2
import typer
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pipeline_common.console import log_to_stderr, run
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings
from python_scripts import pipeline_metrics as metrics

#: A ledger counts all rows, so it is not queried at each scrape.
LEDGER_SECONDS = 60.0

log = logging.getLogger("exporter")
app = typer.Typer(pretty_exceptions_enable=False)
Ask = Callable[[], Iterable[Metric]]


def at_most_every(seconds: float, ask: Ask) -> Ask:
    """`ask`, with its last answer cached for that many seconds."""
    answer: list[Metric] = []
    due = 0.0

    def asked() -> list[Metric]:
        nonlocal answer, due
        if time.monotonic() >= due:
            answer = list(ask())
            due = time.monotonic() + seconds
        return answer

    return asked


def answer(part: str, ask: Ask) -> list[Metric] | None:
    """The metrics of a part; None, with a line in the log, if it does not answer."""
    try:
        return list(ask())
    except (psycopg2.Error, KafkaError, OSError) as error:
        log.warning("%s: %s", part, str(error).strip() or type(error).__name__)
        return None


class Exporter(Collector):
    """Asks every server, and says of each part whether it could be asked."""

    def __init__(self, settings: Settings) -> None:
        postgres = settings.reader(settings.postgres)
        timescale = settings.reader(settings.timescale)
        self.parts: dict[str, Ask] = {
            "my_postgres": lambda: metrics.of_postgres(postgres),
            "my_timescaledb": lambda: metrics.of_timescaledb(timescale),
            "my_kafka": lambda: metrics.of_kafka(settings.kafka_bootstrap_servers),
            "batch ledger": at_most_every(
                LEDGER_SECONDS, lambda: metrics.of_the_batch_ledger(postgres)
            ),
            "stream ledger": at_most_every(
                LEDGER_SECONDS, lambda: metrics.of_the_stream_ledger(timescale)
            ),
        }

    def collect(self) -> Iterator[Metric]:
        """All metrics; those of a part that does not answer are left out."""
        with ThreadPoolExecutor(len(self.parts)) as pool:  # no part waits for another's timeout
            answers = list(pool.map(answer, self.parts, self.parts.values()))
        for found in filter(None, answers):
            yield from found
        text = "Whether a server, or a ledger, could be asked"
        pairs = zip(self.parts, answers, strict=True)
        samples = [([part], found is not None) for part, found in pairs]
        yield metrics.gauge("pipeline_part_up", text, ["part"], samples)


@app.command(help=__doc__)
def main(
    host: Annotated[str, typer.Option(help="Serve the metrics at this address.")] = "127.0.0.1",
    env_file: Annotated[
        Path | None, typer.Option(help="Read the settings from this file, not from .env.")
    ] = None,
) -> None:
    """Answer Prometheus at EXPORTER_PORT until it is stopped."""
    log_to_stderr()
    settings = Settings(_env_file=env_file) if env_file else Settings()  # type: ignore[call-arg]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exporter(settings))
    port = settings.exporter_port
    try:
        _, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise StackError(
            f"Metrics cannot be served at {host}:{port} ({error.strerror}). "
            "Is another exporter running? EXPORTER_PORT sets another port."
        ) from error
    log.info("metrics are at http://%s:%d/metrics", host, port)
    thread.join()


if __name__ == "__main__":
    run(app)
