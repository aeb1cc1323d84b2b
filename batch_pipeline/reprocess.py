"""Re-validate past batches by today's rules: nothing is scraped, nothing is lost.

\b
python batch_pipeline/reprocess.py BATCH              # one batch; its id is the Airflow run id
python batch_pipeline/reprocess.py --all              # all of the raw zone
python batch_pipeline/reprocess.py --all --dry-run    # which rows would move where

What was quarantined and is now valid is released; what was clean and is now invalid is withdrawn.
The raw rows of an archived batch are read back first, and stay.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from batch_pipeline import archive, batches, dry_run, report, steps
from batch_pipeline.database import OneTransaction, connect
from pipeline_common.console import counted, log_to_stderr, run, stderr
from pipeline_common.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

app = typer.Typer(help=__doc__, add_completion=False)


@app.command(help=__doc__)
def main(
    batch: Annotated[
        str | None, typer.Argument(help="Batch id; SELECT batch_id FROM batch_reports")
    ] = None,
    all_batches: Annotated[bool, typer.Option("--all", help="All batches.")] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Show which rows would move; change nothing.")
    ] = False,
) -> None:
    log_to_stderr()
    if (batch is not None) == all_batches:
        raise typer.BadParameter("Give a batch id, or --all.")
    login = Settings().postgres | ({"connection_factory": OneTransaction} if dry else {})
    with closing(connect(login)) as connection:
        batch_ids = batches.batch_ids(connection, archived=True) if batch is None else [batch]
        if isinstance(connection, OneTransaction):
            print(dry_run.moves_table(dry_run.moves(connection, batch_ids)))
        else:
            reprocess_each(connection, batch_ids)


def reprocess_each(connection: "Connection", batch_ids: list[str]) -> None:
    """Re-validate the batches and print their reports; logs how far it got, even on Ctrl-C.

    Raises ArchiveError at the end if the raw rows of a batch could not be read back.
    """
    done, missing = 0, []
    try:
        for batch_id in batch_ids:
            try:
                print(reprocess(connection, batch_id), end="\n\n", flush=True)
                done += 1
            except archive.ArchiveError as error:
                missing.append(str(error))
    finally:
        stderr.print(f"{done} of {counted(len(batch_ids), 'batch')} re-validated")
    if missing:
        raise archive.ArchiveError("\n".join(missing))


def reprocess(connection: "Connection", batch_id: str) -> str:
    """Validate and load one batch again; returns the report.

    Raises CheckViolation if a rule accepts what a constraint of the table rejects.
    """
    archive.restore(connection, batch_id, archive.archive_folder())
    for step in steps.AFTER_LANDING:
        step(connection, batch_id)
    return report.generate_report(connection, batch_id)


if __name__ == "__main__":
    run(app)
