"""What the Unicode CLDR data say of currencies and of short forms of numbers, for all languages at once.

They lie in ``number_signs.json`` beside this file, which a test holds to what babel carries of them
(docs/decisions/0022-numbers.md).
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import orjson

#: The table, a JSON object of the fields of `Signs`.
SIGNS_PATH = Path(__file__).with_name("number_signs.json")

_NO_PRICE = "expected a price such as 12.50 or $1,299.00"
# Codes that are no words in any case; others are read in capitals alone (Top 12, all 5).
_SMALL_CODES = frozenset(
    code
    for name in "usd eur gbp jpy cny inr cad aud nzd chf sek nok dkk pln czk huf ron bgn brl mxn rub uah zar".split()
    for code in (name, name.title())
)
# Marks of direction, and the apostrophes that CLDR quotes with.
_LEFT_OUT = str.maketrans("", "", "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e'")


class Signs(NamedTuple):
    """What languages write beside numbers; signs and short forms as `fold_sign` gives them.

    Attributes:
        decimals: ISO 4217 code, those of the past included -> how many decimals an amount has.
        currencies: sign -> the currencies it stands for somewhere, sorted; none where they are many.
        usual: sign -> the currency that it is where nothing else is said; only signs of several.
        counts: short form of a number -> what it multiplies by somewhere, sorted.
    """

    decimals: dict[str, int]
    currencies: dict[str, list[str]]
    usual: dict[str, str]
    counts: dict[str, list[int]]


class Beside(NamedTuple):
    """What stands beside the digits of a price, understood.

    Attributes:
        currency: ISO 4217 code; empty where it is open.
        decimals: how many its amounts have.
        factor: what a short form multiplies by.
    """

    currency: str
    decimals: int
    factor: int


def fold_sign(text: str) -> str:
    """Return a sign as the tables hold it: no spaces, marks of direction or full stop at its end, in lower case."""
    return "".join(text.translate(_LEFT_OUT).split()).rstrip(".").casefold()


@cache
def read_signs() -> Signs:
    """Read the table, once a process."""
    return Signs(**orjson.loads(SIGNS_PATH.read_bytes()))


@lru_cache(maxsize=4_096)
def understand_signs(before: str, after: str, currency: str) -> Beside:
    """Understand what stands beside the digits of a price: signs and codes of currencies, short forms, a sign.

    Raises:
        ValueError: something else stands there; the message lacks what was given.
    """
    signs = read_signs()
    named: list[tuple[str, list[str]]] = []
    factor = 1
    if before:
        if find_currencies(before) is None and before[3:4] == " ":  # USD $12.00
            named.append((before[:3], _find_some(before[:3])))
            before = before[4:].lstrip()
        named.append((before, _find_some(before)))
    if after:
        codes, factors = _read_after(after, alone=not before)
        if codes is not None:
            named.append((after, codes))
        if factors:
            factor = choose_factor(factors, after)
    code = ""
    for sign, codes in named:
        if currency in codes:
            found = currency
        else:
            found = codes[0] if len(codes) == 1 else signs.usual.get(fold_sign(sign), "")
        if found and code and found != code:
            raise ValueError(f"expected a price in one currency, not in {code} and {found}")
        code = code or found
    if not code and all(not codes for _, codes in named):
        code = currency
    return Beside(code, signs.decimals.get(code, 2), factor)


def find_currencies(part: str) -> list[str] | None:
    """Find the currencies of a code or sign: one, several, none named for one that many have; None for another word."""
    signs = read_signs()
    if len(part) == 3 and (part in signs.decimals or part in _SMALL_CODES):
        return [part.upper()]
    return signs.currencies.get(fold_sign(part))


def _find_some(part: str) -> list[str]:
    codes = find_currencies(part)
    if codes is None:
        raise ValueError(_NO_PRICE)
    return codes


def _read_after(part: str, *, alone: bool) -> tuple[list[str] | None, list[int]]:
    """Read what stands behind the digits: a short form, a currency, or one and then the other: ``Mio. EUR``."""
    signs = read_signs()
    codes = find_currencies(part)
    factors = signs.counts.get(fold_sign(part)) if part not in signs.decimals else None
    if factors and codes and alone and part.isupper():
        raise ValueError(f"expected a currency or the number written out, {part!r} can be {codes[0]} or {factors[0]:,}")
    if factors:
        return None, factors
    # A single letter stands before an amount where it is a currency (R 12, Q12); behind one it is a unit or a size.
    if codes is not None and not (len(part) == 1 and part.isascii() and part.isalpha()):
        return codes, []
    for cut in range(1, min(len(part), 20)):
        factors = signs.counts.get(fold_sign(part[:cut]))
        codes = find_currencies(part[cut:].lstrip(". ")) if factors else None
        if factors and codes is not None:
            return codes, factors
    raise ValueError(_NO_PRICE)


def choose_factor(factors: list[int], word: str) -> int:
    """Return what a short form multiplies by; ValueError where languages differ, without what was given."""
    if len(factors) > 1:
        readings = " or ".join(f"{factor:,}" for factor in factors)
        raise ValueError(
            f"expected the number written out, {word!r} behind it can be {readings} in different languages"
        )
    return factors[0]
