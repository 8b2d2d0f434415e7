"""Comparisons of amounts in a query: "under 30", "between 20 and 40 euros", "at least 16 GB", "30元以下"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mercato.grammar.cues import find_cue, find_word, read_table
from mercato.grammar.tokens import NUMBER, RUN, SIGN, WORD, Token
from mercato.grammar.units import Unit, read_currencies, read_units

_COMPARING = ("below", "at_most", "above", "at_least", "weak_at_most", "weak_at_least", "cheaper", "dearer")
_BEHIND = ("or_less", "or_more", "less", "more")
_UPPER = frozenset(("below", "at_most", "weak_at_most", "cheaper", "or_less", "less"))
_EXCLUSIVE = frozenset(("below", "above", "cheaper", "dearer", "less", "more"))
_ATTACHED = frozenset(("to", "go", "a", "in", "''"))
"""Units that are words as well: they stand close to their number, or at the end."""
_NAMES = frozenset(("max", "maxi", "maximum", "min", "mini", "minimum"))
"""Words that compare, and stand in names as well ("pro max", "20v max")."""
MAX_NAME_CHARS = 4
_THREES = re.compile(r"\d{1,3}(?:[.,'’]\d{3})+")

IsName = Callable[[Sequence[Token], int], bool]
"""Tells whether a word that compares, at a position, belongs to the name before it ("pro max")."""


class Amount(NamedTuple):
    """A number with what stands beside it.

    Attributes:
        value: the number.
        end: position of the token behind it.
        currencies: what its currency may be; empty where it names none.
        unit: None where it names none.
        bare: nothing stands beside it.
    """

    value: float
    end: int
    currencies: frozenset[str]
    unit: Unit | None

    @property
    def bare(self) -> bool:
        """Whether nothing stands beside the number."""
        return not self.currencies and self.unit is None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison in a query.

    Attributes:
        first: position of its first token.
        end: position behind its last.
        lower: the least amount; None for none.
        upper: the greatest.
        lower_inclusive: whether ``lower`` itself passes.
        upper_inclusive: whether ``upper`` itself passes.
        currencies: what the currency may be; empty for the shop's.
        unit: of measure; None for money.
    """

    first: int
    end: int
    lower: float | None = None
    upper: float | None = None
    lower_inclusive: bool = True
    upper_inclusive: bool = True
    currencies: frozenset[str] = frozenset()
    unit: Unit | None = None


def read_number(text: str, *, measure: bool = False) -> float | None:
    """Read a number of a query; both marks are read as people mean them.

    Args:
        text: digits with marks, as the tokens have them.
        measure: three digits behind a single point are decimals (``1.500 kg``), not thousands (``1.299 €``).

    Returns:
        The number; None where it is none that is finite.
    """
    plain = text.replace("'", "").replace("’", "")
    point, comma = plain.rfind("."), plain.rfind(",")
    if point >= 0 and comma >= 0:
        group = "," if point > comma else "."
        plain = plain.replace(group, "").replace(",", ".")
    elif point >= 0 or comma >= 0:
        mark = "." if point >= 0 else ","
        if _THREES.fullmatch(plain) and not (measure and mark == "." and plain.count(mark) == 1):
            plain = plain.replace(mark, "")
        else:
            plain = plain.replace(",", ".")
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_amount(tokens: Sequence[Token], position: int) -> Amount | None:
    """Read an amount at a position: a currency or not, a number, a currency or unit or neither."""
    currencies: frozenset[str] = frozenset()
    known = read_currencies()
    if position < len(tokens) and tokens[position].kind != NUMBER and tokens[position].text in known:
        currencies = known[tokens[position].text]
        position += 1
    if position >= len(tokens) or tokens[position].kind != NUMBER:
        return None
    number = tokens[position]
    position += 1
    factor, unit = 1.0, None
    if _is_attached(tokens, position) and tokens[position].text == "k":
        factor, position = 1000.0, position + 1
    if not currencies and position < len(tokens):
        beside = tokens[position]
        attached = beside.start == tokens[position - 1].end
        if beside.text in known and not (beside.text in ("r", "kr") and not attached):
            currencies = known[beside.text]
            position += 1
            if position < len(tokens) and tokens[position].text == "钱":
                position += 1
        found, length = _read_unit(tokens, position, attached=attached)
        if found is not None and (not currencies or len(currencies) == 0):
            unit, position = found, position + length
        elif beside.text in ("pound", "pounds", "libras"):  # money or mass: the shop tells which
            unit = read_units()["lb"]
    value = read_number(number.text, measure=unit is not None)
    return None if value is None else Amount(value * factor, position, currencies, unit)


