"""Recommending from the small shop: histories, seeds, what goes together, popularity; changes and failures.

What `make_purchases` teaches: p04 and p12 are bought together by five households, p20 often by u0, p30 once by u1.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from mercato.features.features import FEATURE_NAMES
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import (
    build,
    delete,
    event,
    make_products,
    open_store,
    product,
    purchase,
    request,
    upsert,
)
from tests.unit.retrieval.asking import all_pages, ask, ids_of, page

OLD = {item.id: item for item in make_products()}
# The decayed counts: 15 purchases each of p04 and p12, 4 of p20, 1 of p30; what was never bought follows by id.
NEVER_BOUGHT = [product_id for product_id in OLD if product_id not in ("p04", "p12", "p20", "p30")]
BY_POPULARITY = ["p04", "p12", "p30", "p20", *NEVER_BOUGHT]  # p30 was bought last; how often counts nothing

HOME, PAGE, CART, CATEGORY = Placement.HOME_PAGE, Placement.PRODUCT_PAGE, Placement.CART, Placement.CATEGORY


def sources_of(retriever: Retriever, answer: Retrieved) -> dict[str, int]:
    ids = [retriever.catalog.id_of(row) for row in answer.rows.tolist()]
    return dict(zip(ids, answer.sources[: len(ids)].tolist(), strict=True))


# -- Shoppers


@pytest.mark.parametrize("placement", [HOME, PAGE, CART, CATEGORY])
@pytest.mark.parametrize("who", [{}, {"user_id": "stranger"}, {"visitor_id": "new"}])
def test_who_is_unknown_gets_what_is_popular(retriever: Retriever, placement: Placement, who: dict[str, str]) -> None:
    answer = ask(retriever, request(placement, depth=50, **who))

    assert ids_of(retriever, answer) == BY_POPULARITY
    assert (answer.sources == FLAGS["popular"]).all()
    assert (answer.total, answer.degraded) == (40, [])
    assert not answer.history_vector.any()


@pytest.mark.parametrize("placement", [HOME, CATEGORY])
def test_what_a_shopper_buys_again_and_again_comes_first(retriever: Retriever, placement: Placement) -> None:
    answer = ask(retriever, request(placement, user_id="u0", depth=50))

    # Of the home page's sources, repeats weigh 3; all others together 2.
    assert set(ids_of(retriever, answer)[:3]) == {"p20", "p04", "p12"}
    found = sources_of(retriever, answer)
    assert all(found[product_id] & FLAGS["repeat"] for product_id in ("p20", "p04", "p12"))
    assert not found["p30"] & FLAGS["repeat"]
    assert sorted(ids_of(retriever, answer)) == sorted(OLD)


def test_a_history_is_summed_up_as_a_direction(retriever: Retriever) -> None:
    answer = ask(retriever, request(HOME, user_id="u1"))

    assert np.linalg.norm(answer.history_vector) == pytest.approx(1.0, abs=1e-6)


def test_a_purchase_changes_the_next_answer(retriever: Retriever, store: SqliteStateStore) -> None:
    asked = request(HOME, user_id="u9", depth=50)
    assert ids_of(retriever, ask(retriever, asked)) == BY_POPULARITY

    store.append_events([purchase("u9", "p38", 0)])
    answer = ask(retriever, asked)

    assert ids_of(retriever, answer)[0] == "p38"
    assert sources_of(retriever, answer)["p38"] & FLAGS["repeat"]
    # All juices are like it: the title's two words, the category and the size make the texts nearly the same.
    similar = [product_id for product_id, source in sources_of(retriever, answer).items() if source & FLAGS["similar"]]
    assert {"p36", "p37", "p39"} <= set(similar)


def test_a_session_without_a_user_counts_too(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_events([event("detail-page-view", "p25", 0, visitor_id="v1")])

    answer = ask(retriever, request(HOME, visitor_id="v1", depth=50))

    assert ids_of(retriever, answer)[0] == "p25"
    assert sources_of(retriever, answer)["p25"] & FLAGS["repeat"]


def test_what_was_taken_out_of_the_cart_is_not_held_against_or_for_a_shopper(
    retriever: Retriever, store: SqliteStateStore
) -> None:
    store.append_events([event("remove-from-cart", "p25", 0, user_id="u9")])

    answer = ask(retriever, request(HOME, user_id="u9", depth=50))

    assert ids_of(retriever, answer) == BY_POPULARITY


def test_events_of_products_that_are_gone_are_passed_over(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_events([purchase("u9", "p38", 0), purchase("u9", "never sold", 0)])
    store.append_product_changes([delete("p38")])

    answer = ask(retriever, request(HOME, user_id="u9", depth=50))

    assert ids_of(retriever, answer) == [product_id for product_id in BY_POPULARITY if product_id != "p38"]
    assert answer.total == 39


@pytest.mark.parametrize("placement", [HOME, CATEGORY])
def test_what_was_bought_lately_is_left_out_where_that_is_asked_for(retriever: Retriever, placement: Placement) -> None:
    # u0 bought p20 5 days ago, p04 and p12 10 days ago.
    week = ask(retriever, request(placement, user_id="u0", depth=50, exclude_purchased_days=7.0))
    ever = ask(retriever, request(placement, user_id="u0", depth=50, exclude_purchased_days=36_500.0))

    assert set(OLD) - set(ids_of(retriever, week)) == {"p20"}
    assert set(OLD) - set(ids_of(retriever, ever)) == {"p20", "p04", "p12"}
    assert (week.total, ever.total) == (39, 37)
    stranger = ask(retriever, request(placement, user_id="stranger", depth=50, exclude_purchased_days=36_500.0))
    assert ids_of(retriever, stranger) == BY_POPULARITY


def test_a_source_that_is_switched_off_is_not_asked(retriever: Retriever) -> None:
    weights = change_weights({"repeat": 0.0, "similar": 0.0})
    quiet = Retriever(retriever.catalog, None, weights)

    answer = ask(quiet, request(PAGE, seed_ids=("p04",), depth=50))

    assert sources_of(quiet, answer) == {"p12": FLAGS["cooccurrence"] | FLAGS["also_bought"]}


# -- Seeds


@pytest.mark.parametrize("placement", [PAGE, CART])
def test_around_a_product_comes_what_is_like_it_and_goes_with_it_but_not_itself(
    retriever: Retriever, placement: Placement
) -> None:
    answer = ask(retriever, request(placement, seed_ids=("p04",), depth=50))

    found = ids_of(retriever, answer)
    assert "p04" not in found
    assert (len(found), answer.total) == (39, 40 - 1)
    sources = sources_of(retriever, answer)
    assert sources["p12"] & FLAGS["cooccurrence"]
    assert [product_id for product_id, source in sources.items() if source & FLAGS["cooccurrence"]] == ["p12"]
    # The nearest by brute force, the seed left out, is the best of the similar ones.
    catalog = retriever.catalog
    similarity = catalog.snapshot.vectors(np.arange(40)) @ catalog.vectors(np.array([catalog.row_of("p04")]))[0]
    nearest = [catalog.id_of(row) for row in np.argsort(-similarity, kind="stable")]
    assert nearest[0] == "p04"
    assert set(found[:2]) == {nearest[1], "p12"}


def test_the_weights_of_a_product_page_spelt_out(retriever: Retriever) -> None:
    answer = ask(retriever, request(PAGE, seed_ids=("p04",), depth=50))

    catalog = retriever.catalog
    similarity = catalog.snapshot.vectors(np.arange(40)) @ catalog.vectors(np.array([catalog.row_of("p04")]))[0]
    ranking = [catalog.id_of(row) for row in np.argsort(-similarity, kind="stable") if catalog.id_of(row) != "p04"]
    fused = dict(zip(ids_of(retriever, answer), answer.fused.tolist(), strict=True))
    # Similar weighs 2, bought together 1, by the same shoppers 0.5; p12 is the only one bought with the seed.
    expected = {product_id: 2 / (60 + rank) for rank, product_id in enumerate(ranking, start=1)}
    expected["p12"] += 1 / (60 + 1) + 0.5 / (60 + 1)
    assert fused == pytest.approx(expected, rel=1e-5)


def test_several_seeds_are_left_out_together(retriever: Retriever) -> None:
    seeds = ("p04", "p12", "p39")

    answer = ask(retriever, request(CART, seed_ids=seeds, depth=50))

    found = ids_of(retriever, answer)
    assert sorted(found) == sorted(set(OLD) - set(seeds))
    assert answer.total == 40 - 3


def test_unknown_seeds_are_listed_and_the_others_count(retriever: Retriever) -> None:
    answer = ask(retriever, request(PAGE, seed_ids=("nothing", "p04", "gone"), depth=50))
    alone = ask(retriever, request(PAGE, seed_ids=("p04",), depth=50))

    assert answer.missing_ids == ["nothing", "gone"]
    np.testing.assert_array_equal(answer.rows, alone.rows)
    assert answer.total == alone.total


def test_only_unknown_seeds_are_like_none(retriever: Retriever) -> None:
    answer = ask(retriever, request(PAGE, seed_ids=("nothing",), depth=50))

    assert ids_of(retriever, answer) == BY_POPULARITY
    assert answer.missing_ids == ["nothing"]


def test_a_deleted_seed_is_missing(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([delete("p04")])

    answer = ask(retriever, request(PAGE, seed_ids=("p04",), depth=50))

    assert answer.missing_ids == ["p04"]
    assert "p04" not in ids_of(retriever, answer)


def test_a_changed_seed_keeps_what_was_learned_of_it_and_is_left_out(
    retriever: Retriever, store: SqliteStateStore
) -> None:
    store.append_product_changes([upsert(OLD["p04"].merged({"price": 1})), upsert(OLD["p12"].merged({"price": 2}))])

    answer = ask(retriever, request(PAGE, seed_ids=("p04",), depth=50))

    found = ids_of(retriever, answer)
    assert sources_of(retriever, answer)["p12"] & FLAGS["cooccurrence"]
    assert len(found) == len(set(found)) == answer.total == 39
    assert "p04" not in found
    home = ask(retriever, request(HOME, user_id="u0", depth=50))
    names = list(FEATURE_NAMES)
    position = ids_of(retriever, home).index("p12")
    assert home.features[position, names.index("cooccurrence")] > 0
    assert home.features[position, names.index("log_popularity")] > 0


def test_no_features_are_computed_where_no_ranker_is_asked(retriever: Retriever) -> None:
    home = request(HOME, user_id="u0")
    asked = [home, *(request(position, user_id="u0", seed_ids=("p04",)) for position in (PAGE, CART, Placement.RANK))]

    together = [one for one in retriever.retrieve(asked, None) if isinstance(one, Retrieved)]

    assert [bool(one.features.any()) for one in together] == [True, False, False, True]
    for one, alone in zip(together, asked, strict=True):
        assert one.features.shape == (len(one.rows), len(FEATURE_NAMES))
        np.testing.assert_array_equal(one.features, ask(retriever, alone).features)


def test_a_new_product_can_be_a_seed(retriever: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([upsert(product("new", "Large dark chocolate"))])

    answer = ask(retriever, request(PAGE, seed_ids=("new",), depth=50))

    found = ids_of(retriever, answer)
    assert found[0] in {"p08", "p09", "p10", "p11"}  # the four chocolates
    assert "new" not in found
    assert answer.total == 40


def test_a_new_product_is_recommended_where_it_is_like_the_seed(retriever: Retriever, store: SqliteStateStore) -> None:
    twin = OLD["p08"].merged({"brand": None}).as_dict() | {"id": "twin"}
    store.append_product_changes([upsert(product(twin.pop("id"), twin.pop("title"), **twin))])

    answer = ask(retriever, request(PAGE, seed_ids=("p08",), depth=50))

    assert ids_of(retriever, answer)[0] == "twin"


# -- Paging, filters


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    """300 products, some bought, and 30 changes: ten deleted, ten replaced, ten new."""
    folder = tmp_path_factory.mktemp("big")
    store = open_store(
        folder / "state.db",
        [purchase(f"u{n % 7}", f"p{n * 13 % 300:03d}", n % 50 + 1, order=f"o{n // 3}") for n in range(400)],
    )
    items = [product(f"p{n:03d}", f"thing {n % 40} of kind {n % 7}", price=n) for n in range(300)]
    build(folder / "catalog", items, store.event_columns())
    store.append_product_changes(
        [delete(f"p{n:03d}") for n in range(0, 100, 10)]
        + [upsert(items[n].merged({"price": 1000})) for n in range(5, 105, 10)]
        + [upsert(product(f"n{n}", f"thing {n} of kind 3", price=2000)) for n in range(10)]
    )
    yield Retriever(LiveCatalog(Snapshot(folder / "catalog"), store), store)
    store.close()


@pytest.mark.parametrize("size", [1_000, 128, 129, 33])
@pytest.mark.parametrize(
    ("placement", "fields"),
    [
        (HOME, {}),
        (HOME, {"user_id": "u3"}),
        (CATEGORY, {"user_id": "u3", "condition": parse_filter("price >= 200")}),
        (PAGE, {"seed_ids": ("p013", "p015", "p000")}),  # one as it was, one replaced, one deleted
        (CART, {"seed_ids": ("p013", "n3"), "user_id": "u1"}),
        (CART, {"seed_ids": ("p013", "p299"), "condition": parse_filter("price < 150")}),
    ],
)
def test_pages_never_overlap_and_reach_every_product_of_the_total(
    big: Retriever, placement: Placement, fields: dict[str, object], size: int
) -> None:
    asked = request(placement, **fields)

    found = all_pages(big, asked, size)

    assert len(found) == len(set(found)) == ask(big, asked).total
    assert found == page(big, asked, 0, 1_000)
    allowed = big.catalog.allow(asked.condition)
    seeds = {*asked.seed_ids} if placement in (PAGE, CART) else set()
    rows = [*np.flatnonzero(allowed.rows), *(np.flatnonzero(allowed.entries) + big.catalog.base)]
    bought = Counter(f"p{n * 13 % 300:03d}" for n in range(400) if f"u{n % 7}" == asked.user_id)
    once = {item for item, times in bought.items() if times == 1}  # hardly anything is bought twice in this shop
    assert set(found) == {big.catalog.id_of(int(row)) for row in rows} - seeds - once


def test_more_than_there_is(retriever: Retriever) -> None:
    answer = ask(retriever, request(HOME, depth=100_000))

    assert len(ids_of(retriever, answer)) == answer.total == 40


def test_beyond_the_end_there_is_nothing(retriever: Retriever) -> None:
    assert page(retriever, request(HOME), 40, 20) == []
    assert page(retriever, request(HOME), 39, 20) == [BY_POPULARITY[-1]]


def test_a_category_is_a_filter(retriever: Retriever) -> None:
    drinks = parse_filter('categories: ANY("Drinks")')

    answer = ask(retriever, request(CATEGORY, user_id="u0", condition=drinks, depth=50))

    found = ids_of(retriever, answer)
    assert sorted(found) == [f"p{n}" for n in [*range(20, 28), *range(36, 40)]]
    assert found[0] == "p20"  # which u0 buys
    assert answer.total == 12


@pytest.mark.parametrize("strict", [True, False])
def test_a_filter_that_matches_nothing(retriever: Retriever, strict: bool) -> None:
    asked = request(HOME, condition=parse_filter("price > 1000"), strict_filtering=strict, depth=50)

    answer = ask(retriever, asked)

    assert ids_of(retriever, answer) == ([] if strict else BY_POPULARITY)
    assert (answer.total, answer.relaxed) == ((0, False) if strict else (40, True))


# -- Seeds of which little is known


def test_an_unencoded_product_as_the_only_seed_goes_by_what_is_bought_with_it(
    retriever: Retriever, store: SqliteStateStore
) -> None:
    store.append_product_changes([ProductChange("upsert", "p04", OLD["p04"].document(), None)])

    answer = ask(retriever, request(PAGE, seed_ids=("p04",), depth=50))

    assert sources_of(retriever, answer) == {"p12": FLAGS["cooccurrence"] | FLAGS["also_bought"]}
    assert ids_of(retriever, answer)[0] == "p12"
    assert len(ids_of(retriever, answer)) == answer.total == 39


def test_a_seed_of_which_nothing_is_known_leaves_what_is_popular_but_the_seed(
    retriever: Retriever, store: SqliteStateStore
) -> None:
    bare = OLD["p00"]  # never bought
    store.append_product_changes([ProductChange("upsert", "p00", bare.document(), None)])

    answer = ask(retriever, request(PAGE, seed_ids=("p00",), depth=50))

    assert ids_of(retriever, answer) == [product_id for product_id in BY_POPULARITY if product_id != "p00"]
    assert answer.total == 39
