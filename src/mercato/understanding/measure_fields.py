"""The fields that hold measures: numbers by the unit in their name, texts by the units in their values."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.catalog.columns import ColumnSet, NumberColumn, TextColumn
from mercato.catalog.field_names import ATTRIBUTES, write_field, write_text
from mercato.grammar.amounts import read_number
from mercato.grammar.tokens import fold
from mercato.grammar.units import Unit, read_units
from mercato.understanding.field_kinds import PACK_WORDS, list_name_words

MAX_VALUES = 20_000
"""A field of more texts holds no measures."""
MEASURES_SHARE = 0.5
"""Of a field's texts, the share that has to be measures."""
NAMED_SHARE = 0.3
"""A field that the query names may have so many of the products that the commonest has."""
LEAD = 1.5
"""A field is surely meant where so many times as many products have it as the next."""
COVERED_SHARE = 0.2
"""A field that fewer of the products have is not surely meant."""
_SAMPLE = 16
_MIN_SHARE = 0.2
"""Of a sample of a field's texts, the share that has to be measures for the others to be looked at."""
_TOLERANCE = 1e-9
_ALONE = "kg|mm|cm|ml|gb|tb|mb|mah|ghz|mhz|khz|kw|kwh|wh|lbs?|oz|inch|inches|mp|rpm|dpi|watts?|litres?|liters?|grams?"
"""Units that stand in names without brackets, and are no other words."""
_IN_NAME = re.compile(
    r"^(.+?)[\s_-]*[(\[]\s*([^()\[\]]{1,12}?)\s*[)\]]\s*$|^(.+?)[\s_-]+(_UNITS)$".replace("_UNITS", _ALONE),
    re.IGNORECASE,
)
_MEASURE = re.compile(r"\s*(?:\([^)]*\)\s*)?(\d[\d.,]*)[\s-]*([^\d\s].{0,14}?)\.?\s*")


@dataclass(frozen=True, kw_only=True)
class MeasureField:
    """A field that holds measures of one quantity.

    Attributes:
        name: full name.
        quantity: as `mercato.grammar.units` calls it.
        factor: how many of the quantity's own unit the field's is; of texts 1.
        words: of its name, folded, without the unit.
        products: how many have it.
        column: its numbers; None for texts.
        factors: of the units that it is written in.
        extremes: the least and the greatest of its measures, in the quantity's own unit.
        values: of texts: in the quantity's own unit, ascending.
        texts: of texts: the text of each of these.
    """

    name: str
    quantity: str
    factor: float = 1.0
    words: frozenset[str] = frozenset()
    products: int = 0
    column: NumberColumn | None = None
    factors: frozenset[float] = frozenset()
    extremes: tuple[float, float] = (-math.inf, math.inf)
    values: tuple[float, ...] = ()
    texts: tuple[str, ...] = field(default=(), repr=False)

    def write_range(
        self, lower: float | None, upper: float | None, *, lower_inclusive: bool = True, upper_inclusive: bool = True
    ) -> str:
        """Write the filter for products whose measure lies between bounds of the quantity's own unit.

        Returns:
            The filter; empty where no text of the field lies there.
        """
        if self.column is None:
            slack = _TOLERANCE
            first = 0
            if lower is not None:
                first = (bisect_left if lower_inclusive else bisect_right)(
                    self.values, lower - slack * lower if lower_inclusive else lower + slack * lower
                )
            last = len(self.values)
            if upper is not None:
                last = (bisect_right if upper_inclusive else bisect_left)(
                    self.values, upper + slack * upper if upper_inclusive else upper - slack * upper
                )
            texts = dict.fromkeys(self.texts[first:last])
            return f"{write_field(self.name)}: ANY({', '.join(map(write_text, texts))})" if texts else ""
        return write_bounds(
            write_field(self.name),
            None if lower is None else lower / self.factor,
            None if upper is None else upper / self.factor,
            lower_inclusive=lower_inclusive,
            upper_inclusive=upper_inclusive,
        )

    def has(self, value: float) -> bool:
        """Tell whether some product has just this measure, in the quantity's own unit."""
        if self.column is None:
            return bool(self.write_range(value, value))
        wanted = value / self.factor
        return bool(np.any(np.abs(self.column.values - wanted) <= _TOLERANCE * max(abs(wanted), 1.0)))


