"""Columns of dimensions with a unit (``0,4 kg``): kept as they are written, and as numbers that filters can compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mercato.text.numbers import find_decimal_mark, parse_measure

# What people measure products in; small letters, as `str.lower` gives them.
_UNITS = frozenset(
    "mg g kg t oz lb lbs µm mm cm dm m km in inch ft yd \" ' ml cl dl l hl gal w kw wh kwh mah ah a ma v kv hz khz mhz"
    " ghz kb mb gb tb bar psi pa kpa n nm db lm lx k °c °f ° % rpm min h s ms dpi m² m2 cm² cm2 m³ m3 cm³ cm3 km/h"
    " mp px".split()
)


@dataclass(frozen=True, slots=True)
class Measure:
    """Reads the values of one column of dimensions.

    Attributes:
        name: of the attribute.
        unit: as the file writes it.
        decimal_mark: of its numbers, None where that is open.
    """

    name: str
    unit: str
    decimal_mark: str | None

    @property
    def number_name(self) -> str:
        """The name of the attribute that holds the numbers."""
        return f"{self.name} ({self.unit})"

    def read(self, value: Any) -> float | None:
        """Read the number of a value; None where it is none of the unit."""
        if not isinstance(value, str):
            return None
        try:
            number, unit = parse_measure(value, decimal_mark=self.decimal_mark)
        except ValueError:
            return None
        return number if unit.lower() == self.unit.lower() else None


def find_measure(name: str, texts: Iterable[str]) -> Measure | None:
    """Find out whether a column holds dimensions of one unit.

    Args:
        name: the column's.
        texts: its distinct values that are not blank.

    Returns:
        What reads them; None where a value is no number with a unit, or their units differ: 500 g and 1 kg compare as
        no number.
    """
    sample = list(texts)
    mark = find_decimal_mark(sample)
    units: dict[str, str] = {}
    for text in sample:
        try:
            _, unit = parse_measure(text, decimal_mark=mark)
        except ValueError:
            return None
        if unit.lower() not in _UNITS:
            return None
        units.setdefault(unit.lower(), unit)
        if len(units) > 1:
            return None
    return Measure(name, next(iter(units.values())), mark) if units else None
