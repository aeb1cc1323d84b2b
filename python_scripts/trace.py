"""Follow one record from end to end: bytes as sent, verdict, where it is stored, and why there.

\b
python python_scripts/trace.py record 2 118                    # partition and offset
python python_scripts/trace.py reading sensor_1 2026-01-31T10:00:00Z
python python_scripts/trace.py product TEC-0001
python python_scripts/trace.py raw 7
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_common.console import run, zoned
from pipeline_common.database import connect
from pipeline_common.settings import SENSOR_TOPIC, Settings
from pipeline_common.tables import table
from python_scripts.trace_products import trace_product, trace_raw_row
from python_scripts.trace_records import Origin, Step, trace_reading, trace_record

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
WIDTH = 80


@app.command()
def record(
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    topic: str = SENSOR_TOPIC,
    as_json: AsJson = False,
) -> None:
    """The record at a partition and offset of Kafka."""
    settings = Settings()
    origin = Origin(topic, partition, offset)
    with closing(timescale(settings)) as connection:
        show(trace_record(connection, settings.kafka_bootstrap_servers, origin), as_json)


@app.command()
def reading(
    sensor_id: str,
    time: Annotated[str, typer.Argument(help="with time zone: 2026-01-31T10:00:00Z")],
    as_json: AsJson = False,
) -> None:
    """The reading of a sensor at a time."""
    settings = Settings()
    at = zoned(time)
    with closing(timescale(settings)) as connection:
        show(trace_reading(connection, settings.kafka_bootstrap_servers, sensor_id, at), as_json)


@app.command()
def product(product_id: str, as_json: AsJson = False) -> None:
    """Every raw row of a product."""
    settings = Settings()
    with closing(postgres(settings)) as connection:
        show(trace_product(connection, settings.airflow_url, product_id), as_json)


@app.command()
def raw(raw_id: Annotated[int, typer.Argument(min=1)], as_json: AsJson = False) -> None:
    """One row of raw_products."""
    settings = Settings()
    with closing(postgres(settings)) as connection:
        show(trace_raw_row(connection, settings.airflow_url, raw_id), as_json)


def timescale(settings: Settings) -> "Connection":
    """A connection to timeseries_db that can only read."""
    return connect(settings.reader(settings.timescale), "trace")


def postgres(settings: Settings) -> "Connection":
    """A connection to pipeline_db that can only read."""
    return connect(settings.reader(settings.postgres), "trace")


def show(steps: list[Step], as_json: bool) -> None:
    """Print the steps as a table, or as JSON."""
    if as_json:
        print(json.dumps([step._asdict() for step in steps], indent=2, ensure_ascii=False))
    else:
        width = max(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
        print(table(steps, Step._fields, width=width))


if __name__ == "__main__":
    run(app)
