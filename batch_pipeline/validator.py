"""Validate records from a file or from standard input by the rules, without a database.

\b
python batch_pipeline/validator.py                 # some examples
python batch_pipeline/validator.py products.jsonl  # one JSON object per line
python batch_pipeline/scraper.py | python batch_pipeline/validator.py -

The rules themselves are in batch_pipeline/rules.py.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from batch_pipeline.rules import RULE_VERSION, Verdict, validate_record

__all__ = ["RULE_VERSION", "Verdict", "validate_record"]

EXAMPLES = (
    b'{"product_id": "A-1", "name": " Wireless  Mouse ", "price": "$1,299.00", "stock": "15"}',
    b'{"product_id": "A-2", "name": null, "price": "CALL", "stock": -1}',
    '{"product_id": "A-3", "name": "Kabel", "price": "1.299,00 €", "stock": 3}'.encode(),
    b"no JSON at all",
)
SHOWN = 200  # characters of a rejected record


def verdict_table(records: Iterable[tuple[bytes, Verdict]]) -> str:
    """A readable table of records and their verdicts."""
    from pipeline_common.tables import screen_width, table  # noqa: PLC0415

    rows = [
        (v.product_id, v.name, v.price, v.stock, ", ".join(v.issues) or "valid", _shown(record, v))
        for record, v in records
    ]
    headers = ["product_id", "name", "price", "stock", "verdict", "as received"]
    return table(rows, headers, screen_width())


def _shown(record: bytes, verdict: Verdict) -> str:
    return record[:SHOWN].decode(errors="backslashreplace") if verdict.issues else ""


def records_of(file: str | None) -> Iterable[bytes]:
    """The lines of a file, or of standard input for "-"; without a file, the examples."""
    from pipeline_common.console import stdin_lines  # noqa: PLC0415

    if file is None:
        return EXAMPLES
    if file == "-":
        return stdin_lines()
    return (line.removesuffix(b"\n") for line in Path(file).open("rb"))


def main() -> None:
    """Validate records, one JSON object per line."""
    import typer  # noqa: PLC0415 - Airflow imports this module and need not have typer

    from pipeline_common.console import counted, run  # noqa: PLC0415

    app = typer.Typer(add_completion=False)

    @app.command(help=__doc__)
    def command(
        file: Annotated[
            str | None,
            typer.Argument(
                help='One JSON object per line; "-" reads standard input; without a file: examples.'
            ),
        ] = None,
    ) -> None:
        try:
            records = records_of(file)
        except OSError as error:
            raise typer.BadParameter(f"Cannot read {file}: {error.strerror}") from None
        validated = [(record, validate_record(record)) for record in records]
        print(verdict_table(validated))
        valid = sum(not verdict.issues for _, verdict in validated)
        records_read = counted(len(validated), "record")
        print(f"{records_read}: {valid} valid, {len(validated) - valid} to quarantine")

    run(app)


if __name__ == "__main__":
    main()
