"""A retriever between two indexings: what people do now is in what it recommends, and what they take back is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LiveLearning
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.registry import list_labels, list_needed
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import NOW, build, event, make_purchases, open_store, product, purchase, upsert
from tests.unit.retrieval.asking import ask, ids_of

STRANGER = RetrievalRequest(placement=Placement.HOME_PAGE, context=Context(time=NOW + 60.0))


def open_shop(folder: Path, store: SqliteStateStore) -> Retriever:
    """A process of its own on a state, which looks at the log for every request."""
    catalog = LiveCatalog(Snapshot(folder), store)
    return Retriever(catalog, store, learning=LiveLearning(catalog, store, list_needed(), every_s=0.0))


@pytest.fixture
def shop(shop_folder: Path, store: SqliteStateStore) -> Retriever:
    return open_shop(shop_folder, store)


def buy(store: SqliteStateStore, product_id: str, count: int, kind: str = "purchase-complete") -> None:
    store.append_events([event(kind, product_id, 0.001, user_id=f"n{number}") for number in range(count)])


def show(shop: Retriever, request: RetrievalRequest = STRANGER) -> dict[str, list[str]]:
    """Return what is shown, in order, with its sources."""
    answer = ask(shop, request)
    sources = [list_labels(int(flags)) for flags in answer.sources]
    return dict(zip(ids_of(shop, answer), sources, strict=False))


def test_what_ten_people_buy_now_is_popular_and_trending_at_once(
    shop: Retriever, shop_folder: Path, store: SqliteStateStore
) -> None:
    assert list(show(shop))[0] != "p33"
    buy(store, "p33", 10)
    shown = show(shop)
    assert list(shown)[0] == "p33"
    assert {"popular", "trending"} <= set(shown["p33"])
    other = open_shop(shop_folder, store)
    assert show(other) == shown  # another process, or this one after a restart


def test_what_all_of_them_return_is_neither_any_more(shop: Retriever, store: SqliteStateStore) -> None:
    before = show(shop)
    buy(store, "p33", 10)
    assert "trending" in show(shop)["p33"]
    buy(store, "p33", 10, kind="refund")
    after = show(shop)
    assert "trending" not in after["p33"]
    assert list(after).index("p33") >= list(before).index("p33")


def test_one_person_pushes_nothing(shop: Retriever, store: SqliteStateStore) -> None:
    first = list(show(shop))[:2]
    store.append_events([purchase("n0", "p33", 0.0001 * number) for number in range(1, 50)])
    shown = show(shop)
    assert list(shown)[:2] == first
    assert "trending" not in shown["p33"]


def test_a_product_that_the_snapshot_does_not_have_takes_part(shop: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([upsert(product("new", "Cherry liqueur", price=9.0))])
    buy(store, "new", 10)
    shown = show(shop)
    assert list(shown)[0] == "new"
    assert {"popular", "trending"} <= set(shown["new"])
    store.append_product_changes([ProductChange("delete", "new")])
    assert "new" not in show(shop)


def test_a_product_that_was_deleted_since_is_not_shown(shop: Retriever, store: SqliteStateStore) -> None:
    buy(store, "p33", 10)
    store.append_product_changes([ProductChange("delete", "p33")])
    assert "p33" not in show(shop)


def test_a_moment_before_does_not_know_of_it(shop: Retriever, store: SqliteStateStore) -> None:
    before = RetrievalRequest(placement=Placement.HOME_PAGE, context=Context(time=NOW - 86_400.0), as_of=True)
    expected = show(shop, before)
    buy(store, "p33", 10)
    assert show(shop, before) == expected


def test_what_goes_together_now_is_around_a_product_page(shop: Retriever, store: SqliteStateStore) -> None:
    page = RetrievalRequest(placement=Placement.CART, seed_ids=("p25",), context=STRANGER.context)
    assert "cooccurrence" not in show(shop, page)["p33"]
    store.append_events(
        [purchase(f"n{number}", one, 0.001, order=f"n{number}") for number in range(5) for one in ("p25", "p33")]
    )
    assert "cooccurrence" in show(shop, page)["p33"]


def test_a_snapshot_of_another_log_is_left_as_it_is(tmp_path: Path) -> None:
    store = open_store(tmp_path / "log.db", make_purchases())
    build(tmp_path / "catalog", events=store.event_columns())
    store.close()
    empty = open_store(tmp_path / "state.db")
    shop = open_shop(tmp_path / "catalog", empty)
    expected = show(shop)
    buy(empty, "p33", 3)
    assert show(shop) == expected
