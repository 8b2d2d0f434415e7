"""Searching the small shop: real snapshot, real state, words and vectors together."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.features.features import FEATURE_NAMES
from mercato.filters import matches, parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import WINDOW, Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import HashEncoder, build, delete, make_products, open_store, product, request, search_request, upsert
from tests.unit.retrieval.asking import all_pages, ask, ask_all, ids_of, page

OLD = {item.id: item for item in make_products()}
BIG = 700


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    """700 products: every second is milk, every title of ten is shared, p699 first by id among equals."""
    folder = tmp_path_factory.mktemp("big")
    build(
        folder / "catalog",
        [
            product(f"p{n:03d}", f"{'milk' if n % 2 else 'soup'} number {n // 20 if n % 5 else n}", price=n)
            for n in range(BIG)
        ],
    )
    store = open_store(folder / "state.db")
    yield Retriever(LiveCatalog(Snapshot(folder / "catalog"), store), store)
    store.close()


def test_words_and_vectors_agree_on_the_obvious(retriever: Retriever) -> None:
    answer = ask(retriever, search_request("large frozen pizza"))

    assert ids_of(retriever, answer)[0] == "p05"
    assert answer.sources[0] == FLAGS["words"] | FLAGS["dense"]
    assert answer.fused[0] == pytest.approx(1.5 / 61 + 1 / 61)
    assert (np.diff(answer.fused) <= 0).all()
    assert (answer.degraded, answer.missing_ids, answer.relaxed) == ([], [], False)


def test_every_candidate_has_features_and_a_source(retriever: Retriever) -> None:
    answer = ask(retriever, search_request("milk"))

    assert answer.features.shape == (len(answer.rows), len(FEATURE_NAMES))
    assert np.isfinite(answer.features).all()
    assert (answer.sources > 0).all()
    assert answer.rows.dtype == np.int32
    assert not answer.history_vector.any()


def test_features_tell_scores_and_ranks_of_the_sources(retriever: Retriever) -> None:
    answer = ask(retriever, search_request("organic green tea"))
    column = {name: answer.features[:, position] for position, name in enumerate(FEATURE_NAMES)}

    vectors = retriever.catalog.vectors(answer.rows)
    (query,) = HashEncoder().encode(["organic green tea"])
    dense = answer.sources & FLAGS["dense"] > 0
    np.testing.assert_allclose(column["dense_score"][dense], (vectors @ query)[dense], atol=1e-5)
    words = answer.sources & FLAGS["words"] > 0
    assert (column["word_score"][words] > 0).all()
    assert (column["word_score"][~words] == 0).all()
    assert (column["has_query"] == 1).all()


def test_without_an_encoder_words_answer_alone(retriever: Retriever) -> None:
    answer = ask(retriever, search_request("milk"), encoder=False)

    assert set(ids_of(retriever, answer)) == {"p00", "p01", "p02", "p03"}
    assert (answer.sources == FLAGS["words"]).all()
    assert (answer.degraded, answer.total) == (["encoder"], 4)


def test_without_an_encoder_and_without_a_known_word_nothing_is_found(retriever: Retriever) -> None:
    answer = ask(retriever, search_request("xyzzy"), encoder=False)

    assert (ids_of(retriever, answer), answer.total) == ([], 0)
    assert answer.features.shape == (0, len(FEATURE_NAMES))


@pytest.mark.parametrize("text", ["!!!", "xyzzy", "the of and", "牛奶"])
def test_a_query_without_a_known_word_is_answered_by_vectors(retriever: Retriever, text: str) -> None:
    answer = ask(retriever, search_request(text, beyond=True, depth=100))

    assert answer.total == len(answer.rows) == len(answer.rows) + len(answer.tail) - answer.beyond
    assert len(answer.rows) + len(answer.tail) == len(OLD)
    assert (answer.sources == FLAGS["dense"]).all()


def test_a_product_is_found_by_its_id(retriever: Retriever) -> None:
    assert ids_of(retriever, ask(retriever, search_request("p23"), encoder=False)) == ["p23"]


# -- Paging


@pytest.mark.parametrize("size", [7, 50, WINDOW, WINDOW + 1, 1_000])
@pytest.mark.parametrize("text", ["milk", "milk number 3", "soup xyzzy", "xyzzy"])
def test_pages_never_overlap_and_reach_every_product_of_the_total(big: Retriever, text: str, size: int) -> None:
    asked = search_request(text)

    found = all_pages(big, asked, size)

    assert len(found) == len(set(found)) == ask(big, asked).total
    if text == "milk":
        # Half of the products hold the word; what else is there came from vectors.
        assert len(found) >= BIG / 2
        assert {f"p{n:03d}" for n in range(1, BIG, 2)} <= set(found)
    if text == "milk number 3":
        # All three words are there: every milk numbered 60 // 20 to 79 // 20, the multiples of five aside.
        assert {f"p{n:03d}" for n in range(61, 80, 2) if n % 5} <= set(found)


@settings(max_examples=60, deadline=None)
@given(offset=st.integers(0, 420), size=st.integers(1, 300), text=st.sampled_from(["milk", "soup number 7", "xyzzy"]))
def test_a_page_is_the_same_slice_however_it_is_asked_for(big: Retriever, offset: int, size: int, text: str) -> None:
    everything = page(big, search_request(text), 0, 2_000)

    assert page(big, search_request(text), offset, size) == everything[offset : offset + size]


def test_the_window_does_not_depend_on_the_page(big: Retriever) -> None:
    shallow = ask(big, search_request("milk", depth=1))
    deep = ask(big, search_request("milk", depth=600))

    np.testing.assert_array_equal(shallow.rows, deep.rows)
    np.testing.assert_array_equal(shallow.features, deep.features)
    assert len(shallow.rows) == WINDOW  # words and vectors share too few of their 100 each
    assert len(shallow.tail) == 0
    assert len(deep.tail) == min(600, deep.total) - WINDOW


def test_what_follows_the_window_is_ordered_by_words(big: Retriever) -> None:
    answer = ask(big, search_request("milk", depth=1_000), encoder=False)

    # Every milk scores alike or nearly so; all are there, once.
    assert answer.total == BIG / 2
    assert len(answer.rows) == WINDOW
    assert len(answer.tail) == BIG / 2 - WINDOW


# -- Filters

brands = st.sampled_from(['brand: ANY("Acme")', 'brand: ANY("Bolt", "None")'])
prices = st.builds("price: IN({}, {}i)".format, st.integers(0, 20), st.integers(20, 45))
groups = st.sampled_from(['categories: ANY("Drinks")', 'size: ANY("large", "small")', 'availability: ANY("IN_STOCK")'])
simple = st.one_of(brands, prices, groups)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=4,
)


@settings(max_examples=80, deadline=None)
@given(text=conditions, query=st.sampled_from(["milk", "green tea", "xyzzy"]))
def test_every_product_of_an_answer_passes_the_filter(changed: Retriever, text: str, query: str) -> None:
    condition = parse_filter(text)
    present = [changed.catalog.product(product_id) for product_id in [*OLD, "new"]]
    passing = {item.id for item in present if item is not None and matches(condition, item)}

    search = ask(changed, search_request(query, condition=condition, depth=100, beyond=True))
    recommended = ask(changed, request(Placement.HOME_PAGE, condition=condition, user_id="u0", depth=100))

    # Fewer products than candidates: every one that passes is an answer of both, if need be below the floor.
    for answer in (search, recommended):
        found = ids_of(changed, answer)
        assert len(found) == len(set(found)) == answer.total + answer.beyond
        assert set(found) == passing
        assert not answer.relaxed


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    """The small shop after changes: p03 deleted, p10 without a brand, p20 dearer, a new product."""
    folder = tmp_path_factory.mktemp("changed")
    build(folder / "catalog")
    store = open_store(folder / "state.db")
    store.append_product_changes(
        [
            delete("p03"),
            upsert(OLD["p10"].merged({"brand": None})),
            upsert(OLD["p20"].merged({"price": 44})),
            upsert(product("new", "Oat milk", brand="Acme", price=12, attributes={"size": "large"})),
        ]
    )
    catalog = LiveCatalog(Snapshot(folder / "catalog"), store)
    catalog.refresh()
    yield Retriever(catalog, store)
    store.close()


def test_a_filter_that_matches_nothing_empties_the_answer(retriever: Retriever) -> None:
    answer = ask(retriever, search_request("milk", condition=parse_filter("price > 1000")))

    assert (ids_of(retriever, answer), answer.total, answer.relaxed) == ([], 0, False)


def test_a_filter_may_be_dropped_where_it_leaves_nothing(retriever: Retriever) -> None:
    nothing, something = parse_filter("price > 1000"), parse_filter("price < 2")

    dropped = ask(retriever, search_request("milk", condition=nothing, strict_filtering=False))
    kept = ask(retriever, search_request("milk", condition=something, strict_filtering=False))

    np.testing.assert_array_equal(dropped.rows, ask(retriever, search_request("milk")).rows)
    assert dropped.relaxed
    assert (ids_of(retriever, kept), kept.relaxed) == (["p00"], False)


# -- Changes


def test_a_new_product_is_found_by_words_and_by_vectors(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([upsert(product("new", "Sparkling mineral water"))])

    by_words = ask(retriever, search_request("sparkling"), encoder=False)
    assert ids_of(retriever, by_words) == ["new"]
    # The hash encoder reads whole words, the word index their stems: this query shares no term with the product.
    (vector,) = HashEncoder().encode(["Sparkling mineral water"])
    (answer,) = retriever.retrieve([search_request("xyzzy")], vector[None])
    assert isinstance(answer, Retrieved)
    assert ids_of(retriever, answer)[0] == "new"
    assert answer.sources[0] == FLAGS["dense"]


def test_a_replaced_product_is_found_by_what_it_is_now(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([upsert(product("p05", "Sparkling mineral water"))])

    assert ids_of(retriever, ask(retriever, search_request("sparkling"), encoder=False)) == ["p05"]
    pizzas = ids_of(retriever, ask(retriever, search_request("frozen pizza"), encoder=False))
    assert set(pizzas) == {"p04", "p06", "p07"}
    both = ids_of(retriever, ask(retriever, search_request("frozen pizza", beyond=True, depth=100)))
    assert both.count("p05") == 1
    assert len(both) == len(set(both)) == 40


def test_a_deleted_product_is_never_an_answer(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([delete("p05")])
    requests = [
        search_request("large frozen pizza", depth=100),
        search_request("p05", depth=100, beyond=True),
        request(Placement.HOME_PAGE, user_id="u0", depth=100),
        request(Placement.PRODUCT_PAGE, seed_ids=("p04",), depth=100),
        search_request("pizza", depth=100, condition=parse_filter('categories: ANY("Frozen")')),
    ]

    for answer in ask_all(retriever, requests):
        assert isinstance(answer, Retrieved)
        found = ids_of(retriever, answer)
        assert found
        assert "p05" not in found
        assert len(found) == answer.total + answer.beyond


def test_deleted_and_put_back_it_is_found_again(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([delete("p05"), upsert(OLD["p05"])])

    answer = ask(retriever, search_request("large frozen pizza", beyond=True, depth=100))

    assert ids_of(retriever, answer)[0] == "p05"
    assert answer.total + answer.beyond == 40


def test_a_price_change_passes_its_filter_at_once(retriever: Retriever, store: SqliteStateStore) -> None:
    asked = search_request("milk", condition=parse_filter("price < 2.5"))
    assert set(ids_of(retriever, ask(retriever, asked))) == {"p00", "p01"}

    store.append_product_changes([upsert(OLD["p03"].merged({"price": 1})), upsert(OLD["p00"].merged({"price": 3}))])

    assert set(ids_of(retriever, ask(retriever, asked))) == {"p01", "p03"}


def test_a_product_without_a_vector_is_found_by_words_alone(retriever: Retriever, store: SqliteStateStore) -> None:
    item = product("new", "Sparkling mineral water")
    store.append_product_changes([ProductChange("upsert", "new", item.document(), None)])

    answer = ask(retriever, search_request("sparkling"))

    position = ids_of(retriever, answer).index("new")
    assert answer.sources[position] == FLAGS["words"]
    assert answer.fused[position] == pytest.approx(1.5 / 61)


@pytest.mark.parametrize("condition", [None, "price >= 0"])
@pytest.mark.parametrize("gone", [150, 690])
def test_many_deletions_around_a_query_leave_a_full_answer(
    big: Retriever, tmp_path: Path, condition: str | None, gone: int
) -> None:
    """The nearest products are deleted, others changed: the answer is what brute force finds among the rest."""
    snapshot = big.catalog.snapshot
    (query,) = HashEncoder().encode(["xyzzy"])
    similarity = snapshot.vectors(np.arange(BIG)) @ query
    nearest = np.argsort(-similarity, kind="stable")
    store = open_store(tmp_path / "state.db")
    changes = [delete(snapshot.documents.id(row)) for row in nearest[:gone]]
    changes += [upsert(product(f"n{n}", f"bread number {n}")) for n in range(120)]
    store.append_product_changes(changes)
    retriever = Retriever(LiveCatalog(snapshot, store), store)

    narrowed = parse_filter(condition) if condition else None
    answer = ask(retriever, search_request("xyzzy", condition=narrowed, depth=1_000, beyond=True))

    fresh = HashEncoder().encode([f"bread number {n}" for n in range(120)]) @ query
    # The filter passes no product without a price, so none of the new ones.
    left = {snapshot.documents.id(row): similarity[row] for row in nearest[gone:]}
    left |= {} if condition else {f"n{n}": fresh[n] for n in range(120)}
    expected = sorted(left.values(), reverse=True)[:SEARCH_CANDIDATES]
    found = ids_of(retriever, answer)
    assert len(found) == min(SEARCH_CANDIDATES, len(left)) == answer.total + answer.beyond
    np.testing.assert_allclose([left[product_id] for product_id in found], expected, atol=1e-5)


@pytest.mark.parametrize("condition", [None, "price >= 5000"])
def test_new_prices_do_not_change_what_a_text_is_like(big: Retriever, tmp_path: Path, condition: str | None) -> None:
    """Every product has a new price, so every row is replaced; the texts, and so the nearest ones, stay."""
    snapshot = big.catalog.snapshot
    before = ids_of(big, ask(big, search_request("xyzzy")))
    store = open_store(tmp_path / "state.db")
    present = [big.catalog.product(product_id) for product_id in snapshot.documents.ids()]
    store.append_product_changes([upsert(item.merged({"price": 5_000})) for item in present if item is not None])
    retriever = Retriever(LiveCatalog(snapshot, store), store)

    asked = search_request("xyzzy", condition=parse_filter(condition) if condition else None)
    answer = ask(retriever, asked)

    assert ids_of(retriever, answer) == before
    assert (answer.rows >= BIG).all()
    assert len(retriever.catalog.delta.own_entries) == 0


def test_every_product_deleted_leaves_empty_answers(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([delete(product_id) for product_id in OLD])

    for answer in ask_all(
        retriever,
        [
            search_request("milk"),
            request(Placement.HOME_PAGE, user_id="u0"),
            request(Placement.CART, seed_ids=("p04",)),
        ],
    ):
        assert isinstance(answer, Retrieved)
        assert (ids_of(retriever, answer), answer.total) == ([], 0)
