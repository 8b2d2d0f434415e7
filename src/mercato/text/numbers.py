"""Numbers and prices as people in all countries write them; what can be read in two ways is refused with both."""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from mercato.text.number_signs import choose_factor, find_currencies, fold_sign, read_signs, understand_signs

#: What is longer is no number.
LIMIT_CHARS = 100

# What programs write, and nobody reads otherwise: no group, no three digits behind the mark.
_PLAIN = re.compile(r"-?\d+(?:\.(?:\d{1,2}|\d{4,}))?", re.ASCII)
# Most prices of most files: two decimals, groups of the other mark or none, something beside them.
_COMMON = re.compile(
    r"([^\d()+-]{0,8})(\d+|\d{1,3}(?:,\d{3})+(?=\.)|\d{1,3}(?:\.\d{3})+(?=,))[.,](\d\d)([^\d()*+-]{0,8})", re.ASCII
)
_EXPONENT = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d{1,3}", re.ASCII)
_BODY = re.compile(r"[.,]?\d(?:[\d., ']*\d)?", re.ASCII)
_SPACED = re.compile(r"(\d{1,3}(?:( |')\d{3})(?:\2\d{3})*)(?:[.,](\d+))?", re.ASCII)
_THREES = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*", re.ASCII)
_INDIAN = re.compile(r"\d{1,2}(?:,\d\d)+,\d{3}", re.ASCII)  # lakhs and crores: 12,34,56,789
# "12,-": the mark is decimal, the dash stands for no cents; so it does in the 99:- of Sweden and the 99/- of India.
_NO_CENTS = re.compile(r" ?([.,:/]) ?-{1,2}")
_SIGN_BETWEEN = re.compile(r"(\d+) ?(\D{1,3}?) ?(\d\d)", re.ASCII)

# A word, a sign, or one by another; powers as digits or signs.
_UNIT = re.compile(
    r"""(?:[%\u2030"\u201d\u2033']{1,2}|\u00b0?[^\W\d_]{1,20}\.?[23\u00b2\u00b3]?(?:/[^\W\d_]{1,20}[23\u00b2\u00b3]?)?|\u00b0)"""
)

