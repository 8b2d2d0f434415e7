"""Prices far from those of their category: mostly cents given as units, or a sign of thousands read as a decimal one.

The logarithm of the price is compared with the median of the most specific category that has enough products with a
price, in units of the median absolute deviation: neither moves with the few prices that are wrong. Where there are no
categories, the products nearest in meaning take their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float64, Int64
from mercato.catalog_report.finding import MODERATE, SEVERE, Catalog, Finding

# Iglewicz and Hoaglin 1993: 0.6745 (x - median) / MAD is called an outlier beyond 3.5.
NORMAL_MAD = 0.6745
OUTLIER_Z = 3.5
#: A category in which all cost the same has no deviation; prices of one kind differ by a tenth everywhere.
LEAST_MAD = float(np.log(1.1))
#: How a whole shop's prices go wrong. A slip by one place is not among them: a pack of ten costs as much.
UNIT_FAULTS = {
    2: "as if cents were given as units",
    -2: "as if units were given as cents",
    3: "as if a decimal sign had been read as one of thousands",
    -3: "as if a sign of thousands had been read as a decimal one",
}
_LIKE = -1  # in the place of a level: the products nearest in meaning
#: Near in meaning are a quilt and its patches too. So only what is nearer to a hundred times than to ten is called far.
LIKE_FACTOR = 10.0**1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class PriceRatios:
    """Prices against what is usual.

    Attributes:
        rows: int64 [n], products with a price above 0, ascending.
        price: float64 [n].
        usual: float64 [n], median price of what was compared with.
        z: float64 [n], robust distance of the logarithm; positive where dearer.
        level: int64 [n], how many categories of the path were compared with; -1 where those nearest in meaning were.
        compared: int64 [n], products with a price that were compared with.
    """

    rows: Int64
    price: Float64
    usual: Float64
    z: Float64
    level: Int64
    compared: Int64

    def find_far(self, factor: float) -> Bool:
        """Mark prices that are beyond the usual deviation and `factor` times dearer or cheaper, bool [n].

        Of those that are compared with products near in meaning at least `LIKE_FACTOR` is asked.
        """
        least = np.where(self.level == _LIKE, max(factor, LIKE_FACTOR), factor)
        far: Bool = (np.abs(self.z) > OUTLIER_Z) & (np.abs(np.log(self.price / self.usual)) >= np.log(least) - 1e-9)
        return far


def compare_prices(catalog: Catalog) -> PriceRatios:
    """Compare each price with those of the most specific category of enough products; else of its parent, and so on.

    ``z = 0.6745 (log p - median) / max(MAD, log 1.1)``. The shop as a whole is no category; products that are in none
    are compared with those nearest in meaning, and left out where no vectors are known. Prices in one currency are
    compared with one another alone.
    """
    found = [
        (row, float(product["price"]), product.get("currency", ""))
        for row, product in catalog.products()
        if product.get("price", 0) > 0
    ]
    rows = np.array([row for row, _, _ in found], np.int64)
    price = np.array([value for _, value, _ in found], np.float64)
    currency = [name for _, _, name in found]
    ratios = PriceRatios(
        rows=rows, price=price, usual=np.full(len(rows), np.nan), z=np.zeros(len(rows)),
        level=np.zeros(len(rows), np.int64), compared=np.zeros(len(rows), np.int64),
    )  # fmt: skip
    _compare_in_categories(catalog, ratios, currency)
    _compare_with_like(catalog, ratios, currency)
    known = ~np.isnan(ratios.usual)
    return PriceRatios(**{name: getattr(ratios, name)[known] for name in PriceRatios.__dataclass_fields__})


def check_prices(catalog: Catalog) -> Iterator[Finding]:
    """Find prices far from their category: those off by a hundred or a thousand, and others, by direction."""
    ratios = catalog.once(compare_prices)
    far = np.flatnonzero(ratios.find_far(catalog.thresholds.price_factor))
    powers = {
        int(one): guess_power(float(ratios.price[one]), float(ratios.usual[one]), float(ratios.z[one])) for one in far
    }
    harm = (
        "Sorted by price they stand at an end, filters on the price pass or refuse them wrongly, and the ranges of the"
        " facet are stretched for all."
    )
    dearer = [one for one in powers if not powers[one] and ratios.z[one] > 0]
    cheaper = [one for one in powers if not powers[one] and ratios.z[one] < 0]
    look = "Look at each: the price, or the category, may be wrong;"
    kinds = (
        ("price-unit", "prices that look off by a hundred or a thousand", [one for one in powers if powers[one]],
         SEVERE,
         "If many are off by the same power of ten, correct it as it is read, such as --map price=COLUMN/100; else"
         " correct each."),
        ("price-far-above", "prices far dearer than their category", dearer, MODERATE,
         f"{look} a pack of many may be right."),
        ("price-far-below", "prices far cheaper than their category", cheaper, MODERATE,
         f"{look} a single piece or a spare part may be right."),
    )  # fmt: skip
    for name, title, members, weight, remedy in kinds:
        if members:
            yield Finding(
                name=name,
                section="prices",
                title=title,
                harm=harm,
                remedy=remedy,
                weight=weight,
                rows=[int(ratios.rows[one]) for one in members],
                values=[_describe(catalog, ratios, one, powers[one]) for one in members],
            )


def guess_power(price: float, usual: float, z: float) -> int:
    """Guess by which power of ten of `UNIT_FAULTS` a price is wrong; 0 where none explains it.

    One explains it where the corrected price is within a quarter of a decade of what is usual (a factor of 1.8) and
    within the usual deviation. What is too dear by a power of ten lost its decimals, so it is a whole number.
    """
    decades = float(np.log10(price / usual))
    power = round(decades)
    corrected = z * (decades - power) / decades if decades else 0.0
    if power not in UNIT_FAULTS or abs(decades - power) > 0.25 or abs(corrected) > OUTLIER_Z:
        return 0
    return power if power < 0 or price.is_integer() else 0


def _compare_in_categories(catalog: Catalog, ratios: PriceRatios, currency: Sequence[str]) -> None:
    """Fill in what is usual, the most specific categories first; the currency is the first step of each path."""
    paths = [(name, *catalog.paths[row]) for row, name in zip(ratios.rows, currency, strict=True)]
    lengths = np.array([len(path) for path in paths], np.int64)
    logs = np.log(ratios.price)
    for depth in range(int(lengths.max(initial=0)), 1, -1):
        inside = np.flatnonzero(lengths >= depth)
        codes: dict[tuple[str, ...], int] = {}
        code = np.array([codes.setdefault(paths[one][:depth], len(codes)) for one in inside], np.int64)
        order = np.argsort(code, kind="stable")
        bounds = np.searchsorted(code[order], np.arange(len(codes) + 1))
        for start, end in zip(bounds, bounds[1:], strict=False):
            members = inside[order[start:end]]
            asked = members[np.isnan(ratios.usual[members])]
            if len(members) >= catalog.thresholds.least_category and len(asked):
                _compare(ratios, asked, logs[members], depth - 1)


def _compare_with_like(catalog: Catalog, ratios: PriceRatios, currency: Sequence[str]) -> None:
    """Fill in what is usual of products in no category of enough, from the texts nearest to theirs."""
    waiting = np.isnan(ratios.usual)
    if not waiting.any() or catalog.neighbours is None or catalog.text_of_row is None:
        return
    near = catalog.neighbours
    position_of = np.full(catalog.count, -1, np.int64)
    position_of[ratios.rows] = np.arange(len(ratios.rows))
    asked_of_text: dict[int, dict[str, list[int]]] = {}
    for one in np.flatnonzero(waiting):
        of_text = asked_of_text.setdefault(int(catalog.text_of_row[ratios.rows[one]]), {})
        of_text.setdefault(currency[one], []).append(int(one))
    for text, found in zip(near.texts, near.found, strict=True):
        like = position_of[near.first_row[found[(found >= 0) & (found != text)]]]
        for name, asked in asked_of_text.get(int(text), {}).items():
            same = np.array([one for one in like if one >= 0 and currency[one] == name], np.int64)
            if len(same) >= min(catalog.thresholds.least_category, found.shape[0] - 1):
                _compare(ratios, np.array(asked), np.log(ratios.price[same]), _LIKE)


def _compare(ratios: PriceRatios, asked: Int64, logs: Float64, level: int) -> None:
    median = float(np.median(logs))
    deviation = max(float(np.median(np.abs(logs - median))), LEAST_MAD)
    ratios.usual[asked], ratios.level[asked], ratios.compared[asked] = np.exp(median), level, len(logs)
    ratios.z[asked] = NORMAL_MAD * (np.log(ratios.price[asked]) - median) / deviation


def _describe(catalog: Catalog, ratios: PriceRatios, position: int, power: int) -> str:
    price, usual = float(ratios.price[position]), float(ratios.usual[position])
    level = int(ratios.level[position])
    where = "like products" if level == _LIKE else " > ".join(catalog.paths[int(ratios.rows[position])][:level])
    times = price / usual
    said = f"{price:,.2f}, {max(times, 1 / times):,.0f} times {'dearer' if times > 1 else 'cheaper'} than the usual"
    said += f" {usual:,.2f} of {ratios.compared[position]:,} in {where}"
    return said + (f"; {UNIT_FAULTS[power]}: {price / 10.0**power:,.2f}?" if power else "")


CHECKS = (check_prices,)