def _read_unit(tokens: Sequence[Token], position: int, *, attached: bool) -> tuple[Unit | None, int]:
    units = read_units()
    if position >= len(tokens):
        return None, 0
    token = tokens[position]
    if token.text in ("-", "–") and attached and _is_attached(tokens, position + 1):  # 13-inch
        unit, length = _read_unit(tokens, position + 1, attached=False)
        return unit, length + 1 if unit is not None else 0
    if token.text == "fl" and position + 1 < len(tokens) and tokens[position + 1].text == "oz":
        return units["floz"], 2
    if token.text in _ATTACHED and not attached and position + 1 < len(tokens):
        return None, 0
    unit = units.get(token.text)
    return (unit, 1) if unit is not None else (None, 0)


def _is_attached(tokens: Sequence[Token], position: int) -> bool:
    return 0 < position < len(tokens) and tokens[position].start == tokens[position - 1].end


def may_compare(tokens: Sequence[Token]) -> bool:
    """Tell whether tokens may hold a comparison: where they do not, `read_comparison` finds none at any position."""
    return any(token.kind == NUMBER for token in tokens)


def read_comparison(tokens: Sequence[Token], position: int, is_name: IsName) -> Comparison | None:
    """Read a comparison that begins at a position.

    What is no price for certain is none: a bare number before what one counts ("under 5 people"), or a lower bound
    with more words behind it ("over 100 pieces").

    Args:
        tokens: of the query.
        position: where it has to begin.
        is_name: tells that a word which may compare is part of a name.

    Returns:
        The comparison; None where there is none.
    """
    first = position
    priced = find_word(tokens, position, "priced")
    found = _read_at(tokens, first, position + priced, is_name, priced=True) if priced else None
    if found is not None:
        return found
    return _read_at(tokens, first, position, is_name, priced=False)


def _read_at(tokens: Sequence[Token], first: int, position: int, is_name: IsName, *, priced: bool) -> Comparison | None:
    joined = find_word(tokens, position, "between")
    if joined:
        found = _read_range(tokens, first, position + joined, ("between_and", "range_to"), priced)
        if found is not None:
            return found
    joined = find_word(tokens, position, "range_from")
    if joined:
        found = _read_range(tokens, first, position + joined, ("range_to",), priced, at_end=True)
        if found is not None:
            return found
    if position < len(tokens) and (tokens[position].kind == NUMBER or tokens[position].text in read_currencies()):
        return _read_behind(tokens, first, position, is_name, priced=priced)
    cue = find_cue(tokens, position, read_table(*_COMPARING))
    if cue is None:
        return None
    amount = read_amount(tokens, position + cue.length)
    if amount is None:
        return None
    money = priced or cue.name in ("cheaper", "dearer")
    weak = cue.name.startswith("weak") or tokens[position].text in _NAMES
    if weak and not money and not amount.currencies and (amount.bare or _is_name(tokens, position, is_name)):
        return None
    mid = cue.name == "below" or tokens[position].kind == SIGN
    if not _is_certain(tokens, amount, money, mid):
        return None
    end = amount.end + _skip_filler(tokens, amount.end)
    inclusive = cue.name not in _EXCLUSIVE
    return _bound(first, end, amount, upper=cue.name in _UPPER, inclusive=inclusive)


