"""Numbers, units and measures as texts of shops hold them: what is one word, and which terms it gives."""

import re
from collections.abc import Iterable
from typing import NamedTuple

# Units of measure as shops write them -> one spelling for the joined word, so that "16 ounces" finds "16oz".
UNITS: dict[str, str] = {
    spelling: unit
    for unit, spellings in {
        "oz": "oz ounce ounces", "floz": "floz", "lb": "lb lbs pound pounds",
        "g": "g gr gram grams gramme grammes gramm gramo gramos grammi г гр грамм 克 グラム",
        "kg": "kg kgs kilo kilos kilogram kilograms кг 千克 公斤 キロ", "mg": "mg мг 毫克",
        "ml": "ml мл 毫升 ミリリットル", "cl": "cl",
        "l": "l lt ltr liter liters litre litres litro litros litri л литр литра литров 升 リットル",
        "gal": "gal gallon gallons", "qt": "qt quart quarts",
        "pt": "pt pint pints", "ct": "ct count", "pk": "pk pack packs", "pc": "pc pcs piece pieces",
        "mm": "mm мм 毫米 ミリ", "cm": "cm см 厘米 公分 センチ", "m": "m meter meters metre metres м", "km": "km км",
        "ft": "ft feet foot", "yd": "yd yards", "inch": "inch inches in \" '' zoll 英寸 インチ", "kb": "kb", "mb": "mb",
        "gb": "gb гб", "tb": "tb тб", "gbps": "gbps", "mbps": "mbps", "hz": "hz гц", "khz": "khz кгц", "mhz": "mhz мгц",
        "ghz": "ghz ггц", "w": "w watt watts вт 瓦 ワット", "kw": "kw квт", "kwh": "kwh", "wh": "wh",
        "v": "v volt volts 伏", "a": "a amp amps", "mah": "mah мач 毫安", "mp": "mp megapixel megapixels", "rpm": "rpm",
        "dpi": "dpi", "btu": "btu", "ppm": "ppm", "db": "db дб", "x": "x",
    }.items()
    for spelling in spellings.split()
}  # fmt: skip
# What the sides of a thing are measured in; other units behind "6 x" say what each of six holds.
_LENGTHS = frozenset({"mm", "cm", "m", "km", "ft", "yd", "inch"})

_NUMBER = r"(?:\d+(?:[.,]\d+)*|(?<![\w.])\.\d+)"
_TIMES = "[ ]?[x*\u00d7\u0445][ ]?"  # a cross of any kind; Russian types its own letter


def _compile_unit(units: Iterable[str]) -> str:
    return "|".join(re.escape(unit) for unit in sorted(units, key=len, reverse=True))


_UNIT = _compile_unit(UNITS)
_ASCII_UNIT = _compile_unit(filter(str.isascii, UNITS))


def compile_chunk(letter: str, letters: str, wordless_script: str, *, ascii_only: bool = False) -> re.Pattern[str]:
    """Compile the pattern of one chunk: what the cache of terms is asked for.

    Args:
        letter: one of the characters that words are made of, digits included.
        letters: one of these or more, as many as there are.
        wordless_script: alternatives for runs of scripts without spaces, each with a bar behind it.
        ascii_only: only ASCII texts are searched with it.
    """
    unit = f"(?:[ -]?(?:{_ASCII_UNIT if ascii_only else _UNIT}))"
    return re.compile(
        wordless_script
        # Sides or a pack ("10x15 cm", "6 x 330 ml"), a number with its unit, one that ends where a word would go on.
        + f"(?=[\\d.])(?:(?<![^\\W_]){_NUMBER}(?:(?:{_TIMES}{_NUMBER})+{unit}?|{unit})?(?!{letter})"
        f"|{_NUMBER}(?!{letter}))"
        # A name with its version ("usb3.1"), a word with its hyphens and apostrophes.
        f"|{letters}(?:(?<={letter}{letter}\\d)\\.\\d+(?!{letter})|(?:['-]{letters})*)"
    )


_SIDES = re.compile(f"({_NUMBER}(?:{_TIMES}{_NUMBER})+)[ -]?({_UNIT})?")
_BY = re.compile(_TIMES)
_IS_NUMBER = re.compile(_NUMBER)
_NUMBER_WITH_UNIT = re.compile(f"({_NUMBER})[ -]?({_UNIT})")

