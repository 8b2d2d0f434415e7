"""What the commands show of pages: probabilities and variants."""

import io
from dataclasses import replace

from mercato_client import Condition, Product, ResultPage, Variant
from rich.console import Console

from mercato.cli.ask import describe_page, tabulate, write_conditions


def make_page(*chances: float | None) -> ResultPage:
    return ResultPage(
        results=tuple(
            Product(id=f"p{rank}", score=-float(rank), rank=rank, purchase_probability=chance)
            for rank, chance in enumerate(chances, start=1)
        ),
        total=len(chances),
        token="t",
        missing_ids=(),
        degraded=(),
        facets=(),
        corrected_query=None,
        timings={},
        details={},
    )


def draw(page: ResultPage) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(tabulate(page))
    return out.getvalue()


def test_a_page_with_probabilities_has_a_column_of_them() -> None:
    drawn = draw(make_page(0.0231, None))
    assert "chance" in drawn
    assert "2.3%" in drawn


def test_a_page_without_has_none() -> None:
    assert "chance" not in draw(make_page(None, None))


def test_as_json_a_product_without_has_no_such_member() -> None:
    first, second = describe_page(make_page(0.0, None))["results"]
    assert first["purchase_probability"] == 0.0
    assert "purchase_probability" not in second


def test_a_page_with_variants_names_them() -> None:
    page = make_page(None, None)
    given = {"id": "40018", "price": 84.0, "attributes": {"size": "L", "colour": "moss"}}
    first = replace(page.results[0], variant=Variant(**given), fields={"variant": given})
    page = replace(page, results=(first, page.results[1]))
    assert "40018, L, moss, 84.00" in draw(page)
    assert [result.get("variant") for result in describe_page(page)["results"]] == [given, None]
    assert "variant" not in draw(make_page(None))


def test_what_a_query_is_understood_to_say_is_one_line() -> None:
    price = Condition(text="under 5", start=5, end=12, type="price", effect="filter", filter="price < 5")
    milk = Condition(
        text="below 2 l", start=13, end=22, type="quantity", effect="filter", status="unused",
        reason="no field holds a volume",
    )  # fmt: skip
    page = replace(make_page(), conditions=(price, milk), details={"conditions": [{"text": "under 5"}]})
    assert write_conditions(page) == (
        "'under 5' (price): filter price < 5; 'below 2 l' (quantity): filter, unused: no field holds a volume"
    )
    assert describe_page(page)["conditions"] == [{"text": "under 5"}]
