"""Batches with something wrong: a vendor that renamed a field, a rule that was too strict."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone

from batch_pipeline import report, scraper, steps
from batch_pipeline.database import connect, locked_transaction
from batch_pipeline.ledger import read_ledger
from batch_pipeline.rules import RULE_VERSION
from batch_pipeline.slices import WHOLE
from lab.incidents.incident import Incident, Memory, Note, ask, noted
from pipeline_common.settings import Settings
from pipeline_common.sql_files import read_sql

PRODUCTS = 30
RENAMED = ["unit_price", "price_usd", "amount", "list_price", "cost"]


def new_batch_id() -> str:
    """A batch of its own, named by the time."""
    return f"incident-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}"


def renamed(records: Iterator[str], field: str) -> Iterator[str]:
    """The records as after the vendor's new release: the price has another name."""
    for record in records:
        product = json.loads(record)
        yield json.dumps({field if name == "price" else name: product[name] for name in product})


def schema_drift(settings: Settings, chance: random.Random, note: Note) -> None:
    """Three vendors are scraped and loaded; one of them has renamed a field."""
    batch_id, seed = new_batch_id(), chance.randrange(1000)
    drifting, field = chance.choice(scraper.VENDORS), chance.choice(RENAMED)
    note(batch_id=batch_id, vendor=drifting, field=field)
    with closing(connect(settings.postgres)) as connection:
        for vendor in scraper.VENDORS:
            records = scraper.scrape(vendor, PRODUCTS, seed)
            records = renamed(records, field) if vendor == drifting else records
            steps.land(connection, batch_id, vendor, records)
        for step in steps.AFTER_LANDING:
            step(connection, batch_id)
        report.generate_report(connection, batch_id)


def strict_rule(settings: Settings, chance: random.Random, note: Note) -> None:
    """A batch is validated by rules that somebody deployed and took back: they let little pass."""
    batch_id, seed = new_batch_id(), chance.randrange(1000)
    version = RULE_VERSION + chance.randrange(1, 10)
    note(batch_id=batch_id, version=version)
    with closing(connect(settings.postgres)) as connection:
        for vendor in scraper.VENDORS:
            records = scraper.scrape(vendor, PRODUCTS, seed)
            steps.land(connection, batch_id, vendor, records)
        for step in steps.AFTER_LANDING:
            if step is steps.load_to_clean_zone:
                values = {"batch_id": batch_id, "version": version}
                ask(settings.postgres, "apply_strict_rule", values)
            step(connection, batch_id)
        report.generate_report(connection, batch_id)


def not_loaded(settings: Settings, batch_id: str) -> str | None:
    """Whether a row of the batch is missing in the zones, or not processed yet."""
    with closing(connect(settings.postgres)) as connection, connection.cursor() as cursor:
        ledger = read_ledger(cursor, batch_id)
    ((pending,),) = ask(settings.postgres, "count_pending", {"batch_id": batch_id})
    if pending or not ledger.adds_up or not ledger.received:
        rows = f"rows received: {ledger.received}, pending: {pending}"
        return f"Batch {batch_id} is not loaded: {rows}."
    return None


def still_without_price(settings: Settings, memory: Memory) -> str | None:
    """Whether rows are in quarantine whose price is there, by its new name."""
    ((rows,),) = ask(settings.postgres, "count_renamed", memory)
    if rows:
        return f"Rows of {memory['vendor']} in quarantine although their price was sent: {rows}."
    return not_loaded(settings, memory["batch_id"])


def still_by_strict_rule(settings: Settings, memory: Memory) -> str | None:
    """Whether a row still carries the verdict of the bad version."""
    ((rows,),) = ask(settings.postgres, "count_by_rule_version", memory)
    if rows:
        return f"Rows of {memory['batch_id']} that still have the verdict of the bad rules: {rows}."
    return not_loaded(settings, memory["batch_id"])


def remove_batch(settings: Settings, batch_id: str) -> None:
    """Take an incident's own batch back; what it had superseded returns to the clean zone.

    As the superuser: to the pipelines the raw zone is append-only.
    """
    login = settings.admin(settings.postgres)
    with (
        closing(connect(login)) as connection,
        locked_transaction(connection, batch_id) as cursor,
    ):
        values = {"batch_id": batch_id} | WHOLE._asdict()
        cursor.execute(read_sql("batch/lock_slice"), {"name": "clean_products"} | values)
        cursor.execute(read_sql("batch/withdraw_from_clean_zone"), values)
        cursor.execute(read_sql("batch/bring_back_superseded"))
        cursor.execute(read_sql("lab/delete_batch"), values)


def put_batch_back(settings: Settings, memory: Memory) -> None:
    """Remove the batch that was injected."""
    remove_batch(settings, memory["batch_id"])


SCHEMA_DRIFT = Incident(
    symptom="In batch {batch_id} far more rows are in quarantine than in any night before. The "
    "vendors say that they have sent their full lists.",
    hints=(
        "The batch's report has the rejections by vendor and reason. Which vendor stands out?",
        "Compare raw_data of that vendor's quarantined rows with that of an earlier batch.",
        "The evidence is the field's new name. Let batch_pipeline/rules.py take it for price, "
        "raise RULE_VERSION, and run python batch_pipeline/reprocess.py with the batch's id.",
    ),
    inject=schema_drift,
    answers=noted("field"),
    still_wrong=still_without_price,
    put_back=put_batch_back,
)
STRICT_RULE = Incident(
    symptom="The expensive products of batch {batch_id} are not in the clean zone. The code is "
    "that of last month; a colleague says that a change of hers was taken back the same evening.",
    hints=(
        "Which reason codes do the quarantined rows have? Does docs/batch-bad-input.md list them?",
        "Each row of quarantine_products says by which rules it was validated.",
        "The evidence is the rule_version of those rows; python batch_pipeline/reprocess.py "
        "re-validates the batch by the rules of today.",
    ),
    inject=strict_rule,
    answers=noted("version"),
    still_wrong=still_by_strict_rule,
    put_back=put_batch_back,
)
