"""The units of number fields whose names do not say them, learned from the products' own texts.

A field ``internal_memory`` of 8 at a product whose title says "8 GB RAM" holds gigabytes, if that is so of many
products and numbers; by chance it is so of few.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from mercato.catalog.column_builder import is_number
from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.grammar.amounts import read_number
from mercato.grammar.tokens import fold
from mercato.grammar.units import QUANTITIES, read_units

MIN_PRODUCTS = 5
"""Products whose texts have to say a unit."""
MIN_NUMBERS = 3
"""Different numbers with which they have to say it."""
MIN_SHARE = 0.25
"""Of the products with a number, the share whose texts have to say it."""
MIN_LEAD = 2.0
"""How many times as often as the next unit it has to be said."""
MAX_TEXT_CHARS = 2_000
_NO_UNITS = frozenset(("a", "to", "go", "x", "''"))


def learn_units(products: Iterable[Product]) -> dict[str, str]:
    """Learn the units of number attributes.

    Args:
        products: the catalogue.

    Returns:
        Key of an attribute -> spelling of its unit, as `mercato.grammar.units.read_units` has it.
    """
    holders: Counter[str] = Counter()
    votes: dict[str, Counter[str]] = {}
    numbers: dict[tuple[str, str], set[float]] = {}
    for product in products:
        held = [
            (key, float(value))
            for key, value in product.attributes.items()
            if not isinstance(value, str | bool | tuple) and is_number(value)
        ]
        if not held:
            continue
        said = find_measures(f"{product.title} {product.description[:MAX_TEXT_CHARS]}")
        for key, number in held:
            holders[key] += 1
            for unit in said.get(number, ()):
                votes.setdefault(key, Counter())[unit] += 1
                numbers.setdefault((key, unit), set()).add(number)
    learned = {}
    for key, counted in votes.items():
        (unit, count), *others = counted.most_common(2)
        lead = others[0][1] if others else 0
        if (
            count >= max(MIN_PRODUCTS, MIN_SHARE * holders[key])
            and len(numbers[key, unit]) >= MIN_NUMBERS
            and count >= MIN_LEAD * lead
        ):
            learned[key] = unit
    return learned


def find_measures(text: str) -> Mapping[float, set[str]]:
    """Find the numbers with units in a text: number -> the units that stand behind it."""
    found: dict[float, set[str]] = {}
    for number, written in _pattern().findall(text):
        value = read_number(number, measure=True)
        if value is not None:
            found.setdefault(value, set()).add(_plain_units()[fold(written)])
    return found


@cache
def _plain_units() -> Mapping[str, str]:
    """Return one spelling for all of a unit's, folded."""
    plain = {
        fold(spelling): fold(spellings.split()[0])
        for units in QUANTITIES.values()
        for spellings in units.values()
        for spelling in spellings.split()
    }
    return {spelling: unit for spelling, unit in plain.items() if spelling not in _NO_UNITS}


@cache
def _pattern() -> re.Pattern[str]:
    spellings = "|".join(sorted(map(re.escape, _plain_units()), key=len, reverse=True))
    return re.compile(rf"(?<![\w.,])(\d+(?:[.,]\d+)*)[ -]?({spellings})(?!\w)", re.IGNORECASE)


def write_units(path: Path, units: Mapping[str, str]) -> None:
    """Write what was learned: JSON, key -> unit."""
    path.write_text(json.dumps(dict(units), ensure_ascii=False), encoding="utf-8")


def read_learned_units(path: Path) -> dict[str, str]:
    """Read what `write_units` wrote; nothing of a snapshot that was built before units were learned.

    Raises:
        SnapshotError: the file is altered.
    """
    if not path.exists():
        return {}
    try:
        units: dict[str, str] = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
    return {key: unit for key, unit in units.items() if unit in read_units()}
