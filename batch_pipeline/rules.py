"""The rules of the batch pipeline: one raw record in, a clean product or reason codes out.

Pure functions, no database, no clock: the same record gets the same verdict at every
re-validation. Every reason code with an example is in docs/batch-bad-input.md.
"""

import re
from decimal import Context, Decimal
from typing import Any, NamedTuple

from batch_pipeline.record import RecordError, parse

# Increase it with every change of a rule: each validated row has the version that validated it.
RULE_VERSION = 2

CURRENCY = "USD"
LONGEST_ID = 100
LONGEST_NAME = 500
LONGEST_CATEGORY = 100
LONGEST_CURRENCY = 100
CENT = Decimal("0.01")
MONEY = Context(prec=28)  # our own: the caller's context may have a lower precision
HIGHEST_PRICE = Decimal("9999999999.99")  # the maximum of numeric(12, 2)
HIGHEST_STOCK = 2**31 - 1  # the maximum of integer
NUMBERS = (int, Decimal)  # but not bool, which is a subclass of int

DUPLICATE_IN_BATCH = "duplicate_in_batch"  # given by sql/batch/load_to_quarantine.sql

# PostgreSQL text can hold neither NUL nor half of a surrogate pair.
BAD_CHARACTER = re.compile("[\x00\ud800-\udfff]")
# 1299, 1299.00, 1,299.00, -5; with "$" before or "USD" before or after. ASCII digits only.
PRICE = re.compile(r"(?:\$|USD)? ?(-?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?)(?: ?USD)?")
OTHER_CURRENCY = re.compile(r"[€£¥₹₽₩₺₪฿]|(?!USD)\b[A-Z]{3} ?[0-9]|[0-9] ?(?!USD)[A-Z]{3}\b")
WHOLE_NUMBER = re.compile(r"-?[0-9]+")


class Verdict(NamedTuple):
    """A clean product, or the reason codes why it is invalid (then every other field is None)."""

    product_id: str | None = None
    name: str | None = None
    price: Decimal | None = None  # US dollars, exact, at most 2 decimals
    stock: int | None = None
    category: str | None = None
    issues: tuple[str, ...] = ()  # reason codes; empty: the row is valid


def validate_record(record: str | bytes) -> Verdict:
    """Validate one record as received; the verdict has all reason codes, not only the first."""
    try:
        fields = parse(record)
    except RecordError as error:
        return Verdict(issues=(str(error),))
    issues: list[str] = []
    product_id = text_of(fields, "product_id", LONGEST_ID, issues)
    name = text_of(fields, "name", LONGEST_NAME, issues)
    price = price_of(fields, issues)
    stock = stock_of(fields, issues)
    category = None
    if fields.get("category") is not None:  # a field that may be missing
        category = text_of(fields, "category", LONGEST_CATEGORY, issues)
    if issues:
        return Verdict(issues=tuple(issues))
    return Verdict(product_id, name, price, stock, category)


# --- The fields -----------------------------------------------------------------------------------


def text_of(record: dict[str, Any], field: str, longest: int, issues: list[str]) -> str | None:
    """Text without extra spaces, 1 to `longest` characters; else adds a reason to `issues`."""
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
    currency: str | None = CURRENCY
    if record.get("currency") is not None:  # a field that may be missing
        currency = _currency_of(record, issues)
    if price is not None and currency == CURRENCY:
        price, issue = _in_cents(price)
    if issue and issue not in issues:
        issues.append(issue)
    return price


def _currency_of(record: dict[str, Any], issues: list[str]) -> str | None:
    faults = len(issues)
    currency = text_of(record, "currency", LONGEST_CURRENCY, issues)
    if currency != CURRENCY and len(issues) == faults:
        issues.append("price_other_currency")
    return currency


def _read_price(value: Any) -> tuple[Decimal | None, str | None]:
    if isinstance(value, Decimal):
        return value, None
    if isinstance(value, int) and not isinstance(value, bool):
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
    cents = price.quantize(CENT, None, MONEY)  # by keyword it takes twice as long
    # 19.990 is 19.99; 19.999 would have to be rounded, and we do not round money.
    return (cents, None) if cents == price else (None, "price_too_precise")


def stock_of(record: dict[str, Any], issues: list[str]) -> int | None:
    """Whole units, 0 to 2,147,483,647; digits as text and 3.0 count as numbers."""
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
