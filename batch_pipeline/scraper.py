"""A simulated web scraper: three vendors, 15 products each, with the mess of real data.

python batch_pipeline/scraper.py                    # 45 records as JSON lines, counts on stderr
python batch_pipeline/scraper.py --seed 7 --count 5 --vendor tech_store

The same vendor, count and seed give the same products.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

VENDORS = ("tech_store", "home_goods", "sport_shop")
PRODUCTS_PER_VENDOR = 15

Product = dict[str, Any]

CATALOGUE = {
    "tech_store": {
        "audio": ["Wireless Headphones", "Bluetooth Speaker", "USB Microphone"],
        "computing": ["Laptop 14\"", "Mechanical Keyboard", "Webcam HD", "SSD 1 TB"],
    },
    "home_goods": {
        "kitchen": ["Coffee Maker", "Blender", "Chef's Knife", "Cast-Iron Pan"],
        "bedroom": ["Cotton Sheets", "Reading Lamp", "Down Pillow"],
    },
    "sport_shop": {
        "fitness": ["Yoga Mat", "Kettlebell 8 kg", "Jump Rope", "Foam Roller"],
        "outdoor": ["Hiking Backpack", "Trekking Poles", "Camping Stove"],
    },
}  # fmt: skip

# What goes wrong with real vendors, each with a relative weight. The rules repair the first ones;
# the others end up in quarantine.
Mess = Callable[[Product, random.Random], Product]
MESS: dict[Mess, int] = {
    lambda p, _: p | {"price": f"${p['price']:,.2f}"}: 4,
    lambda p, _: p | {"stock": str(p["stock"])}: 3,
    lambda p, _: p | {"name": f"  {p['name']} "}: 3,
    lambda p, _: p | {"category": None}: 1,
    lambda p, _: p | {"price": "CALL"}: 2,
    lambda p, r: p | {"stock": -r.randint(1, 9)}: 2,
    lambda p, _: p | {"name": None}: 1,
    lambda p, _: p | {"price": 0}: 1,
    lambda p, _: p | {"price": f"{p['price']:.2f} €"}: 1,
    lambda p, _: {key: p[key] for key in p if key != "product_id"}: 1,
    lambda p, _: {key: p[key] for key in p if key != "price"}: 1,
}
SPOILERS, WEIGHTS = list(MESS), list(MESS.values())
MESSY_SHARE = 0.33
DUPLICATE_SHARE = 0.08


class ScrapeError(Exception):
    """A vendor's pages could not be read; the message says which and why."""


def scrape(vendor: str, count: int, seed: int | str, broken: bool = False) -> Iterator[str]:
    """The records of one vendor as JSON text, one product each.

    `broken` simulates a vendor whose site does not answer: raises ScrapeError.
    """
    if broken:
        raise ScrapeError(f"{vendor} does not answer (timeout after 30 s, simulated)")
    return (json.dumps(product, default=float) for product in products(vendor, count, seed))


def products(vendor: str, count: int, seed: int | str) -> Iterator[Product]:
    """`count` products of a vendor: about a third of them messy, some listed twice."""
    chance = random.Random(f"{vendor}/{seed}")
    for number in range(1, count + 1):
        # The last one always repeats an earlier one, so that every scrape contains a duplicate.
        again = number > 1 and (number == count or chance.random() < DUPLICATE_SHARE)
        product = make_product(vendor, chance.randrange(1, number) if again else number, chance)
        if chance.random() < MESSY_SHARE:
            (spoil,) = chance.choices(SPOILERS, WEIGHTS)
            product = spoil(product, chance)
        yield product


def make_product(vendor: str, number: int, chance: random.Random) -> Product:
    """A product without faults."""
    category = chance.choice(list(CATALOGUE[vendor]))
    return {
        "product_id": f"{vendor.split('_', maxsplit=1)[0].upper()}-{number:03d}",
        "name": chance.choice(CATALOGUE[vendor][category]),
        "price": Decimal(chance.randrange(499, 250_000)) / 100,
        "stock": chance.randrange(500),
        "category": category,
    }


def main() -> None:
    """Scrape all vendors, or one, and print the records as JSON lines."""
    import typer  # noqa: PLC0415 - Airflow imports this module and need not have typer

    from pipeline_common.console import run, stderr  # noqa: PLC0415
    from pipeline_common.errors import StackError  # noqa: PLC0415

    app = typer.Typer(add_completion=False)

    @app.command(help=main.__doc__)
    def command(
        seed: int = typer.Option(1, help="The same seed gives the same products."),
        count: int = typer.Option(PRODUCTS_PER_VENDOR, min=1, help="Products per vendor."),
        vendor: str = typer.Option("", help=f"One of {', '.join(VENDORS)}; all if not given."),
    ) -> None:
        if vendor and vendor not in VENDORS:
            raise StackError(f"There is no vendor {vendor}: it is one of {', '.join(VENDORS)}")
        vendors = [vendor] if vendor else VENDORS
        for name in vendors:
            for line in scrape(name, count, seed):
                print(line)
        stderr.print(f"records: {count * len(vendors)} from {', '.join(vendors)}; seed {seed}")

    run(app)


if __name__ == "__main__":
    main()
