"""Units of measure and of money as people write them, and what they are worth in one unit of their quantity."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from mercato.grammar.tokens import fold


class Unit(NamedTuple):
    """A unit.

    Attributes:
        quantity: what it measures.
        factor: how many of the quantity's own unit it is.
    """

    quantity: str
    factor: float


QUANTITIES: dict[str, dict[float, str]] = {
    "mass": {  # grams
        0.001: "mg milligram milligrams 毫克", 1: "g gr gram grams gramm gramme grammes gramo gramos 克",
        1000: "kg kgs kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes kilogramo kilogramos 公斤 千克",
        28.349523125: "oz ounce ounces unze unzen onza onzas 盎司", 453.59237: "lb lbs pound pounds libra libras 磅",
        500: "斤",
    },
    "volume": {  # millilitres
        1: "ml milliliter millilitre millilitres milliliters mililitros 毫升", 10: "cl", 100: "dl",
        1000: "l lt ltr liter liters litre litres litro litros 升", 29.5735295625: "floz",
        3785.411784: "gal gallon gallons galon galones 加仑", 946.352946: "qt quart quarts",
        473.176473: "pt pint pints",
    },
    "length": {  # millimetres
        0.001: "µm", 1: "mm millimeter millimeters millimetre millimetres milimetros 毫米",
        10: "cm zentimeter centimeter centimeters centimetre centimetres centimetros 厘米 公分", 100: "dm",
        1000: "m meter meters metre metres metro metros 米", 1e6: "km", 304.8: "ft feet foot fuß fuss pieds pies 英尺",
        914.4: "yd yard yards", 25.4: "inch inches in zoll pouce pouces pulgada pulgadas \" ″ ” '' 英寸 寸",
    },
    "storage": {1e-6: "kb", 0.001: "mb megabyte megabytes", 1: "gb gig gigs gigabyte gigabytes go",
                1000: "tb terabyte terabytes to"},
    "power": {0.001: "mw", 1: "w watt watts vatios 瓦", 1000: "kw kilowatt kilowatts"},
    "voltage": {0.001: "mv", 1: "v volt volts voltios 伏", 1000: "kv"},
    "charge": {1: "mah 毫安", 1000: "ah"},
    "energy": {1: "wh", 1000: "kwh"},
    "current": {0.001: "ma", 1: "a amp amps ampere amperes"},
    "frequency": {1e-6: "hz hertz 赫兹", 0.001: "khz", 1: "mhz", 1000: "ghz"},
    "pixels": {1: "mp mpx megapixel megapixels megapixeles 万像素"},
    "rate": {0.001: "kbps", 1: "mbps mbit/s", 1000: "gbps gbit/s"},
    "rotation": {1: "rpm"},
    "loudness": {1: "db dba"},
    "light": {1: "lm lumen lumens"},
    "temperature": {1: "°c"},
    "density": {1: "dpi"},
    "count": {1: "ct count pk pack packs pcs pc piece pieces stück stueck stk pièces piezas unidades 个 件 支 包 片装"},
}  # fmt: skip

CURRENCIES = {
    "EUR": "€ eur euro euros 欧元", "USD": "us$ usd dollar dollars dolares dolar 美元 美金",
    "GBP": "£ gbp pound pounds quid sterling livres libras pfund 英镑 镑", "CNY": "¥ ￥ cny rmb yuan 元 块 人民币",
    "JPY": "¥ ￥ jpy yen 日元", "CHF": "chf franken sfr", "INR": "₹ inr rupee rupees", "CAD": "cad ca$ dollar dollars",
    "AUD": "aud au$ dollar dollars", "SEK": "sek kr kronor", "DKK": "dkk kr kroner", "NOK": "nok kr kroner",
    "PLN": "pln zł zloty", "RUB": "₽ rub", "KRW": "₩ krw won", "MXN": "mxn peso pesos", "BRL": "brl reais r$",
}  # fmt: skip
DOLLARS = frozenset("USD CAD AUD NZD SGD HKD MXN TWD ARS CLP COP".split())
"""Currencies that a dollar sign stands for somewhere."""
_PRESENT = {"$": DOLLARS, "bucks": DOLLARS, "美元": frozenset({"USD"})}


@cache
def read_units() -> dict[str, Unit]:
    """Return the unit of each spelling, folded; signs too."""
    return {
        fold(spelling): Unit(quantity, factor)
        for quantity, units in QUANTITIES.items()
        for factor, spellings in units.items()
        for spelling in spellings.split()
    }


@cache
def read_currencies() -> dict[str, frozenset[str]]:
    """Return the currencies that each sign or word may stand for, folded."""
    found: dict[str, frozenset[str]] = dict(_PRESENT)
    for code, spellings in CURRENCIES.items():
        for spelling in spellings.split():
            found[fold(spelling)] = found.get(fold(spelling), frozenset()) | {code}
    for word in ("dollar", "dollars", "dolares", "dolar"):
        found[word] = found[word] | DOLLARS
    return found
