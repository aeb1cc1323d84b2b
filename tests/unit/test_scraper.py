"""What the simulated vendors send."""

import json

import pytest

from batch_pipeline.rules import validate_record
from batch_pipeline.scraper import PRODUCTS_PER_VENDOR, VENDORS, ScrapeError, scrape


def scrape_all(seed: int, count: int = PRODUCTS_PER_VENDOR) -> list[str]:
    return [line for vendor in VENDORS for line in scrape(vendor, count, seed)]


def test_three_vendors_send_45_products() -> None:
    assert len(scrape_all(seed=1)) == 45


def test_the_same_seed_gives_the_same_products_and_another_one_others() -> None:
    assert scrape_all(seed=1) == scrape_all(seed=1) != scrape_all(seed=2)


@pytest.mark.parametrize("seed", range(20))
def test_every_scrape_has_duplicates(seed: int) -> None:
    ids = [json.loads(line).get("product_id") for line in scrape_all(seed)]
    assert len(set(ids)) < len(ids)


def test_about_a_third_is_messy() -> None:
    records = [json.loads(line) for line in scrape_all(seed=1, count=2000)]
    neat = [record for record in records if is_neat(record)]
    assert 0.28 < 1 - len(neat) / len(records) < 0.38


def is_neat(record: dict[str, object]) -> bool:
    types = [
        type(record.get(name)) for name in ("product_id", "name", "price", "stock", "category")
    ]
    blanks = str(record.get("name")) != str(record.get("name")).strip()
    return types == [str, str, float, int, str] and not blanks and is_valid(record)


def is_valid(record: dict[str, object]) -> bool:
    return not validate_record(json.dumps(record)).issues


def test_every_kind_of_mess_turns_up() -> None:
    lines = scrape_all(seed=1, count=500)
    issues = {issue for line in lines for issue in validate_record(line).issues}
    assert issues == {
        "price_not_a_number",
        "stock_negative",
        "name_missing",
        "price_not_positive",
        "price_other_currency",
        "product_id_missing",
        "price_missing",
    }


def test_a_broken_vendor_raises_with_its_name() -> None:
    with pytest.raises(ScrapeError, match="tech_store"):
        scrape("tech_store", 15, 1, broken=True)