_GROUPS_OF_COMMAS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_GROUPS_OF_POINTS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_WITH_COMMA = re.compile(r"(?<![\d.,])\d+,\d{1,2}(?![\d.,]|\w)|(?<![\d.,])0,\d+(?![\d.,])")
_WITH_POINT = re.compile(r"(?<![\d.,])\d+\.\d{1,2}(?![\d.,]|\w)|(?<![\d.,])0\.\d+(?![\d.,])")


class Measure(NamedTuple):
    """A number as it is written, with the unit behind it.

    Attributes:
        numbers: with a decimal point and without groups; several where commas part a list.
        unit: as it is spelt; empty for a bare number.
    """

    numbers: tuple[str, ...]
    unit: str = ""

    @property
    def joined(self) -> str:
        """Number and unit in one word, empty where there is no unit: ``1.50 liters`` is ``1.5l``."""
        if not self.unit:
            return ""
        number = self.numbers[-1]
        if "." in number:
            number = number.rstrip("0").rstrip(".")
        return number + UNITS[self.unit]


class Sides(NamedTuple):
    """Lengths of the sides of a thing.

    Attributes:
        numbers: of each side.
        unit: as it is spelt; empty where none stands there.
    """

    numbers: tuple[str, ...]
    unit: str


def read_measures(word: str, *, decimal_comma: bool) -> Sides | list[Measure]:
    """Read a chunk that begins with a digit or a point.

    Args:
        word: the chunk, folded.
        decimal_comma: what ``1,500`` and ``1.500`` mean: one and a half, and fifteen hundred; else the other way round.

    Returns:
        Sides ("10x15 cm"); measures ("500 ml", "6 x 330 ml" gives two); empty for what is neither ("1080p").
    """
    sides = _SIDES.fullmatch(word)
    if sides:
        spelt, unit = _BY.split(sides[1]), sides[2] or ""
        numbers = [split_number(number, decimal_comma=decimal_comma) for number in spelt]
        if not unit or UNITS[unit] in _LENGTHS:
            return Sides(tuple(number for each in numbers for number in each), unit)
        return [*(Measure(each, "x") for each in numbers[:-1]), Measure(numbers[-1], unit)]
    measured = _NUMBER_WITH_UNIT.fullmatch(word)
    if measured:
        return [Measure(split_number(measured[1], decimal_comma=decimal_comma), measured[2])]
    if _IS_NUMBER.fullmatch(word):
        return [Measure((number,)) for number in split_number(word, decimal_comma=decimal_comma)]
    return []


def split_number(number: str, *, decimal_comma: bool) -> tuple[str, ...]:
    """Write a number with a decimal point and without groups: ``1,5`` and ``1.5`` are one.

    Args:
        number: digits with points and commas between them.
        decimal_comma: how what can be read in two ways is read; ``1,5``, ``1.299,50`` and ``1,299.50`` say themselves.

    Returns:
        The number; several where the commas can only part a list ("10,100,1000").
    """
    if number.startswith("."):
        return ("0" + number,)
    if decimal_comma and _GROUPS_OF_POINTS.fullmatch(number):
        return (number.replace(".", "").replace(",", "."),)
    if "," not in number:
        return (number,)
    if _GROUPS_OF_COMMAS.fullmatch(number) and not (decimal_comma and number.count(",") == 1 and "." not in number):
        return (number.replace(",", ""),)
    if _DECIMAL_COMMA.fullmatch(number):
        return (number.replace(",", "."),)
    if "." in number and _GROUPS_OF_POINTS.fullmatch(number):
        return (number.replace(".", "").replace(",", "."),)
    return tuple(number.split(","))


def find_decimal_comma(texts: Iterable[str]) -> bool | None:
    """Tell whether texts write decimals with a comma, by the numbers that can be read in one way only.

    Args:
        texts: of a catalogue.

    Returns:
        The mark of most; None where there is no such number.
    """
    commas = points = 0
    for text in texts:
        if "," in text:
            commas += len(_WITH_COMMA.findall(text))
        if "." in text:
            points += len(_WITH_POINT.findall(text))
    return None if commas == points else commas > points
