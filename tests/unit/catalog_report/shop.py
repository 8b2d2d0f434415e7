"""A shop without a fault, and the same with some planted into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mercato.catalog.product import parse_product
from mercato.catalog_report.finding import Catalog, Finding, Thresholds
from mercato.catalog_report.report import run_checks

COLOURS = ("black", "white", "green", "yellow", "orange", "purple", "silver", "brown")
KINDS = (
    ("desk lamp", ["Lighting", "Lamps"], 25.0),
    ("cotton sheet", ["Bedroom", "Linen"], 40.0),
    ("steel kettle", ["Kitchen", "Kettles"], 30.0),
)


class Documents:
    """Products as a snapshot's documents give them."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self._documents = [parse_product(document).document() for document in documents]
        self.count = len(self._documents)

    def document(self, row: int) -> bytes:
        return self._documents[row]


def make_shop() -> list[dict[str, Any]]:
    """Ninety products: three categories of thirty, prices within a third of the category's usual, every field given."""
    return [
        {
            "id": f"{kind[1][1]}-{number}",
            "title": f"{COLOURS[number % 8].title()} {kind[0]}, model {number}",
            "description": f"A {kind[0]} in {COLOURS[number % 8]} for every day, number {number} of its kind.",
            "brand": ("Lumio", "Hydra", "Sitwell")[number % 3],
            "categories": kind[1],
            "price": round(kind[2] * (1 + (number % 7 - 3) / 10), 2),
            "currency": "EUR",
            "attributes": {
                "colour": COLOURS[number % 8],
                "weight_g": 100 + number,
                "gtin": make_gtin(100 * place + number),
            },
            "image_uri": f"https://shop.example/{kind[1][1]}-{number}.jpg",
            "uri": f"https://shop.example/p/{kind[1][1]}-{number}",
        }
        for place, kind in enumerate(KINDS)
        for number in range(30)
    ]  # fmt: skip


def make_gtin(number: int) -> str:
    """Give a number of 13 digits with its check digit: counted from the left, digits weigh 1 and 3 by turns."""
    digits = f"40{number:010d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def plant(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the shop with changed products: ``Lamps_0={"title": "test"}``; None takes a field away."""
    wanted = {name.replace("_", "-"): change for name, change in changes.items()}
    shop = make_shop()
    for product in shop:
        for field, value in wanted.pop(product["id"], {}).items():
            product[field] = {**product[field], **value} if field == "attributes" else value
    assert not wanted, f"no such products: {wanted}"
    return shop


def find(
    shop: Sequence[dict[str, Any]], demand: Sequence[float] | None = None, **thresholds: Any
) -> dict[str, Finding]:
    """Ask every check; findings by name."""
    findings = run_checks(make_catalog(shop, demand, **thresholds))
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def make_catalog(shop: Sequence[dict[str, Any]], demand: Sequence[float] | None = None, **thresholds: Any) -> Catalog:
    return Catalog(
        documents=Documents(shop),
        demand=None if demand is None else np.array(demand, np.float64),
        thresholds=Thresholds(**thresholds),
    )


def show(shop: Sequence[dict[str, Any]], finding: Finding) -> dict[str, str]:
    """Give what a finding says of each product, by id."""
    return {shop[row]["id"]: finding.value(position) for position, row in enumerate(finding.rows)}
