import math
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
from babel import Locale, localedata
from babel.core import get_global
from babel.numbers import format_currency, format_decimal, get_currency_precision, get_territory_currencies
from hypothesis import given
from hypothesis import strategies as st

from mercato.text.number_signs import SIGNS_PATH
from mercato.text.numbers import Price, find_decimal_mark, parse_measure, parse_number, parse_price

REPOSITORY = Path(__file__).resolve().parents[3]
NBSP, THIN = "\u00a0", "\u202f"

PRICES: dict[str, dict[str, tuple[float, str]]] = {
    # text -> amount and currency, by the country that writes so
    "US": {"$12.99": (12.99, ""), "$1,299": (1_299, ""), "US$ 1,299.00": (1_299, "USD"), "$.35": (0.35, "")},
    "machines": {"12.99": (12.99, ""), "12.99 USD": (12.99, "USD"), "1e3": (1_000, ""), "0.125": (0.125, "")},
    "DE": {
        "12,99 €": (12.99, "EUR"),
        "1.299,- €": (1_299, "EUR"),
        "12,– €": (12, "EUR"),
        "EUR 1.299,00": (1_299, "EUR"),
        "1,5 Mio. EUR": (1_500_000, "EUR"),
        "12 euro": (12, "EUR"),
    },
    "FR": {f"1{THIN}299,50{NBSP}€": (1_299.5, "EUR"), "12€50": (12.5, "EUR"), "12,50€": (12.5, "EUR")},
    "CH": {"CHF 1'299.-": (1_299, "CHF"), "CHF 1’299.50": (1_299.5, "CHF"), "Fr. 12.–": (12, "CHF")},
    "AT": {"€ 1.299": (1_299, "EUR"), "€ 9,90": (9.9, "EUR")},
    "GB": {"£5": (5, "GBP"), "£1,299.99": (1_299.99, "GBP"), "GBP12": (12, "GBP")},
    "SE": {"99:-": (99, ""), "99 kr": (99, ""), f"1{NBSP}299{NBSP}kr": (1_299, ""), "1 299,50 SEK": (1_299.5, "SEK")},
    "DK": {"kr. 1.299,00": (1_299, ""), "99,-": (99, ""), "DKK12": (12, "DKK")},
    "NO": {"kr 1 299,-": (1_299, "")},
    "PL": {"12,50 zł": (12.5, "PLN"), "1 299,00 zl": (1_299, "PLN")},
    "CZ": {"1 299 Kč": (1_299, "CZK"), "99,90 Kč": (99.9, "CZK")},
    "HU": {"1 299 Ft": (1_299, "HUF"), "1.299 Ft": (1_299, "HUF")},
    "BG": {"12,50 лв.": (12.5, "BGN")},
    "UA": {"45 грн.": (45, "UAH"), "1 299,50 ₴": (1_299.5, "UAH")},
    "RU": {"1 234 567,89 ₽": (1_234_567.89, "RUB"), "2 тыс. руб.": (2_000, "RUB")},
    "TR": {"1.299,90 TL": (1_299.9, "TRY"), "₺12,50": (12.5, "TRY")},
    "RO": {"12,50 lei": (12.5, "RON")},
    "BR": {"R$ 1.299,90": (1_299.9, "BRL"), "R$12": (12, "BRL")},
    "IN": {
        "₹1,23,456.00": (123_456, "INR"),
        "Rs.35": (35, ""),
        "Rs. 1,23,456": (123_456, ""),
        "3 lakh": (300_000, ""),
        "₹ 1,299/-": (1_299, "INR"),
    },
    "JP": {"1299円": (1_299, "JPY"), "￥１，２９９": (1_299, ""), "¥1,299": (1_299, "")},
    "CN": {"12元": (12, "CNY"), "CN¥12.50": (12.5, "CNY")},
    "KR": {"₩12,000": (12_000, "KRW"), "12,000원": (12_000, "KRW")},
    "VN": {"1.299.000 ₫": (1_299_000, "VND"), "500đ": (500, "VND")},
    "SA": {"٣٫٥٠ ر.س": (3.5, "SAR"), "SR 12": (12, ""), "12 DH": (12, ""), "\u200f1,299.00 ر.س.\u200f": (1_299, "SAR")},
    "IR": {"۱٬۲۹۹ ﷼": (1_299, "IRR")},
    "TH": {"฿1,299": (1_299, "THB")},
    "more": {"US $12": (12, "USD"), "USD $12.00": (12, "USD"), "$ 12.00 MXN": (12, "MXN"), "12,99 €*": (12.99, "EUR")},
    "ZA": {"R 1 299,00": (1_299, "ZAR"), "R12.50": (12.5, "ZAR")},
    "PA": {"B/.1,234.50": (1_234.5, "PAB")},
    "AU": {"A$5": (5, "AUD"), "$12.00 AUD": (12, "AUD")},
    "below zero": {"-5": (-5, ""), "−$5": (-5, ""), "$-5": (-5, ""), "(5.00)": (-5, "")},
    "spaces": {" 12.50 ": (12.5, ""), f"{NBSP}12,50{NBSP}": (12.5, ""), "1,5k €": (1_500, "EUR")},
}


