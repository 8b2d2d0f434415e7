"""Caps: how often one value comes on a page, what gives way, and what a page says of it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.index.live import LiveCatalog
from mercato.policy.caps import spread_values
from mercato.requests.dials import Cap
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import all_ids, make_pipeline, recommend, search


def spread(values: str, most: int, page_size: int) -> str:
    """Spread products that have one letter each; a dot has none."""
    own = [[("brand", letter)] if letter != "." else [] for letter in values]
    return "".join(values[index] for index in spread_values(own, {"brand": most}, page_size).order.tolist())


@pytest.mark.parametrize(
    ("values", "most", "page_size", "expected"),
    [
        ("AAAB", 2, 3, "AABA"),  # of any three in a row two are A at most
        ("AAAABB", 1, 2, "ABABAA"),  # B runs out: the page is filled all the same
        ("AAAA", 1, 4, "AAAA"),  # there is nothing else
        ("ABCD", 1, 4, "ABCD"),
        ("AA.A", 2, 3, "AA.A"),  # what has no value is never held
        ("", 1, 5, ""),
        ("AAB", 1, 1, "AAB"),  # a page of one product
    ],
)
def test_the_first_that_no_cap_forbids_comes_next(values: str, most: int, page_size: int, expected: str) -> None:
    assert spread(values, most, page_size) == expected


@given(st.text(alphabet="ABC.", max_size=30), st.integers(1, 4), st.integers(1, 8))
def test_caps_hold_on_every_page_as_long_as_something_else_is_left(values: str, most: int, page_size: int) -> None:
    order = spread(values, most, page_size)
    assert Counter(order) == Counter(values)
    for end in range(1, len(order) + 1):
        page, last, left = order[max(0, end - page_size) : end], order[end - 1], order[end:]
        if last == "." or page.count(last) <= most:
            continue
        before = order[max(0, end - page_size) : end - 1]
        # relaxed: nothing that was left would have been within its cap
        assert all(one != "." and before.count(one) >= most for one in left)


def test_a_share_is_rounded_down_and_one_product_is_always_allowed() -> None:
    assert [Cap("brand", share=share).most_of(10) for share in (0.3, 0.39, 0.01, 1.0)] == [3, 3, 1, 10]
    assert Cap("brand", count=7).most_of(3) == 7


def test_a_product_counts_for_each_of_its_values() -> None:
    values = [[("c", "x"), ("c", "y")], [("c", "y")], [("c", "z")]]
    assert spread_values(values, {"c": 1}, 3).order.tolist() == [0, 2, 1]


def brands(catalog: LiveCatalog, ids: list[str]) -> list[str]:
    products = [catalog.product(one) for one in ids]
    return [product.brand or "" for product in products if product is not None]


@pytest.mark.parametrize("page_size", [5, 10, 20])
def test_pages_keep_the_cap_and_repeat_nothing(catalog: LiveCatalog, page_size: int) -> None:
    pipeline = make_pipeline(catalog)
    caps = [{"field": "brand", "share": 0.6}]
    ids = all_ids(pipeline, "fine tea", page_size=page_size, caps=caps)
    assert sorted(ids) == sorted(all_ids(pipeline, "fine tea"))
    assert len(set(ids)) == len(ids)
    # 83 or 84 of 250 teas are Leaf's: enough of both for the first pages
    for start in range(0, 60, page_size):
        page = brands(catalog, ids[start : start + page_size])
        assert max(Counter(page).values()) <= 0.6 * page_size


def test_a_recommendation_is_capped_and_says_so(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = recommend(pipeline)["ids"]
    caps = [{"field": "categories", "count": 20}, {"field": "brand", "count": 5}]
    found = recommend(pipeline, caps=caps, explain=True)
    assert max(Counter(brands(catalog, found["ids"])).values()) <= 10  # two brands have to fill 20
    narrow = recommend(pipeline, caps=[{"field": "attributes.size", "count": 1}], explain=True)
    assert sorted(narrow["ids"]) != [] and narrow["ids"][0] == plain[0]
    notes = [note for result in found["results"] for note in result["explanation"].get("rules", [])]
    capped = [note for note in notes if note["kind"] == "capped"]
    assert capped and all(note["dial"] == "caps" and note["ranks"] < 0 and note["what"] for note in capped)
    texts = " ".join(result["explanation"]["text"] for result in found["results"])
    assert "had its share of the page" in texts


def test_a_pin_goes_before_a_cap(catalog: LiveCatalog) -> None:
    pins = [{"product": "t001", "position": 1}, {"product": "t002", "position": 2}]  # both Acme's
    pipeline = make_pipeline(catalog, rules={"rules": [{"query": "fine tea", "pins": pins}]})
    found = search(pipeline, "fine tea", caps=[{"field": "brand", "count": 1}], page_size=4)["ids"]
    assert found[:2] == ["t001", "t002"]


def test_live_changes_count(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    pipeline = make_pipeline(catalog, state)
    caps: list[dict[str, Any]] = [{"field": "attributes.seller", "count": 1}]
    with pytest.raises(Exception, match=r"OPTIONS.caps\[0\].field: names no field"):
        search(pipeline, "fine tea", caps=caps)
    first = search(pipeline, "fine tea", page_size=3)["ids"]
    for one in first:
        product = catalog.product(one)
        assert product is not None
        changed = stores.product(one, product.title, brand=product.brand, attributes={"seller": "Ann"})
        state.append_product_changes([stores.upsert(changed)])
    search(pipeline, "fine tea")  # an answer reads what changed, the next one knows the field
    found = search(pipeline, "fine tea", page_size=3, caps=caps)["ids"]
    assert len(set(found) & set(first)) <= 1
