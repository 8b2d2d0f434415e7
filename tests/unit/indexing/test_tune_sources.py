"""What a shop's log says of its sources: learned where it says something, defaults and the reason where it does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mercato.events.event import Event
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import SourceTuning, read_tuning
from mercato.requests.retrieval import Kind, Placement
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import KNOWN, NEW, WEIGHTS, weigh_shop
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.retrieval.asking import ask, ids_of

ITEMS = [stores.product(f"t{n:03d}", f"thing number {n}") for n in range(120)]


def chains(users: int = 260, seed: int = 4) -> list[Event]:
    """Nobody buys anything twice: of twelve series of ten everybody goes through one, in order, from anywhere."""
    random = np.random.default_rng(seed)
    events = []
    for user in range(users):
        series, start, length = int(random.integers(12)), int(random.integers(5)), int(random.integers(3, 6))
        first = float(random.uniform(40, 200))
        for step in range(length):
            item = f"t{series * 10 + start + step:03d}"
            events.append(stores.purchase(f"u{user}", item, first - 7 * step, order=f"{user}-{step}"))
    return events


def index(folder: Path, events: list[Event]) -> tuple[Snapshot, SqliteStateStore]:
    store = stores.open_store(folder / "state.db", events)
    stores.build(folder / "catalog", ITEMS, store.event_columns())
    return Snapshot(folder / "catalog"), store


def test_a_shop_where_nobody_buys_twice(tmp_path: Path) -> None:
    snapshot, store = index(tmp_path, chains())
    tuning = snapshot.tuning
    assert KNOWN in tuning.weights
    assert tuning.gains[KNOWN].low > 0
    assert "weighed on" in tuning.say()

    retriever = Retriever(LiveCatalog(snapshot, store), store)
    answer = ids_of(retriever, ask(retriever, stores.request(Placement.HOME_PAGE, user_id="u7", depth=20)))
    bought = {event.product_id for event in chains() if event.user_id == "u7"}
    assert not bought & set(answer), "what is bought once is not shown again"
    (series,) = {item[:3] for item in bought}
    assert answer[0][:3] == series
    store.close()


def test_what_the_shop_says_goes_before(tmp_path: Path) -> None:
    snapshot, store = index(tmp_path, chains())
    store.close()
    weighing = weigh_shop(snapshot.tuning, {"also_bought": 0.0, "home-page.popular": 2.0})
    home = weighing.choose(Placement.HOME_PAGE, Kind.BOTH, KNOWN)
    assert "also_bought" not in home.weights
    assert "also_bought" not in home.slopes
    assert home.weights["popular"] == 2.0
    assert "popular" not in home.slopes
    assert weighing.choose(Placement.RANK, Kind.BOTH, KNOWN).weights.get("popular") != 2.0
    assert weighing.choose(Placement.CART, Kind.BOTH, KNOWN).weights == {
        name: weight for name, weight in WEIGHTS[Placement.CART].items() if name != "also_bought"
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda: [],
        lambda: stores.make_purchases(),
        lambda: chains(users=25),  # about a hundred events
        lambda: [stores.purchase("u1", f"t{n % 120:03d}", 300 - n, order=f"o{n}") for n in range(250)],
    ],
)
def test_too_little_keeps_the_defaults_and_says_so(tmp_path: Path, make: Callable[[], list[Event]]) -> None:
    snapshot, store = index(tmp_path, make())
    store.close()
    assert snapshot.tuning.weights == {}
    assert "too few to learn from" in snapshot.tuning.note
    assert snapshot.tuning.note in snapshot.tuning.say()


def test_one_product_that_everybody_buys(tmp_path: Path) -> None:
    events = [stores.purchase(f"u{user}", "t000", day, order=f"{user}-{day}") for user in range(150) for day in (50, 9)]
    snapshot, store = index(tmp_path, events)
    store.close()
    assert snapshot.tuning.weights == {}
    assert "nothing certain" in snapshot.tuning.note


def test_what_is_held_back_by_until_is_not_read(tmp_path: Path) -> None:
    events = chains()
    until = stores.NOW - 100 * stores.DAY
    later = [event for event in events if event.time >= until]
    assert later
    store = stores.open_store(tmp_path / "state.db", events)
    stores.build(tmp_path / "catalog", ITEMS, store.event_columns(), until=until)
    store.close()
    store = stores.open_store(tmp_path / "past.db", [event for event in events if event.time < until])
    stores.build(tmp_path / "past", ITEMS, store.event_columns(), until=until)
    store.close()
    assert read_tuning(tmp_path / "catalog") == read_tuning(tmp_path / "past")


def test_a_snapshot_from_before_has_the_defaults(tmp_path: Path) -> None:
    assert read_tuning(tmp_path) == SourceTuning()
    assert "defaults" in SourceTuning().say()


def sets(users: int = 200, seed: int = 6) -> list[Event]:
    """Orders of three of a set of four, of thirty sets whose titles say nothing of it; everybody comes three times."""
    random = np.random.default_rng(seed)
    events = []
    for user in range(users):
        for visit in range(3):
            first, ago = int(random.integers(30)), float(random.uniform(1, 60)) + 60 * (2 - visit)
            for item in random.permutation(4)[:3]:
                number = (first + 30 * int(item)) % 120
                events.append(stores.purchase(f"u{user}", f"t{number:03d}", ago, order=f"{user}-{visit}"))
    return events


def test_pages_that_start_from_products_are_weighed_by_what_else_was_bought(tmp_path: Path) -> None:
    snapshot, store = index(tmp_path, sets())
    tuning = snapshot.tuning
    page, cart = (placement.label for placement in (Placement.PRODUCT_PAGE, Placement.CART))
    assert {page, cart} <= tuning.gains.keys()
    assert page in tuning.weights
    weighing = weigh_shop(tuning)
    defaults = WEIGHTS[Placement.PRODUCT_PAGE]
    learned = weighing.choose(Placement.PRODUCT_PAGE, Kind.BOTH, KNOWN).weights
    assert learned["similar"] / learned["cooccurrence"] < defaults["similar"] / defaults["cooccurrence"]
    alone = weighing.choose(Placement.PRODUCT_PAGE, Kind.SIMILAR, KNOWN)
    assert alone.weights == {name: defaults[name] for name in ("similar", "session")}
    assert not alone.slopes

    retriever = Retriever(LiveCatalog(snapshot, store), store)
    found = ids_of(retriever, ask(retriever, stores.request(Placement.PRODUCT_PAGE, seed_ids=("t007",), depth=20)))
    assert set(found[:3]) == {"t037", "t067", "t097"}
    store.close()


def test_who_has_many_products_goes_by_what_was_learned_of_such_shoppers() -> None:
    tuning = SourceTuning(weights={"known": {"popular": 1.0}, "heavy": {"popular": 2.0}}, heavy=10, note="")
    weighing = weigh_shop(tuning)
    by_products = [
        weighing.choose(Placement.HOME_PAGE, Kind.BOTH, KNOWN, products).weights["popular"]
        for products in (1, 9, 10, 99)
    ]
    assert by_products == [1.0, 1.0, 2.0, 2.0]  # nothing was learned of light ones: they are known
    assert (
        weigh_shop(replace(tuning, heavy=0)).choose(Placement.HOME_PAGE, Kind.BOTH, KNOWN, 99).weights["popular"] == 1
    )
    stranger = weighing.choose(Placement.HOME_PAGE, Kind.BOTH, NEW, 0)
    assert stranger.weights["popular"] == WEIGHTS[Placement.HOME_PAGE]["popular"]
    assert weighing.choose(Placement.CART, Kind.BOTH, KNOWN, 99).weights == WEIGHTS[Placement.CART]