@pytest.mark.parametrize(("text", "price"), [item for country in PRICES.values() for item in country.items()])
def test_prices_as_countries_write_them(text: str, price: tuple[float, str]) -> None:
    assert parse_price(text) == Price(*price)


@pytest.mark.parametrize(
    "text",
    ["", " ", "free", "call us", "from 10", "about 12", "10 - 20", "12-15", "1,29,9", "1.2.3", "1 29", "1'2", "12 pcs"]
    + ["$", "12 / 15", "£5 or €6", "12 m", "5 L", "1,299,00", "1.299.00", "9" * 400, "12.50-", "nan", "inf"]
    + ["1.234'567", "--5", "12%", "½ €", "Top 12", "£5 EUR", "1 2 3"],
)
def test_what_is_no_price_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_price(text)
    if len(text) < 40:
        assert repr(text)[1:-1] in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("1.299", "1299 or 1.299"),
        ("KWD 1.299", "1299 or 1.299"),
        ("12,500 د.ت.", "12500 or 12.500"),
        ("$2.5M", "1,000 or 1,000,000"),
        ("2 billion", "1,000,000,000 or 1,000,000,000,000"),
        ("12K", "MMK or 1,000"),
    ],
)
def test_a_price_of_two_readings_is_refused_with_both(text: str, readings: str) -> None:
    with pytest.raises(ValueError, match=re.escape(readings)):
        parse_price(text)


def test_the_mark_of_the_column_decides() -> None:
    assert parse_price("1.299", decimal_mark=".").amount == 1.299
    assert parse_price("1.299", decimal_mark=",").amount == 1_299
    assert parse_price("$1,299", decimal_mark=",").amount == 1.299
    assert parse_price("KWD 1.299", decimal_mark=".").amount == 1.299
    assert parse_number("1,299", decimal_mark=",") == 1.299
    assert parse_number("1,299", decimal_mark=".") == 1_299
    # What can be read in one way only is not bent.
    assert parse_price("12.50", decimal_mark=",").amount == 12.5
    assert parse_price("0,125", decimal_mark=".").amount == 0.125


def test_the_currency_of_the_product_fills_in_and_decides_among_those_of_a_sign() -> None:
    assert parse_price("12.50", currency="EUR").currency == "EUR"
    assert parse_price("$12.50", currency="CAD").currency == "CAD"
    assert parse_price("£5", currency="FKP").currency == "FKP"
    assert parse_price("£5", currency="EUR").currency == "GBP"
    assert parse_price("¥500", currency="CNY").currency == "CNY"
    assert parse_price("1,5 USD", currency="EUR").currency == "USD"
    # A file's column of currencies does not make thousands of what a program wrote.
    with pytest.raises(ValueError, match="can be"):
        parse_price("1.299", currency="EUR")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.50", 12.5),
        ("-12.50", -12.5),
        ("+3", 3.0),
        ("−3", -3.0),
        ("(3)", -3.0),
        ("12.50-", -12.5),
        ("1,299.50", 1_299.5),
        ("1.299,50", 1_299.5),
        ("1 299,5", 1_299.5),
        ("1'299", 1_299.0),
        ("12,34,567", 1_234_567.0),
        ("1.234.567", 1_234_567.0),
        (".35", 0.35),
        (",35", 0.35),
        ("007", 7.0),
        ("1e-05", 1e-5),
        ("1.5k", 1_500.0),
        ("2 Mio.", 2_000_000.0),
        ("3 lakh", 300_000.0),
        ("2 тыс.", 2_000.0),
        ("3万", 30_000.0),
        ("１２．５", 12.5),
        ("१२.५", 12.5),
        ("١٬٢٣٤٫٥", 1_234.5),
        ("1.2345", 1.2345),
        ("0.125", 0.125),
        ("1234,567", 1_234.567),
    ],
)
def test_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "12 cm", "$5", "10 - 20", "1/2", "inf", "nan", "1_000", "0x10", "12 m", "1e999"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_number(text)


@pytest.mark.parametrize("text", ["1,299", "1.299", "-12.500", "15 %"])
def test_a_number_of_two_readings_is_refused_with_both(text: str) -> None:
    with pytest.raises(ValueError, match=r" can be .* or "):
        parse_number(text)


