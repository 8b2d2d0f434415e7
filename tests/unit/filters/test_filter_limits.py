"""The limits of filters: those of the documentation, and that no filter within them costs much."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from mercato.catalog.columns import build_columns
from mercato.catalog.field_names import FIELD_LIMIT_CHARS, write_text
from mercato.catalog.product import parse_product
from mercato.errors import InvalidInputError
from mercato.filters import evaluate, matches, parse_filter
from mercato.filters.parse import FILTER_LIMIT_CHARS, NESTING_LIMIT, OUTSIDE_LIMIT_CHARS, VALUES_LIMIT
from mercato.requests.boost import MAX_BOOSTS, parse_boosts
from mercato.requests.facets import MAX_FACETS
from mercato.requests.order_by import MAX_KEYS

PAGE = Path(__file__).parents[3] / "docs" / "filters.md"


def test_the_documentation_has_the_limits_of_the_code() -> None:
    section = PAGE.read_text("utf-8").partition("## Limits")[2].partition("\n## ")[0]
    told = [int(number.replace(",", "")) for number in re.findall(r"\| ([\d,]+) \|$", section, re.MULTILINE)]
    assert told == [
        FILTER_LIMIT_CHARS, OUTSIDE_LIMIT_CHARS, VALUES_LIMIT, NESTING_LIMIT, FIELD_LIMIT_CHARS, MAX_KEYS, MAX_FACETS,
        MAX_BOOSTS,
    ]  # fmt: skip


def test_the_documentation_writes_fields_as_they_are_read() -> None:
    section = PAGE.read_text("utf-8").partition("## Names of fields")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(.+)` \| `(.+)` \| (?:`(.+)`|.*) \|$", section, re.MULTILINE)
    assert len(rows) == 6
    for key, written, short in rows:
        products = [parse_product({"id": "1", "title": "t", "attributes": {key: 7}})]
        columns = build_columns(products)
        for name in filter(None, (written, short)):
            assert evaluate(parse_filter(f"{name} = 7"), columns).tolist() == [True]


@pytest.mark.parametrize("field", ["id", "code", "attributes.code"])
def test_a_list_of_ten_thousand_finds_what_a_list_of_one_finds(field: str) -> None:
    products = [
        parse_product({"id": f"p{n}", "title": "t", "attributes": {"code": [f"p{n}", f"p{n % 7}", "é"]}})
        for n in range(1_000)
    ]
    columns = build_columns(products)
    wanted = [f"p{n}" for n in range(0, 20_000, 2)]
    condition = parse_filter(name_all(field, wanted))
    found = evaluate(condition, columns)
    assert found.tolist() == [matches(condition, product) for product in products]
    assert found.tolist() == [
        bool(set(wanted) & ({p.id} if field == "id" else set(p.attributes["code"]))) for p in products
    ]
    before = parse_filter(name_all(field, [*map(chr, range(35, 91)), *(f"0{n}" for n in range(99))]))
    assert not evaluate(before, columns).any(), "values before the first that some product has"


def name_all(field: str, values: Iterable[str]) -> str:
    return f"{field}: ANY({', '.join(map(write_text, values))})"


def test_the_boosts_of_a_request_share_the_limit() -> None:
    boost = {"condition": name_all("id", map(str, range(VALUES_LIMIT // 2 + 1))), "boost": 1}
    assert parse_boosts([boost])
    with pytest.raises(InvalidInputError, match="at most 20,000 values in ANY, got 20,002"):
        parse_boosts([boost, boost])


@pytest.mark.parametrize(
    "text",
    [
        '\\"' * 400_000,
        '"' + '\\"' * 400_000,
        'id: ANY("a"' + " " * 900_000 + ")",
        'id: ANY("a"' + ', "' * 300_000,
        'id: ANY("a"' + ',"b' * 300_000,
        '"a".' * 200_000,
        "a." * 400_000,
    ],
    ids=["quotes", "escapes", "blanks", "commas", "halves", "parts", "dots"],
)
def test_a_filter_of_a_million_wrong_characters_is_refused_in_one_pass(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_filter(text)
