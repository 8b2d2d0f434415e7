"""What the Unicode CLDR data say of currencies and short forms of numbers, for all languages at once.

babel carries the data. They are read when something is asked that needs them, once a process: what serves never does.
"""

import re
from functools import cache
from typing import NamedTuple

# What people write and CLDR, which holds one sign a language, does not; each by the language that writes it.
_LOCAL_SIGNS = {
    "грн": "UAH",
    "руб": "RUB",
    "р": "RUB",
    "円": "JPY",
    "元": "CNY",
    "圓": "TWD",
    "원": "KRW",
    "rmb": "CNY",
    "人民币": "CNY",
    "lei": "RON",
    "leu": "RON",
    "euro": "EUR",
    "euros": "EUR",
    "eur": "EUR",
    "zl": "PLN",
    "kc": "CZK",
    "tl": "TRY",
    "fr": "CHF",
    "sfr": "CHF",
    "dhs": "AED",
    "nis": "ILS",
    'ש"ח': "ILS",
    "บาท": "THB",
    "тг": "KZT",
    "тенге": "KZT",
    "din": "RSD",
    "din.": "RSD",
}
# Suffixes that count but that CLDR, which writes whole patterns, has in another spelling.
_LOCAL_COUNTS = {"k": 1_000, "lac": 100_000, "lacs": 100_000, "lakhs": 100_000, "crores": 10_000_000}
_INVISIBLE = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class Signs(NamedTuple):
    """What languages write beside numbers; all keys as `fold_sign` gives them.

    Attributes:
        currencies: sign -> the currencies it stands for somewhere, sorted.
        counts: short form -> what it multiplies by somewhere, sorted.
    """

    currencies: dict[str, tuple[str, ...]]
    counts: dict[str, tuple[int, ...]]


def fold_sign(text: str) -> str:
    """Return a sign as the tables hold it: no spaces, marks of direction and full stop at its end, in lower case."""
    return "".join(_INVISIBLE.sub("", text).split()).rstrip(".").casefold()


@cache
def read_signs() -> Signs:
    """Read the signs of all languages; takes some tenths of a second the first time."""
    from babel import Locale, localedata

    found: dict[str, set[str]] = {}
    counts: dict[str, set[int]] = {}
    for identifier in localedata.locale_identifiers():
        locale = Locale.parse(identifier)
        for code, sign in locale.currency_symbols.items():
            folded = fold_sign(sign)
            if folded and folded != code.casefold():
                found.setdefault(folded, set()).add(code)
        for styles in locale.compact_decimal_formats.values():
            for patterns in styles.values():
                for size, pattern in patterns.items():
                    word = fold_sign((pattern.prefix[0] + pattern.suffix[0]).replace("'", ""))
                    zeros = pattern.pattern.count("0")
                    if word and zeros:
                        counts.setdefault(word, set()).add(int(size) // 10 ** (zeros - 1))
    # A sign of all languages, such as £, is what it is there, whoever else uses it.
    for code, sign in localedata.load("root")["currency_symbols"].items():
        found[fold_sign(sign)] = {code}
    for sign, code in _LOCAL_SIGNS.items():
        found.setdefault(sign, {code})
    for word, factor in _LOCAL_COUNTS.items():
        counts.setdefault(word, set()).add(factor)
    return Signs(
        {sign: tuple(sorted(codes)) for sign, codes in found.items()},
        {word: tuple(sorted(factors)) for word, factors in counts.items()},
    )


@cache
def read_currencies() -> frozenset[str]:
    """Read the ISO 4217 codes, those of the past included."""
    from babel import Locale

    return frozenset(Locale.parse("en").currencies)


def count_decimals(code: str) -> int:
    """Return how many decimals an amount of a currency has; 2 where the code is not known."""
    from babel.numbers import get_currency_precision

    return get_currency_precision(code)
