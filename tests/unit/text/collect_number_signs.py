"""Collects signs of currencies and short forms of numbers from CLDR, as babel carries it.

python -m tests.unit.text.collect_number_signs     # writes the file again, for a newer babel
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from babel import Locale, localedata
from babel.core import get_global
from babel.numbers import get_currency_precision

from mercato.text.number_signs import SIGNS_PATH, Signs, fold_sign

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
    "VND": "đ vnđ",
    "MXN": "mex$",
    "USD": "u$s u$",
    "NAD": "n$",
    "ARS": "ar$",
    "ALL": "lek",
    "IRR": "﷼",
    "": "$ kr rs ₨ dollar dollars pound pounds franc francs krona kronor kroner rupees pesos ¥ £e dh dirhams sr rials",
}
# Signs that are a unit of measure to everybody else.
_NO_SIGNS = frozenset({"kg"})
# A short form that fewer languages use than this share of the most frequent reading's is theirs alone.
_LEAST_SHARE = 0.1
_LOCAL_COUNTS = {"lac": 100_000, "lacs": 100_000, "lakhs": 100_000, "crores": 10_000_000}
# Of short forms of one or two letters these alone are read: the others are units of measure to most.
_SHORT_COUNTS = frozenset("k m b bn mn cr jt rb tr tỷ tn md".split())


def collect_signs() -> Signs:
    """Collect the table from babel's data."""
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


def write(signs: Signs) -> bytes:
    """Return the table as the file holds it."""
    return orjson.dumps(signs._asdict(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


if __name__ == "__main__":
    SIGNS_PATH.write_bytes(write(collect_signs()))
