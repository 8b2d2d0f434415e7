import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog.field_names import write_text
from mercato.errors import InvalidInputError
from mercato.filters import And, AnyOf, Comparison, Expression, InRange, Not, Or, parse_filter
from mercato.filters.parse import FILTER_LIMIT_CHARS, OUTSIDE_LIMIT_CHARS, VALUES_LIMIT

PRICE = Comparison("price", ">", 1.0)


def caret_message(text: str) -> str:
    with pytest.raises(InvalidInputError) as caught:
        parse_filter(text)
    assert caught.value.parameter == "FILTER"
    return str(caught.value)


def pointed_at(text: str) -> str:
    """What stands above the caret, to the end of its line."""
    *_, line, caret = caret_message(text).split("\n")
    return line[caret.index("^") :]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ('brand: ANY("Acme")', AnyOf("brand", ("Acme",))),
        ('brand:ANY("a","b" , "a")', AnyOf("brand", ("a", "b"))),
        (r'brand: ANY("a \"b\" \\ c")', AnyOf("brand", ('a "b" \\ c',))),
        ('品牌: ANY("联想")', AnyOf("品牌", ("联想",))),
        ('attributes.t_colour-2: ANY("x")', AnyOf("attributes.t_colour-2", ("x",))),
        (r'attributes."Screen \"size\"": ANY("x")', AnyOf('attributes.Screen "size"', ("x",))),
        ("price: IN(10, 50)", InRange("price", 10, 50, True, False)),  # Google's defaults
        ("price: IN(10e, 50i)", InRange("price", 10, 50, False, True)),
        ("price: IN(10i, 50e)", InRange("price", 10, 50, True, False)),
        ("price: IN(*, 50)", InRange("price", -math.inf, 50, True, False)),
        ("price: IN(1.5, *)", InRange("price", 1.5, math.inf, True, False)),
        ("price: IN(*, *)", InRange("price", -math.inf, math.inf, True, False)),
        ("price: IN(-1e2e, +.5 i)", InRange("price", -100, 0.5, False, True)),
        ("price: IN(1, 1i)", InRange("price", 1, 1, True, True)),
        ("price > 1", PRICE),
        ("price>=1", Comparison("price", ">=", 1.0)),
        ("price<1", Comparison("price", "<", 1.0)),
        ("price <= -1.5", Comparison("price", "<=", -1.5)),
        ("price = 1", Comparison("price", "=", 1.0)),
        ('available_time >= "1970-01-02"', Comparison("available_time", ">=", 24 * 3600.0, is_time=True)),
        (
            'available_time: IN("1970-01-02T00:00:00Z"e, *)',
            InRange("available_time", 24 * 3600.0, math.inf, False, False, is_time=True),
        ),
        ("((price > 1))", PRICE),
        ("NOT price > 1", Not(PRICE)),
        ("-price > 1", Not(PRICE)),
        ("NOT -(price > 1)", Not(Not(PRICE))),
        ("price > 1\n\tAND price > 1", And((PRICE, PRICE))),
        # AND binds tighter than OR, NOT tighter than both.
        ("price > 1 OR price > 1 AND NOT price > 1", Or((PRICE, And((PRICE, Not(PRICE)))))),
        ("(price > 1 OR price > 1) AND price > 1", And((Or((PRICE, PRICE)), PRICE))),
        ("price > 1 AND price > 1 AND price > 1", And((PRICE, PRICE, PRICE))),
        # A bare key of several words ends before its colon or operator.
        ('thread size: ANY("x")', AnyOf("thread size", ("x",))),
        (
            "max. °C >= 90 AND -In stock? = 1",
            And((Comparison("max. °C", ">=", 90), Not(Comparison("In stock?", "=", 1)))),
        ),
        ("attributes.shoe size: IN(1, 2)", InRange("attributes.shoe size", 1, 2)),
        (
            "NOT (thread  size > 1 OR android phone > 1)",
            Not(Or((Comparison("thread  size", ">", 1), Comparison("android phone", ">", 1)))),
        ),
        # Names that begin as an operator does.
        ('NOTE: ANY("x") OR ANDROID: ANY("x")', Or((AnyOf("NOTE", ("x",)), AnyOf("ANDROID", ("x",))))),
        ("IN: IN(1, 2)", InRange("IN", 1, 2)),
        ("e > 1", Comparison("e", ">", 1)),
    ],
)
def test_reads(text: str, expression: Expression) -> None:
    assert parse_filter(text).expression == expression


def test_the_example_of_the_documentation() -> None:
    text = '(brand: ANY("Acme")) AND price: IN(10, 50i) AND NOT availability: ANY("OUT_OF_STOCK")'
    assert parse_filter(text).expression == And(
        (AnyOf("brand", ("Acme",)), InRange("price", 10, 50, True, True), Not(AnyOf("availability", ("OUT_OF_STOCK",))))
    )


