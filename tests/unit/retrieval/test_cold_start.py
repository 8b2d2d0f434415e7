"""The source `arrival`: first sold recently, and cold-start products of which nothing is known but their texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.features.inputs import Context
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.boost import Boost
from mercato.requests.retrieval import WINDOW, Placement, RetrievalRequest, Retrieved
from mercato.retrieval.cold_start import COLD_START_SLOTS, give_slots, list_cold_start
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks
from mercato.retrieval.result import BOOSTED_SLOTS
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from tests.stores import DAY, NOW, build, delete, open_store, product, purchase, request, upsert
from tests.unit.retrieval.asking import all_pages, ask, ids_of

HOME, CATEGORY, RANK = Placement.HOME_PAGE, Placement.CATEGORY, Placement.RANK
KINDS = ("milk", "pizza", "chocolate", "shampoo", "soup")


def came(days_ago: float) -> str:
    return datetime.fromtimestamp(NOW - days_ago * DAY, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def shelf() -> list[Product]:
    """400 products, s000 sells best; s382 to s399 were never sold, and some of these say since when they are here."""
    since = {391: 27.0, 392: 3.0, 393: 29.0, 394: -2.0, 395: 400.0, 10: 2.0}
    return [
        product(
            f"s{n:03d}",
            f"{KINDS[n % 5]} number {n}",
            price=float(n + 1),
            categories=["Store", KINDS[n % 5]],
            **({"available_time": came(since[n])} if n in since else {}),
        )
        for n in range(400)
    ]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Retriever, SqliteStateStore]]:
    """Sold for a year; s380 for the first time this week, to four shoppers, s381 to two."""
    events = [purchase(f"u{n % 23}", f"s{n:03d}", 30 + n % 300, order=f"o{n}") for n in range(380)]
    events += [purchase(f"v{copy}", f"s{n:03d}", 40, order=f"p{n}-{copy}") for n in range(60) for copy in range(70 - n)]
    events += [purchase(f"w{n}", "s380", 2) for n in range(4)] + [purchase(f"w{n}", "s381", 2) for n in range(2)]
    store = open_store(tmp_path / "state.db", events)
    build(tmp_path / "catalog", shelf(), store.event_columns())
    yield Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), store), store), store
    store.close()


BOUGHT_BY_U3 = len(range(3, 380, 23))


def asked(placement: Placement = HOME, **fields: object) -> RetrievalRequest:
    return request(placement, **{"context": Context(time=NOW), "depth": 500, **fields})


def brought(retriever: Retriever, answer: Retrieved) -> list[str]:
    held = (answer.sources & FLAGS["arrival"]) > 0
    return [item for item, has in zip(ids_of(retriever, answer), held, strict=True) if has]


def in_window(retriever: Retriever, answer: Retrieved) -> list[str]:
    return [retriever.catalog.id_of(row) for row in answer.rows.tolist()]


def cold_start(retriever: Retriever, days_later: float = 0.0) -> list[str]:
    return [retriever.catalog.id_of(row) for row in list_cold_start(retriever.catalog, NOW + days_later * DAY).tolist()]


def test_cold_start_products_are_here_for_four_weeks_and_hardly_bought(
    shop: tuple[Retriever, SqliteStateStore],
) -> None:
    retriever, _ = shop
    assert cold_start(retriever) == ["s392", "s391"]  # s393 is too old, s394 not here yet, s010 is bought often
    assert cold_start(retriever, days_later=2.1) == ["s394", "s392"]
    assert cold_start(retriever, days_later=40.0) == []


def test_what_a_live_update_added_is_new_whatever_it_says_but_not_before_it_is_here(
    shop: tuple[Retriever, SqliteStateStore],
) -> None:
    retriever, store = shop
    changes = [
        upsert(product("new1", "Sparkling water")),
        upsert(product("new2", "Old wine", available_time=came(4_000))),
        upsert(product("new3", "Next year's wine", available_time=came(-90))),
        upsert(shelf()[200].merged({"price": 3.0})),  # known before
        upsert(product("new1", "Sparkling water", price=2.0)),  # changed again
        upsert(product("new5", "Sold out", availability="OUT_OF_STOCK")),
        upsert(product("new4", "Gone at once")),
        delete("new4"),
    ]
    store.append_product_changes(changes)
    retriever.catalog.refresh()
    assert cold_start(retriever) == ["new1", "new2", "s392", "s391"]
    assert cold_start(retriever, days_later=100.0) == ["new1", "new3", "new2"]


def test_of_one_day_what_was_bought_at_all_goes_first(tmp_path: Path) -> None:
    dated = [product(f"d{n}", f"Thing {n}", available_time=came(3 if n < 4 else 2)) for n in range(5)]
    others = [product(f"e{n}", f"Thing {n}") for n in range(24)]
    store = open_store(
        tmp_path / "state.db", [purchase("u1", "d2", 1), purchase("u2", "d2", 1), purchase("u3", "d1", 1)]
    )
    build(tmp_path / "catalog", [*dated, *others], store.event_columns())
    retriever = Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), store), store)

    assert cold_start(retriever) == ["d4", "d2", "d1", "d0", "d3"]
    store.append_product_changes([upsert(dated[3].merged({"price": 2.0})), upsert(product("new", "Thing"))])
    retriever.catalog.refresh()
    assert cold_start(retriever) == ["new", "d4", "d3", "d2", "d1", "d0"], "what was written last, of one day first"
    store.close()


@pytest.mark.parametrize("placement", [HOME, CATEGORY])
@pytest.mark.parametrize("who", [{}, {"user_id": "nobody"}, {"user_id": "u3"}])
def test_a_product_of_minutes_ago_reaches_everybodys_window(
    shop: tuple[Retriever, SqliteStateStore], placement: Placement, who: dict[str, str]
) -> None:
    retriever, store = shop
    before = in_window(retriever, ask(retriever, asked(placement, **who)))
    store.append_product_changes([upsert(product("new", "Sparkling water"))])

    answer = ask(retriever, asked(placement, **who))

    window = in_window(retriever, answer)
    assert "new" in window
    assert "new" in brought(retriever, answer)
    assert len(window) == min(len(before) + 1, WINDOW)
    assert (np.diff(answer.fused) <= 0).all()
    assert len(set(before) - set(window)) == len(before) + 1 - len(window), "a full window gives one position away"


def test_to_strangers_the_best_sellers_come_first_and_arrivals_by_turns(
    shop: tuple[Retriever, SqliteStateStore],
) -> None:
    retriever, store = shop
    store.append_product_changes([upsert(product("new", "Sparkling water"))])

    answer = ask(retriever, asked())

    found = ids_of(retriever, answer)
    # By popularity 0.25 / (60 + rank), by arrival 0.1 / (60 + rank): the second arrival, after s380, is before what
    # is popular at rank 95 and behind: 0.25 / 155 < 0.1 / 62 < 0.25 / 154. One of the ninety-five rises: s381.
    assert found[:3] == ["s380", "s381", "s000"], "what is popular and rising"
    assert found.index("new") == 95
    assert sorted(found) == sorted([*(item.id for item in shelf()), "new"])
    assert set(brought(retriever, answer)) == {"s380", "new", "s392", "s391"}
    sold, *others = sorted(("s380", "new", "s392", "s391"), key=found.index)
    assert sold == "s380", "it is popular besides"
    assert others == ["new", "s392", "s391"]


def test_to_a_shopper_the_nearest_by_text_come_first(shop: tuple[Retriever, SqliteStateStore]) -> None:
    retriever, store = shop
    store.append_events([purchase("soups", f"s{n:03d}", 5) for n in (4, 9, 14)])
    store.append_product_changes(
        [upsert(product("soup", "soup number 900", categories=["Store", "soup"]))]
        + [upsert(product(f"n{n}", f"Thing {n}")) for n in range(12)]
    )
    shopper = ask(retriever, asked(user_id="soups"))
    stranger = ask(retriever, asked())
    assert brought(retriever, shopper)[0] in ("soup", "s380")
    assert "soup" in in_window(retriever, shopper)
    of_stranger = [item for item in brought(retriever, stranger) if item.startswith(("n", "soup"))]
    assert of_stranger[:2] == ["n11", "n10"], "the newest first"


def test_a_window_has_slots_for_some_and_pages_stay_whole(shop: tuple[Retriever, SqliteStateStore]) -> None:
    retriever, store = shop
    store.append_product_changes([upsert(product(f"n{n:02d}", f"Thing {n}")) for n in range(40)])
    loyal = asked(user_id="u3")
    window = in_window(retriever, ask(retriever, loyal))
    assert sum(item.startswith("n") or item in ("s391", "s392") for item in window) == COLD_START_SLOTS == 8
    whole = all_pages(retriever, loyal, 440)
    assert len(whole) == len(set(whole)) == 440 - BOUGHT_BY_U3, "nobody buys twice here: what one has is left out"
    assert whole == all_pages(retriever, loyal, 37)


@pytest.mark.parametrize("who", [{}, {"user_id": "u3"}])
def test_boosted_products_leave_cold_start_products_their_slots(
    shop: tuple[Retriever, SqliteStateStore], who: dict[str, str]
) -> None:
    retriever, store = shop
    store.append_product_changes([upsert(product(f"n{n:02d}", f"Thing {n}")) for n in range(40)])
    plain = in_window(retriever, ask(retriever, asked(HOME, **who)))
    boosted = asked(HOME, rule_boosts=(Boost(parse_filter("price > 200"), 0.5),), **who)

    answer = ask(retriever, boosted)

    window = in_window(retriever, answer)
    came_before = [item for item in plain if item.startswith("n") or item in ("s391", "s392")]
    assert [item for item in window if item in came_before] == came_before[:COLD_START_SLOTS]
    dear = {f"s{n:03d}" for n in range(200, 400)}  # s199 costs 200
    assert len(window) == WINDOW
    assert len(set(window) - set(plain)) == BOOSTED_SLOTS
    assert set(window) - set(plain) <= dear, "the boosted have the positions of others"
    whole = ids_of(retriever, answer)
    assert sorted(whole) == sorted(ids_of(retriever, ask(retriever, asked(HOME, **who))))
    assert whole == all_pages(retriever, boosted, 100)


def test_what_is_not_allowed_is_no_cold_start_product(shop: tuple[Retriever, SqliteStateStore]) -> None:
    retriever, store = shop
    store.append_product_changes([upsert(product("new", "Sparkling water", price=5.0))])
    cheap = ask(retriever, asked(condition=parse_filter("price < 10"), hidden_ids=("s392",)))
    assert brought(retriever, cheap) == ["new"]
    hidden = ask(retriever, asked(hidden_ids=("new", "s380")))
    assert brought(retriever, hidden) == ["s392", "s391"]
    assert "new" not in ids_of(retriever, hidden)


def test_switched_off_nothing_is_new(shop: tuple[Retriever, SqliteStateStore]) -> None:
    retriever, store = shop
    store.append_product_changes([upsert(product("new", "Sparkling water"))])
    quiet = Retriever(retriever.catalog, store, change_weights({"arrival": 0}))
    answer = ask(quiet, asked())
    assert brought(quiet, answer) == []
    assert ids_of(quiet, answer)[-1] == "new"


@pytest.mark.parametrize("placement", [Placement.PRODUCT_PAGE, Placement.CART])
def test_around_a_product_cold_start_products_come_by_their_texts_alone(
    shop: tuple[Retriever, SqliteStateStore], placement: Placement
) -> None:
    retriever, store = shop
    twin = upsert(product("twin", "milk number 0", categories=["Store", "milk"], price=1.0))
    store.append_product_changes([twin])
    answer = ask(retriever, asked(placement, seed_ids=("s000",)))
    position = in_window(retriever, answer).index("twin")
    assert int(answer.sources[position]) == FLAGS["similar"]
    assert brought(retriever, answer) == []


def test_a_list_keeps_its_length_and_no_slots(shop: tuple[Retriever, SqliteStateStore]) -> None:
    retriever, store = shop
    store.append_product_changes([upsert(product("new", "Sparkling water"))])
    answer = ask(retriever, asked(RANK, seed_ids=("new", "s392", "s000", "s001")))
    assert ids_of(retriever, answer)[:2] == ["s000", "s001"]
    assert sorted(ids_of(retriever, answer)) == ["new", "s000", "s001", "s392"]


def test_where_the_whole_shop_is_new_nothing_is(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db")
    dated = [product(f"d{n}", f"Thing {n}", available_time=came(3)) for n in range(8)]
    others = [product(f"e{n}", f"Thing {n}") for n in range(24)]
    for name, items, expected in (("some", [*dated, *others], 8), ("most", [*dated, *others[1:]], 0)):
        build(tmp_path / name, items)
        retriever = Retriever(LiveCatalog(Snapshot(tmp_path / name), store), store)
        assert len(cold_start(retriever)) == expected  # 8 / 32 is a quarter, 8 / 31 is more
    store.close()


def test_slots_of_a_window() -> None:
    # Twenty candidates in order of their rows; the window has twelve positions.
    fused = fuse_reciprocal_ranks([RankedList(rows=np.arange(20, dtype=np.int32), scores=np.ones(20, np.float32))])

    def give(*rows: int, window: int = 12) -> list[int]:
        found: list[int] = give_slots(fused, np.array(rows, np.int32), window).rows.tolist()
        return found

    same = list(range(20))
    assert give() == same
    assert give(3, 11) == same  # they are in the window already
    assert give(15) == [*range(11), 15, 11, 12, 13, 14, 16, 17, 18, 19]
    assert give(19, 15) == [*range(10), 15, 19, 10, 11, 12, 13, 14, 16, 17, 18]
    assert give(11, 15) == [*range(10), 11, 15, 10, 12, 13, 14, 16, 17, 18, 19]  # the last is one of them and stays
    assert give(99) == same  # no candidate
    assert give(*range(12, 20)) == [*range(4), *range(12, 20), *range(4, 12)]
    assert give(*range(6), *range(12, 20)) == [*range(10), 12, 13, 10, 11, *range(14, 20)]  # eight in all
    assert give(15, window=40) == same
    moved = give_slots(fused, np.array([15], np.int32), 12)
    assert moved.ranks[0].tolist() == [row + 1 for row in moved.rows.tolist()]
    assert moved.fused.tolist() == pytest.approx([1 / (60 + rank) for rank in moved.ranks[0].tolist()])
