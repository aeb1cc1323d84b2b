"""Judge past batches again by today's rules: nothing is scraped, nothing is lost.

python batch_pipeline/reprocess.py BATCH     # one batch; its id is the Airflow run id
python batch_pipeline/reprocess.py --all     # all of the raw zone

What was quarantined and is now valid is released; what was clean and is now invalid is withdrawn.
"""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import psycopg2
import typer

from batch_pipeline import report, steps
from pipeline_console import StackError, log_to_stderr, run
from pipeline_settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

app = typer.Typer(help=__doc__, add_completion=False)


def reprocess(connection: "Connection", batch_id: str) -> str:
    """Judge and load one batch afresh; returns the report."""
    for step in steps.AFTER_LANDING:
        step(connection, batch_id)
    return report.generate_report(connection, batch_id)


@app.command(help=__doc__)
def main(
    batch: Annotated[str, typer.Argument(help="Batch id; SELECT batch_id FROM batch_reports")] = "",
    all_batches: Annotated[bool, typer.Option("--all", help="All batches.")] = False,
) -> None:
    log_to_stderr()
    if bool(batch) == all_batches:
        raise typer.BadParameter("Give a batch id, or --all.")
    with closing(psycopg2.connect(**Settings().postgres)) as connection:
        try:
            for batch_id in steps.batch_ids(connection, batch or steps.ALL_BATCHES):
                print(reprocess(connection, batch_id), end="\n\n")
        except steps.BatchError as error:
            raise StackError(str(error)) from error


if __name__ == "__main__":
    run(app)
