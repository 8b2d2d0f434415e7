"""What the Unicode CLDR data say of currencies and of short forms of numbers, for all languages at once.

babel carries the data; reading them of 1,147 locales takes half a second and 190 MB, so the few that are asked here are
written to ``cldr.json`` beside this file by ``python -m mercato.text.cldr``. A test holds the file to babel's.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

_PATH = Path(__file__).with_name("cldr.json")

# What people write and CLDR, which has one sign a language, does not. A sign of many currencies has none here.
_LOCAL_SIGNS = {
    "UAH": "грн гривень гривня",
    "RUB": "руб рублей рубля рубль р",
    "JPY": "円 yen",
    "CNY": "元 人民币 rmb yuan",
    "TWD": "圓",
    "KRW": "원",
    "RON": "lei leu",
    "EUR": "euro euros евро ευρώ",
    "PLN": "zl zloty złotych złote",
    "CZK": "kc korun",
    "HUF": "forint",
    "BGN": "лв лева",
    "TRY": "tl lira",
    "CHF": "sfr fr franken",
    "AED": "dhs",
    "ILS": 'nis ש"ח ש״ח',
    "THB": "บาท baht",
    "KZT": "тг тенге",
    "RSD": "din дин",
    "IDR": "rp",
    "IRR": "﷼",
    "": "$ kr rs dollar dollars pound pounds franc francs krona kronor kroner rupees pesos ¥ £e",
}
# Signs that are a unit of measure to everybody else.
_NO_SIGNS = frozenset({"kg"})
# A short form that fewer languages use than this share of the most frequent reading's is theirs alone.
_LEAST_SHARE = 0.1
_LOCAL_COUNTS = {"lac": 100_000, "lacs": 100_000, "lakhs": 100_000, "crores": 10_000_000}
# Of short forms of one or two letters these alone are read: the others are units of measure to most.
_SHORT_COUNTS = frozenset("k m b bn mn cr jt rb tr tỷ tn md".split())
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


def fold_sign(text: str) -> str:
    """Return a sign as the tables hold it: no spaces, marks of direction or full stop at its end, in lower case."""
    return "".join(text.translate(_LEFT_OUT).split()).rstrip(".").casefold()


@cache
def read_signs() -> Signs:
    """Read the table, once a process."""
    return Signs(**orjson.loads(_PATH.read_bytes()))


def collect_signs() -> Signs:
    """Collect the table from babel's data."""
    from babel import Locale, localedata
    from babel.core import get_global
    from babel.numbers import get_currency_precision

    languages: dict[str, dict[str, set[str]]] = {}
    counting: dict[str, dict[int, set[str]]] = {}
    for identifier in sorted(localedata.locale_identifiers()):
        language = identifier.partition("_")[0]
        own = localedata.load(identifier, merge_inherited=False)
        for code, sign in own.get("currency_symbols", {}).items():
            languages.setdefault(fold_sign(sign), {}).setdefault(code, set()).add(language)
        for word, factor in _list_counts(own.get("compact_decimal_formats", {})):
            counting.setdefault(word, {}).setdefault(factor, set()).add(language)

    now = {
        entry[0]
        for entries in get_global("territory_currencies").values()
        for entry in entries
        if entry[2] is None and entry[3]
    }
    codes = sorted(Locale.parse("en").currencies)
    currencies: dict[str, list[str]] = {}
    for sign, by_code in languages.items():
        if sign and sign.upper() not in codes and sign not in _NO_SIGNS:
            currencies[sign] = sorted(set(by_code) & now) or sorted(by_code)
    # What a sign is without any language: £ is GBP, whoever else has one. FCFA stays both, R$ loses who borrowed it.
    root: dict[str, set[str]] = {}
    for code, sign in localedata.load("root")["currency_symbols"].items():
        root.setdefault(fold_sign(sign), set()).add(code)
    usual = {}
    for sign, own_codes in root.items():
        currencies[sign] = sorted({*currencies.get(sign, ()), *own_codes})
        if len(own_codes) == 1 and len(currencies[sign]) > 1:
            (usual[sign],) = own_codes
    for code, signs in _LOCAL_SIGNS.items():
        for sign in signs.split():
            currencies[sign] = [code] if code else []
    counts: dict[str, list[int]] = {word: [factor] for word, factor in _LOCAL_COUNTS.items()}
    for word, by_factor in counting.items():
        if len(word) > 2 or word in _SHORT_COUNTS or word.lower() == word.upper():
            most = max(map(len, by_factor.values()))
            counts[word] = sorted(f for f, seen in by_factor.items() if len(seen) >= _LEAST_SHARE * most)
    return Signs(
        {code: get_currency_precision(code) for code in codes},
        {sign: found for sign, found in sorted(currencies.items()) if len(found) < 8 or not found},
        usual,
        dict(sorted(counts.items())),
    )


def _list_counts(formats: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """List short forms and what they multiply by: ``00 Mio.`` for ten million means a million."""
    for styles in formats.values():
        for patterns in styles.values() if isinstance(styles, Mapping) else ():
            for size, pattern in patterns.items():
                word = fold_sign(pattern.prefix[0] + pattern.suffix[0])
                zeros = pattern.pattern.partition(";")[0].count("0")
                if word and zeros:
                    yield word, int(size) // 10 ** (zeros - 1)


if __name__ == "__main__":
    _PATH.write_bytes(
        orjson.dumps(collect_signs()._asdict(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    )
