"""Comparisons and exclusions of queries in five languages, and what only looks like one."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.grammar.amounts import Comparison, may_compare, read_comparison, read_number
from mercato.grammar.exclusions import may_exclude, part_negated, read_exclusion
from mercato.grammar.phrases import Phrases, list_phrases
from mercato.grammar.tokens import _pattern, tokenize

CUES = sorted(
    {phrase for one in fields(Phrases) for phrase in list_phrases(one.name)}
    | {"30", "1,299", "$", "€", "-", "–", "-leather", "sugar-free", "pan", "kg", "a", "max", "的", "元", "+", "%"}
)


def find_comparisons(query: str) -> list[tuple[str, Comparison]]:
    tokens, found, position = tokenize(query), [], 0
    while position < len(tokens):
        one = read_comparison(tokens, position, lambda tokens, position: False)
        if one is not None:
            found.append((query[tokens[one.first].start : tokens[one.end - 1].end], one))
        position = one.end if one is not None else position + 1
    return found


def find_exclusions(query: str) -> list[str]:
    tokens, found, position = tokenize(query), [], 0
    while position < len(tokens):
        one = read_exclusion(tokens, position, query)
        if one is not None:
            found += [query[tokens[first].start : tokens[end - 1].end] for first, end in one.things]
        position = one.end if one is not None else position + 1
    return found


@pytest.mark.parametrize(
    ("query", "text", "lower", "upper"),
    [
        ("pan under 45 dollars", "under 45 dollars", None, 45),
        ("pan up to $45.50", "up to $45.50", None, 45.5),
        ("pan between 15 and 25 pounds", "between 15 and 25 pounds", 15, 25),
        ("pan from 15 to 25", "from 15 to 25", 15, 25),
        ("pan over 15", "over 15", 15, None),
        ("pan cheaper than 1,299", "cheaper than 1,299", None, 1299),
        ("pan 25 euros or less", "25 euros or less", None, 25),
        ("pan <25", "<25", None, 25),
        ("pan 15-25 €", "15-25 €", 15, 25),
        ("pfanne unter 45 Euro", "unter 45 Euro", None, 45),
        ("pfanne bis zu 1.299 €", "bis zu 1.299 €", None, 1299),
        ("pfanne zwischen 15 und 25 €", "zwischen 15 und 25 €", 15, 25),
        ("pfanne ab 15 €", "ab 15 €", 15, None),
        ("poêle moins de 45 €", "moins de 45 €", None, 45),
        ("poêle entre 15 et 25,50 €", "entre 15 et 25,50 €", 15, 25.5),
        ("poêle à partir de 15 €", "à partir de 15 €", 15, None),
        ("sartén por menos de 45 euros", "por menos de 45 euros", None, 45),
        ("sartén entre 15 y 25", "entre 15 y 25", 15, 25),
        ("sartén hasta 45", "hasta 45", None, 45),
        ("45元以下的锅", "45元以下", None, 45),
        ("低于45元的锅", "低于45元", None, 45),
        ("15到25元的锅", "15到25元", 15, 25),
        ("不超过45元", "不超过45元", None, 45),
        ("pan under 1e308", "under 1e308", None, 1e308),
    ],
)
def test_prices_are_compared_in_five_languages(query: str, text: str, lower: float | None, upper: float | None) -> None:
    ((found, comparison),) = find_comparisons(query)

    assert (found, comparison.lower, comparison.upper) == (text, lower, upper)


@pytest.mark.parametrize(
    ("query", "quantity", "factor", "lower", "upper"),
    [
        ("bike lighter than 9 kg", "mass", 1000, None, 9),
        ("rad unter 9 kg", "mass", 1000, None, 9),
        ("stick at least 32GB", "storage", 1, 32, None),
        ("至少32GB", "storage", 1, 32, None),
        ("max 5 l", "volume", 1000, None, 5),
        ("from 20 to 30 inch", "length", 25.4, 20, 30),
        ("menos de 2 litros", "volume", 1000, None, 2),
    ],
)
def test_measures_are_compared(
    query: str, quantity: str, factor: float, lower: float | None, upper: float | None
) -> None:
    ((_, comparison),) = find_comparisons(query)

    assert comparison.unit is not None
    assert (comparison.unit.quantity, comparison.unit.factor) == (quantity, factor)
    assert (comparison.lower, comparison.upper) == (lower, upper)


@pytest.mark.parametrize(
    "query",
    ["under armour", "over the door hook", "under 5 people", "between friends", "phone 11 pro max", "cheap milk",
     "from 0 to 3 months", "5 minute timer", "over 100 sheets pad", "<", "under", "under 5%", "50+ lotion",
     "adapter 110 to 220 v", "8gb + 256gb"],
)  # fmt: skip
def test_what_only_looks_like_a_comparison_is_none(query: str) -> None:
    assert find_comparisons(query) == []


@pytest.mark.parametrize(
    ("query", "things"),
    [
        ("belt -leather", ["leather"]),
        ("belt without leather", ["leather"]),
        ("tea no sugar", ["sugar"]),
        ("tee ohne Zucker und Milch", ["Zucker", "Milch"]),
        ("thé sans sucre ni lait", ["sucre", "lait"]),
        ("té sin azúcar", ["azúcar"]),
        ("不含糖的茶", ["糖"]),
        ("没有糖的茶", ["糖"]),
        ("jacket not red", ["red"]),
        ("jam without added sugar", ["added sugar"]),
        ("t-shirt v-neck usb-c", []),
        ("tea - green", []),
        ("-", []),
        ("without", []),
        ("no 5", []),
        ("temperature -5", []),
        ("free shipping", []),
    ],
)
def test_what_is_not_wanted(query: str, things: list[str]) -> None:
    assert find_exclusions(query) == things


def test_a_text_is_parted_from_what_it_says_is_not_there() -> None:
    text, things = part_negated("Cola, no sugar added, gluten free")

    assert things == ["sugar", "gluten"]
    assert "sugar" not in text and "gluten" not in text and "Cola" in text
    assert part_negated("Leather belt") == ("Leather belt", [])


@pytest.mark.parametrize(
    ("text", "measure", "number"),
    [("1.299", False, 1299), ("1.299", True, 1.299), ("1,299.50", False, 1299.5), ("1.299,50", False, 1299.5),
     ("12,5", False, 12.5), ("1e999", False, None), ("1'299", False, 1299)],
)  # fmt: skip
def test_both_marks_are_read_as_people_mean_them(text: str, measure: bool, number: float | None) -> None:
    assert read_number(text, measure=measure) == number


WORDS = [
    "under",
    "30",
    "unter",
    "€",
    "-",
    "sans",
    "sucre",
    "元",
    "以下",
    "between",
    "and",
    "20",
    "kg",
    "no",
    "free",
    "+",
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
def test_any_text_is_read(query: str) -> None:
    tokens = tokenize(query)

    assert all(query[token.start : token.end] for token in tokens)
    assert all(before.end <= after.start for before, after in zip(tokens, tokens[1:], strict=False))
    for text, comparison in find_comparisons(query):
        assert text and 0 <= comparison.first < comparison.end <= len(tokens)
    find_exclusions(query)
    part_negated(query)


@given(st.lists(st.sampled_from(CUES), min_size=1, max_size=7), st.sampled_from(["", " "]))
def test_a_query_of_which_nothing_can_be_read_is_told_at_a_glance(words: list[str], joined: str) -> None:
    query = joined.join(words)
    tokens = tokenize(query)
    assert may_compare(tokens) or not find_comparisons(query)
    assert may_exclude(tokens) or not find_exclusions(query)


@pytest.mark.parametrize("query", ["red frying pan", "t-shirt", "usb-c cable", "salt & pepper", "gummibärchen"])
def test_most_queries_hold_neither(query: str) -> None:
    assert not may_compare(tokenize(query))
    assert not may_exclude(tokenize(query))


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=40))
def test_plain_letters_are_split_as_all_others(text: str) -> None:
    behind = [token for token in tokenize(text + " é") if token.end <= len(text)]
    assert list(tokenize(text)) == behind
    assert [token.start for token in behind] == [found.start() for found in _pattern().finditer(text)]