def write_bounds(
    field: str, lower: float | None, upper: float | None, *, lower_inclusive: bool = True, upper_inclusive: bool = True
) -> str:
    """Write the filter for numbers between bounds.

    Args:
        field: as filters write it.
        lower: None for none.
        upper: None for none.
        lower_inclusive: whether the lower bound passes.
        upper_inclusive: whether the upper bound passes.
    """
    if lower is not None and upper is not None:
        low, high = ("" if lower_inclusive else "e"), ("i" if upper_inclusive else "")
        return f"{field}: IN({write_number(lower)}{low}, {write_number(upper)}{high})"
    if upper is not None:
        return f"{field} {'<=' if upper_inclusive else '<'} {write_number(upper)}"
    return f"{field} {'>=' if lower_inclusive else '>'} {write_number(lower or 0.0)}"


def write_number(value: float) -> str:
    """Write a number as filters and people read it."""
    return f"{value:.12g}"


class MeasureFields:
    """The measures of a catalogue, by quantity."""

    def __init__(self, columns: ColumnSet, learned: Mapping[str, str]) -> None:
        """Look at the columns of a snapshot.

        Args:
            columns: its columns.
            learned: units of number attributes whose names do not say them.
        """
        self._columns = columns
        self._masks: dict[str, Bool] = {}
        self._by_quantity: dict[str, list[MeasureField]] = {}
        numbers: set[str] = set()
        for name in columns.fields:
            if not name.startswith(ATTRIBUTES):
                continue
            number, text = columns.number(name), columns.text(name)
            if number is not None and text is None:
                found = _read_name(name, number, learned)
                if found is not None:
                    numbers.add(_IN_NAME.sub(r"\1\3", name))
                    self._by_quantity.setdefault(found.quantity, []).append(found)
        for name in columns.fields:
            text = columns.text(name) if name.startswith(ATTRIBUTES) and name not in numbers else None
            if text is not None and 0 < len(text) <= MAX_VALUES:
                for found in _read_texts(name, text):
                    self._by_quantity.setdefault(found.quantity, []).append(found)

    def quantities(self) -> Collection[str]:
        """List the quantities that some field holds."""
        return self._by_quantity.keys()

    def choose(
        self,
        unit: Unit,
        words: Collection[str],
        rows: Int32 | None = None,
        lower: float | None = None,
        upper: float | None = None,
    ) -> tuple[MeasureField | None, bool]:
        """Choose the field that a measure in a query is about.

        It is the field that most of the products have which the query's other words find, or the one that the query
        names where not many fewer have it. Fields that are written in another unit, and those of which no product could
        pass, are the last to be meant.

        Args:
            unit: of the measure.
            words: of the query, folded.
            rows: int32 [n], the products that the query's other words find; None for all.
            lower: the least measure that passes, in the quantity's own unit; None for none.
            upper: the greatest.

        Returns:
            The field; None where no field holds the quantity. And whether it is surely the one.
        """
        fields = self._by_quantity.get(unit.quantity, [])
        if not fields:
            return None, False
        fields = [one for one in fields if _may_pass(one, lower, upper)] or fields
        fields = [one for one in fields if unit.factor in one.factors] or fields
        counts = [one.products if rows is None else int(np.count_nonzero(self._mask(one)[rows])) for one in fields]
        if not any(counts):
            counts, rows = [one.products for one in fields], None
        found = sorted(zip(counts, fields, strict=True), key=lambda item: (-item[0], len(item[1].words), item[1].name))
        most, best = found[0]
        named = [(count, one) for count, one in found if count >= NAMED_SHARE * most and one.words.intersection(words)]
        if named:
            return max(named, key=lambda item: (len(item[1].words.intersection(words)), item[0]))[1], True
        rivals = [(count, one) for count, one in found[1:] if count * LEAD > most]
        if all(best.words and best.words < one.words for _, one in rivals):
            return best, rows is None or most >= COVERED_SHARE * len(rows)
        plain = [one for _, one in rivals if all(one.words and one.words <= other.words for _, other in found)]
        return (plain[0], True) if plain else (best, False)

    def _mask(self, one: MeasureField) -> Bool:
        """Return which products have a field, bool [products]; made once a field."""
        mask = self._masks.get(one.name)
        if mask is None:
            mask = np.zeros(self._columns.count, np.bool_)
            text = self._columns.text(one.name)
            if one.column is not None and one.column.rows is None:
                mask |= ~np.isnan(one.column.values)
            elif one.column is not None and one.column.rows is not None:
                mask[one.column.rows] = True
            elif text is not None:
                for value in dict.fromkeys(one.texts):
                    mask[text.rows_of(value)] = True
            self._masks[one.name] = mask
        return mask


