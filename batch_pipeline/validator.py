"""The rules of the batch pipeline: one raw record in, a clean product or reason codes out.

python batch_pipeline/validator.py                 # judge some examples
python batch_pipeline/scraper.py | python batch_pipeline/validator.py -    # judge what is piped in

Pure functions, no database. Every reason code with an example is in docs/batch-bad-input.md.
"""

import json
import re
import sys
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

# Raise it with every change of a rule: each judged row carries the version that judged it.
RULE_VERSION = 1

CURRENCY = "USD"
LONGEST_ID = 100
LONGEST_NAME = 500
LONGEST_CATEGORY = 100
CENT = Decimal("0.01")
HIGHEST_PRICE = Decimal("9999999999.99")  # what numeric(12, 2) holds
HIGHEST_STOCK = 2**31 - 1  # what integer holds
NUMBERS = (int, Decimal)  # but not bool, which Python takes for an int

DUPLICATE_IN_BATCH = "duplicate_in_batch"  # given by sql/batch/mark_duplicates.sql

# PostgreSQL text holds neither NUL nor half of a surrogate pair.
BAD_CHARACTER = re.compile("[\x00\ud800-\udfff]")
# 1299, 1299.00, 1,299.00, -5; with "$" before or "USD" before or after. ASCII digits only.
PRICE = re.compile(r"(?:\$|USD)? ?(-?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?)(?: ?USD)?")
OTHER_CURRENCY = re.compile(r"[€£¥₹₽₩₺₪฿]|(?!USD)\b[A-Z]{3} ?[0-9]|[0-9] ?(?!USD)[A-Z]{3}\b")
WHOLE_NUMBER = re.compile(r"-?[0-9]+")


class Verdict(NamedTuple):
    """A clean product (`issues` is None), or the reason codes parted by ", " (the rest is None)."""

    product_id: str | None = None
    name: str | None = None
    price: Decimal | None = None  # US dollars, exact, at most 2 decimals
    stock: int | None = None
    category: str | None = None
    issues: str | None = None


class RecordError(ValueError):
    """The text is no record at all; the message is the reason code."""


def judge(raw_text: str) -> Verdict:
    """Judge one record as received; all reasons are given, not only the first."""
    try:
        record = parse(raw_text)
    except RecordError as error:
        return Verdict(issues=str(error))
    issues: list[str] = []
    product_id = text_of(record, "product_id", LONGEST_ID, issues)
    name = text_of(record, "name", LONGEST_NAME, issues)
    price = price_of(record, issues)
    stock = stock_of(record, issues)
    category = None
    if record.get("category") is not None:  # the one field that may be missing
        category = text_of(record, "category", LONGEST_CATEGORY, issues)
    if issues:
        return Verdict(issues=", ".join(issues))
    return Verdict(product_id, name, price, stock, category)


# --- From text to a record ------------------------------------------------------------------------


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise RecordError("duplicate_key")
    return record


def _no_constant(_name: str) -> None:
    raise RecordError("not_json")  # NaN and Infinity: Python reads them, JSON has no such thing


# Decimal keeps 19.99 exact, and takes whole numbers of any length where int stops at 4300 digits.
_QUICK = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
_EXACT = json.JSONDecoder(
    parse_float=Decimal,
    parse_int=Decimal,
    parse_constant=_no_constant,
    object_pairs_hook=_unique_keys,
)


def _decode(raw_text: str) -> Any:
    """Decode a usual record quickly, one that may hold a key twice or an endless number exactly."""
    try:
        record, end = _QUICK.raw_decode(raw_text)
        whole = end == len(raw_text) and isinstance(record, dict)
        if whole and raw_text.count(":") == len(record):
            return record  # a colon for each key: none was there twice
    except ValueError:
        pass  # the exact decoder says what is wrong, if anything is
    return _EXACT.decode(raw_text)


def parse(raw_text: str) -> dict[str, Any]:
    """Read a JSON object, numbers as int or Decimal; raises RecordError."""
    try:
        record = _decode(raw_text)
    except json.JSONDecodeError:
        raise RecordError("not_json") from None
    except RecursionError:
        raise RecordError("nested_too_deep") from None
    except InvalidOperation:  # an exponent beyond what Decimal holds
        raise RecordError("number_out_of_range") from None
    if not isinstance(record, dict):
        raise RecordError("not_an_object")
    return record


# --- The fields -----------------------------------------------------------------------------------