def _read_behind(
    tokens: Sequence[Token], first: int, position: int, is_name: IsName, *, priced: bool
) -> Comparison | None:
    """Read an amount with its comparison behind it, or two amounts of which one names a currency."""
    amount = read_amount(tokens, position)
    if amount is None:
        return None
    found = _read_range(tokens, first, position, ("range_to",), priced, unmarked=True)
    if found is not None:
        return found
    cue = find_cue(tokens, amount.end, read_table(*_BEHIND))
    if cue is None:
        return None
    word = tokens[amount.end].text
    if word in _NAMES and not amount.currencies and (amount.bare or _is_name(tokens, amount.end, is_name)):
        return None
    if word == "+" and (amount.bare or not _is_attached(tokens, amount.end) or _is_attached(tokens, amount.end + 1)):
        return None
    if amount.bare and not priced and not _ends(tokens, amount.end + cue.length):
        return None
    return _bound(
        first, amount.end + cue.length, amount, upper=cue.name in _UPPER, inclusive=cue.name not in _EXCLUSIVE
    )


def _is_name(tokens: Sequence[Token], position: int, is_name: IsName) -> bool:
    """Tell whether a short word that compares is part of a name; written out ("minimum") it compares."""
    return len(tokens[position].text) <= MAX_NAME_CHARS and is_name(tokens, position)


def _read_range(
    tokens: Sequence[Token],
    first: int,
    position: int,
    joiners: tuple[str, ...],
    priced: bool,
    *,
    at_end: bool = False,
    unmarked: bool = False,
) -> Comparison | None:
    """Read two amounts and what joins them.

    Args:
        tokens: of the query.
        first: position where the comparison begins.
        position: of the first amount.
        joiners: what may stand between.
        priced: a word before says that it is a price.
        at_end: two bare numbers are prices at the end of the query alone.
        unmarked: no word says that it is a range: an amount of money is needed.
    """
    one = read_amount(tokens, position)
    if one is None:
        return None
    length = find_word(tokens, one.end, *joiners)
    other = read_amount(tokens, one.end + length) if length else None
    if other is None:
        return None
    unit = other.unit or one.unit
    currencies = other.currencies or one.currencies
    if unmarked and not currencies and not priced:  # "110 to 220 v" is an adapter
        return None
    money = priced or bool(currencies)
    if unit is None and not money and not _is_certain(tokens, other, False, not at_end):
        return None
    scale = one.unit.factor / unit.factor if one.unit and unit and one.unit.quantity == unit.quantity else 1.0
    low, high = sorted((one.value * scale, other.value))
    end = other.end + _skip_filler(tokens, other.end)
    return Comparison(first=first, end=end, lower=low, upper=high, currencies=currencies, unit=unit)


def _bound(first: int, end: int, amount: Amount, *, upper: bool, inclusive: bool) -> Comparison:
    if upper:
        return Comparison(first=first, end=end, upper=amount.value, upper_inclusive=inclusive,
                          currencies=amount.currencies, unit=amount.unit)  # fmt: skip
    return Comparison(first=first, end=end, lower=amount.value, lower_inclusive=inclusive,
                      currencies=amount.currencies, unit=amount.unit)  # fmt: skip


def _is_certain(tokens: Sequence[Token], amount: Amount, money: bool, mid: bool) -> bool:
    """Tell whether a number is surely an amount.

    Args:
        tokens: of the query.
        amount: what was read.
        money: words say that it is a price.
        mid: a bare number may have any words behind it.
    """
    if not amount.bare or money:
        return True
    if _is_attached(tokens, amount.end) and tokens[amount.end].kind in (WORD, RUN):
        return tokens[amount.end].text == "的"
    if find_word(tokens, amount.end, "nouns") or (amount.end < len(tokens) and tokens[amount.end].text == "%"):
        return False
    return mid or _ends(tokens, amount.end)


def _ends(tokens: Sequence[Token], position: int) -> bool:
    """Tell whether nothing that could be counted stands at a position."""
    if position >= len(tokens):
        return True
    following = ("without", "not_a", "and_also", *_COMPARING, "between", "priced")
    return (
        tokens[position].kind == SIGN or tokens[position].text == "的" or bool(find_word(tokens, position, *following))
    )


def _skip_filler(tokens: Sequence[Token], position: int) -> int:
    """Count the tokens that close a comparison and say nothing more."""
    return 1 if position < len(tokens) and tokens[position].text in ("之间", "间") else 0