def _may_pass(one: MeasureField, lower: float | None, upper: float | None) -> bool:
    least, greatest = one.extremes
    return (lower is None or greatest >= lower) and (upper is None or least <= upper)


def _read_name(name: str, column: NumberColumn, learned: Mapping[str, str]) -> MeasureField | None:
    """Read the unit in the name of a field of numbers; where it says none, take the one that was learned."""
    key = name.removeprefix(ATTRIBUTES)
    products = int(np.count_nonzero(~np.isnan(column.values)))
    found = _IN_NAME.match(key)
    unit = read_units().get(fold(found[2] or found[4])) if found else None
    if found is not None and unit is not None:
        return MeasureField(
            name=name, quantity=unit.quantity, factor=unit.factor, words=list_name_words(found[1] or found[3]),
            products=products, column=column, factors=frozenset((unit.factor,)), extremes=_extremes(column, unit),
        )  # fmt: skip
    words = list_name_words(key)
    if key in learned:
        unit = read_units()[learned[key]]
        return MeasureField(
            name=name, quantity=unit.quantity, factor=unit.factor, words=words, products=products, column=column,
            factors=frozenset((unit.factor,)), extremes=_extremes(column, unit),
        )  # fmt: skip
    if words & PACK_WORDS and "pack" in words:
        unit = read_units()["ct"]
        return MeasureField(
            name=name, quantity="count", words=words, products=products, column=column,
            factors=frozenset((1.0,)), extremes=_extremes(column, unit),
        )  # fmt: skip
    return None


def _extremes(column: NumberColumn, unit: Unit) -> tuple[float, float]:
    values = column.values[~np.isnan(column.values)]
    return (float(values.min()) * unit.factor, float(values.max()) * unit.factor) if len(values) else (0.0, 0.0)


def _read_texts(name: str, column: TextColumn) -> list[MeasureField]:
    step = max(len(column) // _SAMPLE, 1)
    sample = [parse_text_measure(column.value(code)) for code in range(0, len(column), step)]
    if sum(one is not None for one in sample) < _MIN_SHARE * len(sample):
        return []
    by_quantity: dict[str, list[tuple[float, str]]] = {}
    factors: dict[str, set[float]] = {}
    for value in column.values():
        measure = parse_text_measure(value)
        if measure is not None:
            by_quantity.setdefault(measure[1].quantity, []).append((measure[0] * measure[1].factor, value))
            factors.setdefault(measure[1].quantity, set()).add(measure[1].factor)
    if sum(map(len, by_quantity.values())) < MEASURES_SHARE * len(column):
        return []
    words = list_name_words(name.removeprefix(ATTRIBUTES))
    fields = []
    for quantity, measures in by_quantity.items():
        if len(measures) < _MIN_SHARE * len(column) / 4:
            continue
        measures.sort()
        products = sum(len(column.rows_of(text)) for _, text in measures)
        fields.append(
            MeasureField(
                name=name, quantity=quantity, words=words, products=products, factors=frozenset(factors[quantity]),
                extremes=(measures[0][0], measures[-1][0]),
                values=tuple(value for value, _ in measures), texts=tuple(text for _, text in measures),
            )
        )  # fmt: skip
    return fields


def parse_text_measure(text: str) -> tuple[float, Unit] | None:
    """Read a text that is a number with a unit; None where it is something else."""
    found = _MEASURE.fullmatch(text)
    if found is None:
        return None
    unit = _find_unit(found[2])
    number = read_number(found[1].rstrip(".,"), measure=True) if unit is not None else None
    return None if unit is None or number is None else (number, unit)


def _find_unit(written: str) -> Unit | None:
    units: Mapping[str, Unit] = read_units()
    folded = fold(written)
    return units.get(folded) or units.get(folded.replace(" ", "").replace(".", ""))
