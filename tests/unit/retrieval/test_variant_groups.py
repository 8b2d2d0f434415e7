"""Variants that a feed groups by an attribute are one product in what is learned and in lists."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.index.variant_groups import find_group_field, find_leaders, number_groups
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests import stores
from tests.stores import NOW, product, purchase, upsert

COLOURS = ("red", "blue", "green")
MUGS = [
    product(f"mug-{colour}", f"Enamel mug {colour}", price=9.0, attributes={"item_group_id": "MUG", "colour": colour})
    for colour in COLOURS
]
OTHERS = [
    product(f"p{n:02d}", f"Thing number {n}", price=1.0 + n, attributes={"item_group_id": f"G{n}"}) for n in range(30)
]
BUYERS = {"mug-red": 2, "mug-blue": 3, "mug-green": 1, "p00": 4, "p01": 3}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    events = [
        purchase(f"{bought}-{n}", one, 5, order=f"{bought}-{n}")
        for bought, people in BUYERS.items()
        for n in range(people)
        for one in (bought, "p05")
    ]
    store = stores.open_store(tmp_path / "state.db", events)
    yield store
    store.close()


@pytest.fixture
def retriever(tmp_path: Path, state: SqliteStateStore) -> Retriever:
    stores.build(tmp_path / "shop", [*OTHERS, *MUGS], state.event_columns())
    return Retriever(LiveCatalog(Snapshot(tmp_path / "shop"), state), state)


def ask(retriever: Retriever, placement: Placement = Placement.HOME_PAGE, **fields: object) -> tuple[list[str], int]:
    request = RetrievalRequest(placement=placement, context=Context(time=NOW), depth=60, **fields)  # type: ignore[arg-type]
    [answer] = retriever.retrieve([request], None)
    assert isinstance(answer, Retrieved), answer
    rows = [*answer.rows.tolist(), *answer.tail.tolist()]
    ids = [retriever.catalog.id_of(row) for row in rows]
    assert len(ids) == len(set(ids)) == answer.total
    return ids, answer.total


def mugs(ids: list[str]) -> list[str]:
    return [one for one in ids if one.startswith("mug")]


def test_the_attribute_that_groups_is_found_by_name_and_by_what_it_joins() -> None:
    assert find_group_field([*OTHERS, *MUGS]) == "item_group_id"
    assert find_group_field(OTHERS) == ""  # of which no two share a value
    assert (
        find_group_field([product("a", "A", attributes={"size": "S"}), product("b", "B", attributes={"size": "S"})])
        == ""
    )
    groups = number_groups([MUGS[0], OTHERS[0], product("c", "C"), MUGS[1]], "item_group_id")
    assert (groups.tolist(), find_leaders(groups).tolist()) == ([0, 1, -1, 0], [0, 1, 2, 0])


def test_people_of_all_variants_make_a_best_seller_and_the_best_of_them_is_shown(retriever: Retriever) -> None:
    ids, total = ask(retriever)
    assert ids[:3] == ["p05", "mug-blue", "p00"]  # 13 people, 6, 4
    assert mugs(ids) == ["mug-blue"]
    assert total == 31


def test_a_filter_shows_the_best_of_those_that_pass(retriever: Retriever) -> None:
    from mercato.filters import parse_filter

    ids, total = ask(retriever, condition=parse_filter('colour: ANY("red", "green")'))
    assert (ids, total) == (["mug-red"], 1)


def test_the_variant_that_a_shopper_bought_is_shown_again(retriever: Retriever) -> None:
    ids, _ = ask(retriever, user_id="mug-green-0")
    assert mugs(ids) == ["mug-green"]
    assert "mug-green" in ids[:2]
    left_out, _ = ask(retriever, user_id="mug-green-0", exclude_purchased_days=30.0)
    assert mugs(left_out) == []


@pytest.mark.parametrize("placement", [Placement.PRODUCT_PAGE, Placement.CART])
def test_around_a_variant_there_is_none_of_its_kin_and_what_goes_with_all_of_them(
    retriever: Retriever, placement: Placement
) -> None:
    ids, total = ask(retriever, placement, seed_ids=("mug-green",))
    assert (mugs(ids), total) == ([], 30)
    assert "p05" in ids[:3]  # one person bought it with the green one, six with any


def test_a_list_to_order_and_a_search_keep_each(retriever: Retriever) -> None:
    listed = tuple(one.id for one in MUGS)
    assert sorted(ask(retriever, Placement.RANK, seed_ids=listed)[0]) == sorted(listed)
    assert len(mugs(ask(retriever, Placement.SEARCH, text="enamel mug")[0])) == 3


def test_live_changes_join_and_leave_groups(retriever: Retriever, state: SqliteStateStore) -> None:
    fresh = product("mug-black", "Enamel mug black", attributes={"item_group_id": "MUG", "colour": "black"})
    state.append_product_changes([upsert(fresh), upsert(MUGS[1].merged({"availability": "OUT_OF_STOCK"}))])
    ids, total = ask(retriever)
    assert (mugs(ids), total) == (["mug-red"], 31)  # the blue one sells better and is sold out
    state.append_product_changes([ProductChange("delete", "mug-red"), ProductChange("delete", "mug-green")])
    assert mugs(ask(retriever)[0]) == ["mug-black"]
    state.append_product_changes([ProductChange("delete", "mug-black")])
    assert mugs(ask(retriever)[0]) == ["mug-blue"]
    assert ask(retriever)[0][1] == "mug-blue"  # where the group stands


def test_what_was_learned_lies_under_the_first_of_a_group(retriever: Retriever) -> None:
    catalog = retriever.catalog
    rows = catalog.rows_of(["mug-red", "mug-blue", "mug-green", "p00"])
    assert len(set(catalog.original_rows(rows)[:3].tolist())) == 1
    popularity = catalog.features().log_popularity[rows]
    assert np.ptp(popularity[:3]) == 0
    assert popularity[0] > popularity[3]
