"""Files of products as large shops export them, made up: the same rows for the same seed."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

COLUMNS = (
    "id", "item_group_id", "title", "description", "brand", "categories", "price", "availability", "colour", "size",
    "weight", "gtin", "link", "image_link",
)  # fmt: skip
_BRANDS = [f"{first}{second}" for first in ("Nord", "Alta", "Kiro", "Velo", "Lumen", "Tessa") for second in
           ("lux", "mark", "wear", "works", " & Sons", "é")]  # fmt: skip
_KINDS = ("Mug", "Lamp", "Chair", "T-shirt", "Desk", "Kettle", "Running shoe", "Backpack", "Pillow", "Notebook")
_STYLES = ("Classic", "Slim", "Rustic", "Modern", "Outdoor", "Café", "Kids'", "Heavy-duty", "Folding", "Large")
_COLOURS = ("black", "white", "red", "navy blue", "forest green", "grey", "sand", "crème")
_SIZES = ("XS", "S", "M", "L", "XL", "2XL", "38", "40", "42", "one size")
_STATES = ("in stock", "in stock", "in stock", "out of stock", "preorder")
_SENTENCES = (
    "Made to last, and easy to clean.",
    "Dishwasher safe up to 60 °C.",
    "Comes with a two year warranty and free returns within 30 days.",
    "The soft lining keeps its shape after many washes, says everybody who owns one.",
    'Fits into bags of 15" and more, with room for a bottle on the side.',
    "Designed in our own workshop, from wood of certified forests only.",
)
# Most descriptions are plain, some are what an editor on a web page wrote.
_MARKED_SHARE = 0.2


def make_rows(count: int, *, variants: int = 1, seed: int = 0) -> Iterator[list[str]]:
    """Make rows.

    Args:
        count: how many.
        variants: rows of one product, which follow each other and differ in code, colour, size, price and stock.
        seed: of the random numbers.

    Yields:
        Values in the order of `COLUMNS`.
    """
    chance = random.Random(seed)
    pick, number = chance.choice, chance.random
    shared: list[str] = []
    for at in range(count):
        if at % variants == 0:
            product = at // variants
            kind, style, brand = pick(_KINDS), pick(_STYLES), pick(_BRANDS)
            sentences = [pick(_SENTENCES) for _ in range(1 + int(number() * 4))]
            text = (
                "".join(f"<p>{sentence}</p>" for sentence in sentences) + "<ul><li>100&nbsp;% tested</li></ul>"
                if number() < _MARKED_SHARE
                else " ".join(sentences)
            )
            shared = [
                f"G{product:07d}",
                f"{brand} {style} {kind} {product % 1000}",
                text,
                brand,
                f"Home & Living > {kind}s > {style}",
            ]
        price = f"{5 + number() * 200:.2f} EUR"
        colour, size = pick(_COLOURS), pick(_SIZES)
        yield [
            f"A{at:08d}", *shared, price, pick(_STATES), colour, size, f"{number() * 20:.3f} kg",
            f"0{4_000_000_000_000 + at}", f"https://shop.example/p/{at}?ref=feed&v=2",
            f"https://img.example/{at % 97}/{at}.jpg",
        ]  # fmt: skip


def write_csv(path: Path, count: int, *, variants: int = 1) -> None:
    """Write rows as CSV in UTF-8, as `make_rows` gives them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(make_rows(count, variants=variants))