def text_of(record: dict[str, Any], field: str, longest: int, issues: list[str]) -> str | None:
    """Text without stray blanks, 1 to `longest` characters; else a reason is added to `issues`."""
    value = record.get(field)
    if not isinstance(value, str):
        issues.append(f"{field}_missing" if value is None else f"{field}_wrong_type")
        return None
    text = " ".join(value.split())
    if not text:
        issues.append(f"{field}_empty")
    elif len(text) > longest:
        issues.append(f"{field}_too_long")
    elif not text.isprintable() and BAD_CHARACTER.search(text):
        issues.append(f"{field}_bad_character")
    return text


def price_of(record: dict[str, Any], issues: list[str]) -> Decimal | None:
    """The price in US dollars, 0.01 to 9,999,999,999.99; a currency is read, never guessed."""
    price, issue = _read_price(record.get("price"))
    if record.get("currency") not in (None, CURRENCY):
        issue = "price_other_currency"
    elif price is not None:
        price, issue = _in_cents(price)
    if issue:
        issues.append(issue)
    return price


def _read_price(value: Any) -> tuple[Decimal | None, str | None]:
    if isinstance(value, NUMBERS) and not isinstance(value, bool):
        return Decimal(value), None
    if not isinstance(value, str):
        return None, "price_missing" if value is None else "price_wrong_type"
    text = value.strip()
    if match := PRICE.fullmatch(text):
        return Decimal(match[1].replace(",", "")), None
    if not text:
        return None, "price_empty"
    return None, "price_other_currency" if OTHER_CURRENCY.search(text) else "price_not_a_number"


def _in_cents(price: Decimal) -> tuple[Decimal | None, str | None]:
    if price <= 0:
        return None, "price_not_positive"
    if price > HIGHEST_PRICE:
        return None, "price_out_of_range"
    cents = price.quantize(CENT)
    # 19.990 is 19.99; 19.999 would have to be rounded, and money is not rounded in passing.
    return (cents, None) if cents == price else (None, "price_too_precise")


def stock_of(record: dict[str, Any], issues: list[str]) -> int | None:
    """Whole pieces, 0 to 2,147,483,647; digits as text and 3.0 count as numbers."""
    value = record.get("stock")
    if isinstance(value, str):
        text = value.strip()
        if not WHOLE_NUMBER.fullmatch(text):
            issues.append("stock_not_a_number" if text else "stock_empty")
            return None
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        issues.append("stock_missing" if value is None else "stock_wrong_type")
        return None
    if value < 0:
        issues.append("stock_negative")
    elif value > HIGHEST_STOCK:
        issues.append("stock_out_of_range")
    elif value != int(value):
        issues.append("stock_not_whole")
    else:
        return int(value)
    return None


# --- By itself ------------------------------------------------------------------------------------

EXAMPLES = (
    '{"product_id": "A-1", "name": " Wireless  Mouse ", "price": "$1,299.00", "stock": "15"}',
    '{"product_id": "A-2", "name": null, "price": "CALL", "stock": -1}',
    '{"product_id": "A-3", "name": "Kabel", "price": "1.299,00 €", "stock": 3}',
    "no JSON at all",
)


def verdict_table(lines: Iterable[str]) -> str:
    """A table of records and their verdicts that a person can read."""
    from tabulate import tabulate  # noqa: PLC0415 - the rules themselves need no library

    verdicts = [(line, judge(line)) for line in lines]
    rows = [
        (v.product_id, v.name, v.price, v.stock, v.issues or "valid", "" if not v.issues else line)
        for line, v in verdicts
    ]
    headers = ["product_id", "name", "price", "stock", "verdict", "as received"]
    widths = [None, 30, None, None, 30, 60]
    return tabulate(rows, headers, "psql", maxcolwidths=widths, disable_numparse=True)


def main() -> None:
    """Judge records, one JSON object a line; without "-" some examples are judged."""
    import typer  # noqa: PLC0415 - Airflow imports this module and need not have typer

    from pipeline_console import run  # noqa: PLC0415

    app = typer.Typer(add_completion=False)

    @app.command(help=main.__doc__)
    def command(source: str = typer.Argument("", help='"-" reads standard input')) -> None:
        lines = [line.rstrip("\n") for line in sys.stdin] if source == "-" else list(EXAMPLES)
        print(verdict_table(lines))
        valid = sum(judge(line).issues is None for line in lines)
        print(f"{len(lines)} records: {valid} valid, {len(lines) - valid} to quarantine")

    run(app)


if __name__ == "__main__":
    main()
