"""The metrics of simulator and validator for Prometheus; docs/monitoring.md says what each is for.

They add no work per record: the scripts keep the totals anyway, and they are read at each scrape.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import typer
from prometheus_client import REGISTRY, Counter, Gauge, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pipeline_common.errors import StackError

MetricsPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Serve Prometheus metrics at this port.")
]
MetricsHost = Annotated[str, typer.Option(help="Serve them at this address.")]

#: Shows a server that keeps restarting before the log does.
RETRIES = Counter(
    "stream_retries", "Attempts that failed because a server was unavailable", ["server"]
)


class Totals(Collector):
    """A counter with one label, whose values are read with `read()` at each scrape."""

    def __init__(
        self, name: str, documentation: str, label: str, read: Callable[[], Mapping[str, int]]
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.label = label
        self.read = read

    def collect(self) -> Iterator[Metric]:
        """The counter, as Prometheus takes it; its name gets the ending _total."""
        family = CounterMetricFamily(self.name, self.documentation, labels=[self.label])
        for value, count in self.read().items():
            family.add_metric([value], count)
        yield family


def serve(port: int, host: str) -> None:
    """Answer at http://host:port/metrics from a thread; raises StackError if the port is in use."""
    try:
        start_http_server(port, host)
    except OSError as error:
        raise StackError(
            f"Metrics cannot be served at {host}:{port} ({error.strerror}). "
            "Each script needs a port of its own: --metrics-port"
        ) from error


def serve_simulator(port: int, host: str, read: Callable[[], Mapping[str, int]]) -> None:
    """Serve how many records the broker has acknowledged, and how many have failed."""
    REGISTRY.register(
        Totals("stream_simulator_records", "Records sent, by Kafka's answer", "answer", read)
    )
    serve(port, host)


def serve_validator(
    port: int, host: str, totals: Mapping[str, int], in_flight: Callable[[], int]
) -> None:
    """Serve the number of records by outcome, and how many are in flight."""
    REGISTRY.register(
        Totals(
            "stream_validator_records",
            "Records stored, by what became of them",
            "outcome",
            lambda: totals,
        )
    )
    gauge = Gauge("stream_validator_in_flight_records", "Records read and not yet stored")
    gauge.set_function(in_flight)
    serve(port, host)