@pytest.mark.parametrize(
    ("text", "pointed", "message"),
    [
        ('brand: "Acme"', '"Acme"', 'line 1, column 8: expected ANY("...") or IN(lower, upper), got \'"\''),
        ("brand: ANY(Acme)", "Acme)", "column 12: expected a text in double quotes, got 'Acme'"),
        ("brand: ANY('x')", "'x')", 'texts stand in double quotes: "..."'),
        ('brand: ANY("x', '"x', "the text is not closed by a double quote"),
        ("brand: ANY()", ")", "expected a text in double quotes, got ')'"),
        ('brand: ANY("a",)', ")", "expected a text in double quotes"),
        ('(brand: ANY("x")', "", "column 17: expected ), got the end"),
        ('brand: ANY("x"))', ")", "expected the end, got ')'"),
        ("price > 1 and price < 3", "and price < 3", "expected AND or OR or the end, got 'and'; write AND in capitals"),
        ("not price > 1", "price > 1", "expected <, <=, >, >= or = or a colon"),
        ("price > 1 AND AND price < 3", "AND price < 3", "expected a field name or NOT or - or (, got 'AND'"),
        ("price > 1 price < 3", "price < 3", "expected AND or OR or the end"),
        ("price != 3", "!= 3", "write NOT before the field"),
        ("price > 1 && price < 3", "&& price < 3", "write AND or OR"),
        ("price: IN(10)", ")", "expected a comma"),
        ("price: IN(10, 50x)", "x)", "expected e or i"),
        ("price <", "", "got the end"),
        ("price: IN(5, 1)", "price: IN(5, 1)", "the lower bound 5 is above the upper bound 1; exchange them"),
        ("price: IN(1e400, *)", "1e400, *)", "is too large; write * for no bound"),
        ('brand = "x"', '"x"', 'a text is compared with field: ANY("...")'),
        (r'brand: ANY("a\qb")', r'\qb")', "is no escape"),
        (r'brand: ANY("a", "b", "\ud83d")', r'\ud83d")', "half of a surrogate pair stands alone"),
        (r'attributes."a\q": ANY("x")', r'\q": ANY("x")', "is no escape"),
        ('brand: ANY("a", "b",)', ")", "expected a text in double quotes"),
        ('brand: ANY("a", "b" "c")', '"c")', "expected ) or a comma"),
        ("price > 1\nAND brand; 3", "; 3", "line 2, column 10"),
        ('品牌 ANY("联想")', 'ANY("联想")', "line 1, column 4"),
    ],
)
def test_points_at_the_character(text: str, pointed: str, message: str) -> None:
    found = caret_message(text)
    assert message in found
    wide = "品" in text  # a caret below wide characters stands two columns a character
    assert wide or pointed_at(text) == pointed


def test_a_long_line_is_clipped_around_the_place() -> None:
    text = 'brand: ANY("' + "x" * 500 + '") AND ; AND brand: ANY("' + "y" * 500 + '")'
    *_, line, caret = caret_message(text).split("\n")
    assert line.strip().startswith("...") and line.endswith("...")
    assert len(line) < 100
    assert line[caret.index("^")] == ";"


@pytest.mark.parametrize("text", ["", " \n "])
def test_blank_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInputError, match="must not be blank; leave it out, or write one, for example"):
        parse_filter(text)


def test_length_limits() -> None:
    fits = "price > 1" + " " * (OUTSIDE_LIMIT_CHARS - 9)
    assert parse_filter(fits).expression == PRICE
    with pytest.raises(InvalidInputError, match="at most 4,096 characters outside of texts in quotes, got 4,097"):
        parse_filter(fits + " ")
    long = 'brand: ANY("' + "x" * (FILTER_LIMIT_CHARS - 14) + '")'
    assert parse_filter(long).is_long
    with pytest.raises(InvalidInputError, match="at most 1,000,000 characters, got 1,000,001"):
        parse_filter(long + " ")
    with pytest.raises(InvalidInputError, match="close every quote"):
        parse_filter('id: ANY("a, ' + ", ".join(f'"product-{number}"' for number in range(1_000)) + ")")


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("NOT ", ""), ("-", ""), ("NOT (", ")")])
def test_nesting_limit(opening: str, closing: str) -> None:
    levels = 32 // (2 if "(" in opening and "NOT" in opening else 1)
    parse_filter(opening * levels + "price > 1" + closing * levels)
    with pytest.raises(InvalidInputError, match="nested deeper than 32 parentheses and NOTs"):
        parse_filter(opening * (levels + 1) + "price > 1" + closing * (levels + 1))


@pytest.mark.parametrize("text", ["(" * 4_000, "(" * 2_000 + "price > 1" + ")" * 2_000, "- " * 2_000 + "price > 1"])
def test_the_deepest_text_is_no_recursion_error(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_filter(text)


def test_values_limit() -> None:
    def listed(count: int) -> str:
        return "brand: ANY(" + ",".join(f'"{i}"' for i in range(count)) + ")"

    whole = parse_filter(listed(VALUES_LIMIT))
    assert whole.expression == AnyOf("brand", tuple(str(i) for i in range(VALUES_LIMIT)))
    assert whole.values == VALUES_LIMIT
    with pytest.raises(InvalidInputError, match="at most 20,000 values in ANY, got 20,001"):
        parse_filter(listed(VALUES_LIMIT // 2) + " OR " + listed(VALUES_LIMIT // 2 + 1))


@given(st.lists(st.text(max_size=8), min_size=1, max_size=50), st.sampled_from([",", " , ", ",\n\t"]))
def test_any_texts_in_a_list_are_read_back(texts: list[str], comma: str) -> None:
    read = parse_filter("brand: ANY(" + comma.join(map(write_text, texts)) + ")")
    assert read.expression == AnyOf("brand", tuple(dict.fromkeys(texts)))


@given(st.text(max_size=20))
def test_a_text_as_json_has_it_is_read(text: str) -> None:
    for escaped in (True, False):
        read = parse_filter(f"brand: ANY({json.dumps(text, ensure_ascii=escaped)})")
        assert read.expression == AnyOf("brand", (text,))


def test_a_text_is_read_once() -> None:
    text = "price > 17"
    assert parse_filter(text) is parse_filter(text)


def test_name_of_the_parameter_is_the_callers() -> None:
    with pytest.raises(InvalidInputError, match="^--filter: line 1, column 1"):
        parse_filter(";", parameter="--filter")


@given(st.text(alphabet='abAND ORT-():,"\\*<=>019.eiNYprice\n品', max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_filter(text)
    except InvalidInputError as error:
        assert str(error).startswith("FILTER: ")