_CHARACTERS = {ord(char): "'" for char in "\u2018\u2019\u02bc\u2032\u00b4`\u066c\u060c\u2e41"}
_CHARACTERS |= {ord(char): "-" for char in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"}
_CHARACTERS |= {
    ord(char): " "
    for char in "\t\xa0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
}
_CHARACTERS |= {
    ord(char): "" for char in "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"
}
_CHARACTERS |= {0xFF0C: ",", 0xFF0E: ".", 0xFF0B: "+", 0xFF04: "$", 0xFFE5: "\xa5", 0xFFE1: "\xa3"}
_ARABIC_DECIMAL = "\u066b"


@dataclass(frozen=True)
class Price:
    """An amount of money.

    Attributes:
        amount: in whole units of the currency.
        currency: ISO 4217 code; empty where the text does not say it, or says it as ``$`` that many have.
    """

    amount: float
    currency: str = ""


def parse_number(text: str, *, decimal_mark: str | None = None) -> float:
    """Read a number.

    Args:
        text: such as ``1,299.50``, ``1.299,50``, ``1 299,5``, ``1'299``, ``12,34,567``, ``1.5k``, ``2 Mio.``,
            ``(12.50)``, digits of any script.
        decimal_mark: ``.`` or ``,`` where it is known (`find_decimal_mark`).

    Returns:
        The number, finite.

    Raises:
        ValueError: no number, or one that can be read in two ways; the message says what was given, and both.
    """
    if decimal_mark != "," and len(text) < LIMIT_CHARS and _PLAIN.fullmatch(text):
        return float(text)
    plain, decimal_mark = _make_regular(text, decimal_mark)
    if _EXPONENT.fullmatch(plain):
        return _check_finite(float(plain), text)
    negative, plain = _take_sign(plain)
    before, body, after = _split(plain, text)
    if before:
        raise ValueError(f"expected a number such as 1299.50, got {text[:64]!r}")
    factor = 1
    if after == "%":
        raise ValueError(f"{text[:64]!r} can be {body} or a hundredth of it; write the number without %")
    if after == "-" and not negative:
        negative, after = True, ""
    if after:
        factors = read_signs().counts.get(fold_sign(after))
        if not factors:
            raise ValueError(f"expected a number such as 1299.50, got {text[:64]!r}")
        try:
            factor = choose_factor(factors, after)
        except ValueError as exc:
            raise ValueError(f"{exc}, got {text[:64]!r}") from None
    amount = _read_body(body, decimal_mark, groups=False, given=text)
    return _check_finite(_scale(amount, factor, negative), text)


def parse_price(text: str, *, decimal_mark: str | None = None, currency: str = "") -> Price:
    """Read a price.

    Three digits behind the only mark are thousands, because no amount of most currencies has three decimals: ``$1,299``
    is 1299. They are refused where the currency has three (``KWD 1.299``), and where a point stands alone without any
    currency (``1.299``), which programs write for 1.299 and people for 1299.

    Args:
        text: such as ``$1,299.00``, ``1.299,- €``, ``CHF 1'299.-``, ``12,50 zł``, ``Rs.1,23,456``, ``12€50``.
        decimal_mark: ``.`` or ``,`` where it is known (`find_decimal_mark`).
        currency: ISO 4217 code of what has no currency of its own.

    Returns:
        The price; its currency is the one that the text names, else `currency`.

    Raises:
        ValueError: no price, several, or one that can be read in two ways; the message says what was given, and both.
    """
    if decimal_mark != "," and len(text) < LIMIT_CHARS and _PLAIN.fullmatch(text):
        return Price(float(text), currency)
    common = _COMMON.fullmatch(text) if len(text) < LIMIT_CHARS else None
    if common:
        before, whole, decimals, after = common.groups()
        try:
            beside = understand_signs(before.strip(), after.strip(), currency)
        except ValueError:
            pass  # said below, or the signs become known once they are regular
        else:
            digits = f"{whole.replace(',', '').replace('.', '')}.{decimals}"
            return Price(_scale(digits, beside.factor, False), beside.currency)
    plain, decimal_mark = _make_regular(text, decimal_mark)
    if _EXPONENT.fullmatch(plain):
        return Price(_check_finite(float(plain), text), currency)
    negative, plain = _take_sign(plain.rstrip("* "))  # a star leads to a footnote about taxes
    between = _SIGN_BETWEEN.fullmatch(plain)
    if between and find_currencies(between[2]) is not None:
        plain, decimal_mark = f"{between[1]}.{between[3]} {between[2]}", "."
    before, body, after = _split(plain, text)
    cents = _NO_CENTS.match(after)
    if cents:
        after = after[cents.end() :].strip()
        if cents[1] in ".,":
            decimal_mark = cents[1]
    if before.endswith("-") and not negative:
        negative, before = True, before[:-1].rstrip()
    try:
        beside = understand_signs(before, after, currency)
    except ValueError as exc:
        raise ValueError(f"{exc}, got {text[:64]!r}") from None
    groups = beside.decimals < 3 and (bool(before or after) or "," in body)
    amount = _read_body(body, decimal_mark, groups=groups, given=text)
    return Price(_check_finite(_scale(amount, beside.factor, negative), text), beside.currency)


def find_decimal_mark(texts: Iterable[str]) -> str | None:
    """Find the decimal mark that the values of a column show.

    Args:
        texts: values; what holds no number, or a range, says nothing.

    Returns:
        ``.`` or ``,`` where at least one value can be read with that mark only and none speaks against it; None where
        all could be read both ways, or where they contradict each other.
    """
    seen = set()
    for text in texts:
        mark = _shown_mark(text)
        if mark:
            seen.add(mark)
            if len(seen) > 1:
                return None
    return seen.pop() if seen else None


def _shown_mark(text: str) -> str | None:
    if len(text) >= LIMIT_CHARS:
        return None
    plain, mark = _make_regular(text, None)
    if mark:
        return None
    try:
        _, body, after = _split(plain, text)
    except ValueError:
        return None
    cents = _NO_CENTS.match(after)
    if cents and cents[1] in ".,":
        return cents[1]
    comma, point = body.rfind(","), body.rfind(".")
    if comma < 0 and point < 0:
        return None
    last, other = (",", ".") if comma > point else (".", ",")
    if other in body or " " in body or "'" in body:
        return last if body.count(last) == 1 else None
    if body.count(last) > 1:
        return other if _THREES.fullmatch(body) or _INDIAN.fullmatch(body) else None
    whole, _, decimals = body.partition(last)
    return last if len(decimals) != 3 or not _can_group(whole) else None


def _make_regular(text: str, decimal_mark: str | None) -> tuple[str, str | None]:
    """Return the text with ASCII digits, separators and dashes, trimmed, and the decimal mark, if it now shows one."""
    if len(text) >= LIMIT_CHARS:
        raise ValueError(f"expected a number such as 1299.50, got {len(text):,} characters")
    if not text.isascii():
        if _ARABIC_DECIMAL in text:
            text, decimal_mark = text.replace(_ARABIC_DECIMAL, "."), "."
        text = text.translate(_CHARACTERS)
        if not text.isascii():
            text = "".join(str(unicodedata.decimal(c)) if c > "\x7f" and c.isdecimal() else c for c in text)
    return text.strip(), decimal_mark


def _take_sign(plain: str) -> tuple[bool, str]:
    """Take the sign off: in front, behind the currency in front, or the brackets of accountants."""
    if plain[:1] == "(" and plain[-1:] == ")":
        return True, plain[1:-1].strip()
    if plain[:1] in ("-", "+"):
        return plain[0] == "-", plain[1:].strip()
    return False, plain


def _split(plain: str, given: str) -> tuple[str, str, str]:
    """Split into what stands before the digits, the digits with their marks, and what stands behind them."""
    found = _BODY.search(plain)
    if found is None:
        raise ValueError(f"expected a number such as 1299.50, got {given[:64]!r}")
    start, end = found.span()
    # "Rs.35" and "B/.35": the point ends the sign; "$.35" and ".35" start with it.
    if (
        plain[start] in ".,"
        and start
        and (plain[start - 1] == "/" or unicodedata.category(plain[start - 1])[0] in "LM")
    ):
        start += 1
    after = plain[end:].strip()
    if any(char.isdigit() for char in after):
        raise ValueError(f"expected one number, got {given[:64]!r}")
    return plain[:start].strip(), plain[start:end], after


def _can_group(whole: str) -> bool:
    return 1 <= len(whole) <= 3 and whole[0] != "0"


def _read_body(body: str, decimal_mark: str | None, *, groups: bool, given: str) -> str:
    """Read digits with their marks.

    Args:
        body: ASCII digits, points, commas, spaces and apostrophes.
        decimal_mark: where it is known.
        groups: whether three digits behind the only mark are thousands, where nothing else tells.
        given: for messages.

    Returns:
        The number as ``1299.50``.
    """
    if body.isdigit():
        return body
    if " " in body or "'" in body:
        spaced = _SPACED.fullmatch(body)
        if spaced is None:
            raise ValueError(f"expected groups of three digits, got {given[:64]!r}")
        return re.sub("[ ']", "", spaced[1]) + (f".{spaced[3]}" if spaced[3] else "")
    last = "," if body.rfind(",") > body.rfind(".") else "."
    whole, _, decimals = body.rpartition(last)
    other = "." if last == "," else ","
    if other in whole:
        grouped = _THREES.fullmatch(whole) or _INDIAN.fullmatch(whole)
        if grouped is None or last in whole:
            raise ValueError(f"expected one decimal mark and groups of three digits, got {given[:64]!r}")
        return whole.replace(other, "") + "." + decimals
    if last in whole:
        if not (_THREES.fullmatch(body) or _INDIAN.fullmatch(body)):
            raise ValueError(f"expected groups of three digits, got {given[:64]!r}")
        return body.replace(last, "")
    if len(decimals) != 3 or not _can_group(whole) or decimal_mark == last:
        return f"{whole or 0}.{decimals}"
    if decimal_mark is None and not groups:
        raise ValueError(
            f"{given[:64]!r} can be {whole}{decimals} or {whole}.{decimals}; "
            "say which mark is the decimal one, or write it without groups"
        )
    return whole + decimals


def _scale(digits: str, factor: int, negative: bool) -> float:
    if factor != 1:
        from decimal import Decimal

        digits = str(Decimal(digits) * factor)
    amount = float(digits)
    return -amount if negative else amount


def _check_finite(amount: float, given: str) -> float:
    if not math.isfinite(amount):
        raise ValueError(f"expected a finite number, got {given[:64]!r}")
    return amount


def parse_measure(text: str, *, decimal_mark: str | None = None) -> tuple[float, str]:
    """Read a number with a unit of measure.

    Args:
        text: such as ``0,4 kg``, ``12cm``, ``15.6"``, ``30 m²``, ``80 km/h``.
        decimal_mark: ``.`` or ``,`` where it is known (`find_decimal_mark`).

    Returns:
        The number, and the unit as it is written; empty where there is none.

    Raises:
        ValueError: no number with at most one unit, several (``2 x 3 m``), or a number that can be read in two ways.
    """
    plain, decimal_mark = _make_regular(text, decimal_mark)
    negative, plain = _take_sign(plain)
    found = _BODY.match(plain)
    unit = plain[found.end() :].strip() if found else ""
    if found is None or (unit and not _UNIT.fullmatch(unit)):
        raise ValueError(f"expected a number and one unit such as 0.4 kg, got {text[:64]!r}")
    amount = _scale(_read_body(found[0], decimal_mark, groups=False, given=text), 1, negative)
    return _check_finite(amount, text), unit