@pytest.mark.parametrize(
    ("column", "mark"),
    [
        (["1,299", "12,50"], ","),
        (["1.299", "12.50"], "."),
        (["1,299", "2,450"], None),
        (["12", "13"], None),
        (["12.5", "12,5"], None),
        (["1.299.000"], ","),
        (["12,34,567"], "."),
        (["1.299,00 €", "899 €"], ","),
        (["1.299,-"], ","),
        (["1 299,5"], ","),
        (["0.125"], "."),
        (["٣٫٥"], None),
        (["call us", "", "10 - 20", "9" * 500], None),
        ([], None),
    ],
)
def test_a_column_shows_its_decimal_mark(column: list[str], mark: str | None) -> None:
    assert find_decimal_mark(column) == mark


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("0,4 kg", (0.4, "kg")),
        ("12cm", (12.0, "cm")),
        ("1.5 l", (1.5, "l")),
        ('15.6"', (15.6, '"')),
        ("30 m²", (30.0, "m²")),
        ("1,5 m3", (1.5, "m3")),
        ("80 km/h", (80.0, "km/h")),
        ("-3 °C", (-3.0, "°C")),
        ("5 %", (5.0, "%")),
        ("3 St.", (3.0, "St.")),
        ("250 мл", (250.0, "мл")),
        ("12", (12.0, "")),
    ],
)
def test_measures(text: str, measure: tuple[float, str]) -> None:
    assert parse_measure(text) == measure


@pytest.mark.parametrize("text", ["2 x 3 m", "5 ft 3 in", "10-12 cm", "about 5 kg", "", "kg", "1.299 kg", "5 of them"])
def test_what_is_no_measure_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|can be"):
        parse_measure(text)


@given(st.text() | st.text(alphabet="0123456789.,' -()$€kM%eE+٫" + NBSP))
def test_any_text_gives_a_number_or_one_sentence(text: str) -> None:
    for read in (parse_number, lambda text: parse_price(text).amount, lambda text: parse_measure(text)[0]):
        try:
            assert math.isfinite(read(text))
        except ValueError as exc:
            assert str(exc).count("\n") == 0


@given(st.floats(-1e15, 1e15), st.sampled_from([".", ","]))
def test_what_a_program_writes_comes_back(number: float, mark: str) -> None:
    assert parse_number(repr(number), decimal_mark=".") == number
    assert parse_number(f"{number:.2f}".replace(".", mark), decimal_mark=mark) == float(f"{number:.2f}")


def list_locales() -> Iterator[tuple[Locale, set[str]]]:
    """List all locales, each with currencies to try: those of its country, one of all sorts beside."""
    likely = get_global("likely_subtags")
    for identifier in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(identifier)
        territory = locale.territory or likely.get(locale.language, "").rpartition("_")[2]
        own = get_territory_currencies(territory) if len(territory) == 2 else []
        yield locale, {*own, "EUR", "JPY"}


def round_to_currency(amount: Decimal, code: str) -> float:
    return float(amount.quantize(Decimal(1).scaleb(-get_currency_precision(code)), ROUND_HALF_EVEN))


def test_prices_of_every_locale_come_back() -> None:
    amounts = [Decimal("12.5"), Decimal(999), Decimal("1234.5"), Decimal("1234567.25")]
    locales, refused, digits = 0, set(), ("latn", "default")
    for locale, codes in list_locales():
        locales += 1
        for code in codes:
            for amount, numbering in zip(amounts, digits * 2, strict=True):
                text = format_currency(amount, code, locale=locale, numbering_system=numbering)
                try:
                    price = parse_price(text, currency=code)
                except ValueError as exc:
                    if get_currency_precision(code) < 3:
                        refused.add((locale.language, code))
                    else:
                        assert "can be" in str(exc) or locale.language == "tok"
                    continue
                assert price == Price(round_to_currency(amount, code), code), (locale, text)
    assert locales > 1_000
    # Groups of four digits; and one letter behind an amount, which is a unit or a size to everybody else.
    letters = {("ar", "SOS"), ("ff", "GMD"), ("fr", "HTG"), ("ro", "MDL"), ("ru", "MDL"), ("my", "MMK")}
    assert {pair for pair in refused if pair[0] != "tok"} <= letters


def test_a_column_of_any_locale_can_be_read_with_the_mark_that_it_shows() -> None:
    amounts = [Decimal("12.5"), Decimal("1234.567"), Decimal("7.125")]
    for locale, _ in list_locales():
        column = [format_decimal(amount, locale=locale) for amount in amounts]
        mark = find_decimal_mark(column)
        if locale.language != "tok":
            assert [parse_number(text, decimal_mark=mark) for text in column] == [float(amount) for amount in amounts]


def test_the_table_of_signs_is_what_cldr_says() -> None:
    # In a process of its own: once a locale was used, babel gives its inherited data for its own.
    code = "import sys; from tests.unit.text import collect_number_signs as c; "
    code += "sys.stdout.buffer.write(c.write(c.collect_signs()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True)
    assert SIGNS_PATH.read_bytes() == done.stdout, "python -m tests.unit.text.collect_number_signs writes it again"
