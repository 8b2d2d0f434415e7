from collections import Counter

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.filters import Filter, parse_filter
from mercato.index.delta import Delta
from tests.stores import product


def make_delta() -> Delta:
    # Each word of the title counts a half.
    return Delta(2, lambda item: {word: count / 2 for word, count in Counter(item.title.split()).items()})


def add(delta: Delta, item: Product | None, vector: list[float] | None = None, replaced: int = -1) -> None:
    values = None if vector is None else np.array(vector, np.float32)
    delta.append(item, b"" if item is None else item.document(), values, replaced)


def test_an_empty_delta_has_no_entries() -> None:
    delta = make_delta()

    assert len(delta) == 0
    assert delta.own_vectors.shape == (0, 2)
    assert delta.own_positions.tolist() == []
    assert delta.passing(None).tolist() == []
    assert delta.passing(parse_filter("price < 5")).tolist() == []


def test_entries_keep_product_vector_and_replaced_row() -> None:
    delta = make_delta()
    add(delta, product("a", "x"), [1.0, 0.0], 7)
    add(delta, None, None, 3)
    add(delta, product("b", "y"), None)

    assert delta.own_positions.tolist() == [0, -1, -1]
    assert (delta.own_vectors.tolist(), delta.own_entries.tolist()) == ([[1.0, 0.0]], [0])
    assert delta.inherits_vector.tolist() == [False, False, False]
    assert delta.alive.tolist() == [True, False, True]
    assert delta.replaced_rows.tolist() == [7, 3, -1]
    assert delta.documents == [product("a", "x").document(), b"", product("b", "y").document()]


def test_terms_are_kept_by_entry_with_their_weight() -> None:
    delta = make_delta()
    add(delta, product("a", "milk milk bread"))
    add(delta, None)
    add(delta, product("b", "bread"))

    assert (delta.postings["milk"].entries, delta.postings["milk"].weights) == ([0], [2 / 2])
    assert (delta.postings["bread"].entries, delta.postings["bread"].weights) == ([0, 2], [1 / 2, 1 / 2])


def test_it_grows_beyond_its_first_room() -> None:
    delta = make_delta()
    for number in range(200):
        add(delta, product(str(number), f"t{number}"), [float(number), 1.0], number)

    assert delta.own_vectors[:, 0].tolist() == [float(number) for number in range(200)]
    assert delta.replaced_rows.tolist() == list(range(200))
    assert delta.alive.all() and not delta.inherits_vector.any()
    assert delta.own_positions.tolist() == list(range(200))
    assert delta.own_entries.tolist() == list(range(200))
    assert delta.postings["t199"].entries == [199]


def test_a_superseded_entry_passes_nothing() -> None:
    delta = make_delta()
    add(delta, product("a", "x", price=1))
    assert delta.passing(parse_filter("price < 5")).tolist() == [True]
    add(delta, product("a", "x", price=2))

    delta.retire(0)

    assert delta.alive.tolist() == [False, True]
    assert delta.passing(None).tolist() == [False, True]
    assert delta.passing(parse_filter("price < 5")).tolist() == [False, True]


def test_a_filter_asked_before_knows_the_entries_added_since() -> None:
    delta = make_delta()
    cheap = parse_filter("price < 5")
    add(delta, product("a", "x", price=1))
    add(delta, product("b", "x", price=9))
    assert delta.passing(cheap).tolist() == [True, False]

    add(delta, product("c", "x", price=2))
    add(delta, None)

    assert delta.passing(cheap).tolist() == [True, False, True, False]


def test_filters_are_told_apart_by_meaning_not_by_text() -> None:
    delta = make_delta()
    add(delta, product("a", "x", price=1))
    cheap, dear = (Filter(parse_filter(text).expression) for text in ("price < 5", "price > 5"))
    assert cheap.text == dear.text == ""

    assert delta.passing(cheap).tolist() == [True]
    assert delta.passing(dear).tolist() == [False]


def test_what_passing_returns_can_be_written_to() -> None:
    delta = make_delta()
    add(delta, product("a", "x", price=1))
    for condition in (None, parse_filter("price < 5")):
        delta.passing(condition)[0] = False

        assert delta.passing(condition).tolist() == [True]


@pytest.mark.parametrize("count", [1, 300])
def test_many_filters_are_answered_right(count: int) -> None:
    delta = make_delta()
    add(delta, product("a", "x", price=100.5))
    for bound in range(count):
        assert delta.passing(parse_filter(f"price > {bound}")).tolist() == [bound <= 100]


def test_attributes_of_changed_products_are_known_fields() -> None:
    delta = make_delta()
    add(delta, product("a", "x", attributes={"colour": "red"}))
    add(delta, product("b", "x", attributes={"size": 3, "colour": "blue"}))

    assert delta.fields == {"attributes.colour", "attributes.size"}


def test_a_vector_that_the_snapshot_has_is_not_its_own() -> None:
    delta = make_delta()
    delta.append(product("a", "x"), b"{}", np.array([1, 2], np.float32), 4, inherits_vector=True)
    add(delta, product("b", "y"), [3.0, 4.0])

    assert delta.inherits_vector.tolist() == [True, False]
    assert delta.own_positions.tolist() == [-1, 0]
    assert (delta.own_vectors.tolist(), delta.own_entries.tolist()) == ([[3, 4]], [1])


def test_words_that_the_snapshot_has_get_no_second_place() -> None:
    delta = make_delta()
    item = product("a", "milk", attributes={"colour": "red"})
    delta.append(item, b"{}", None, 4, inherits_words=True)
    add(delta, product("b", "milk"))

    assert delta.inherits_words.tolist() == [True, False]
    assert delta.postings["milk"].entries == [1]
    assert delta.fields == {"attributes.colour"}
