"""The source `session`: what is looked at next by those who clicked what this visit clicked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mercato.events.event import Event
from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.registry import FLAGS
from mercato.retrieval.sources.session import CLICKED, CLICKED_NEXT
from mercato.state.sqlite import SqliteStateStore
from tests.stores import DAY, NOW, build, delete, event, open_store, request
from tests.unit.retrieval.asking import ask, ids_of

HOME, PAGE, CART = Placement.HOME_PAGE, Placement.PRODUCT_PAGE, Placement.CART
MINUTE = 60.0 / DAY


def views(visitor: str, *products: str, days: float = 3.0) -> list[Event]:
    """A visit that began so many days ago, a minute from click to click."""
    return [
        event("detail-page-view", product, days - number * MINUTE, visitor_id=visitor)
        for number, product in enumerate(products)
    ]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    """From p00 thirty visitors go on to p17, ten to p23; from p01 over p00 all go on to p31."""
    events = [one for number in range(30) for one in views(f"a{number}", "p00", "p17")]
    events += [one for number in range(10) for one in views(f"b{number}", "p00", "p23")]
    events += [one for number in range(10) for one in views(f"c{number}", "p01", "p35", "p31")]
    store = open_store(tmp_path / "state.db", events)
    yield store
    store.close()


@pytest.fixture
def here(state: SqliteStateStore, tmp_path: Path) -> Retriever:
    build(tmp_path / "catalog", events=state.event_columns())
    return Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), state), state)


def brought(retriever: Retriever, answer: Retrieved) -> list[str]:
    """The products that the source brought, in order of the answer."""
    held = (answer.sources & FLAGS["session"]) > 0
    return [product for product, has in zip(ids_of(retriever, answer), held, strict=True) if has]


def asked(placement: Placement = HOME, minutes: float = 5.0, **fields: object) -> RetrievalRequest:
    """A request, so many minutes after `NOW`."""
    return request(placement, context=Context(time=NOW + minutes * 60.0), depth=40, **fields)


def test_a_visitor_sees_next_what_others_looked_at_next(here: Retriever, state: SqliteStateStore) -> None:
    state.append_events(views("me", "p00", days=0))
    home = ask(here, asked(visitor_id="me"))
    assert brought(here, home)[:2] == ["p17", "p23"]
    assert "p00" not in brought(here, home)
    assert not brought(here, ask(here, asked(visitor_id="nobody")))

    state.append_events(views("me", "p35", days=-2 * MINUTE))
    assert brought(here, ask(here, asked(visitor_id="me")))[0] == "p31", "the last click counts most"


def test_a_visit_ends_after_half_an_hour(here: Retriever, state: SqliteStateStore) -> None:
    state.append_events(views("me", "p00", days=0))
    assert brought(here, ask(here, asked(visitor_id="me", minutes=29)))
    assert not brought(here, ask(here, asked(visitor_id="me", minutes=31)))


def test_a_product_page_is_a_click_of_its_own_with_and_without_state(here: Retriever, state: SqliteStateStore) -> None:
    alone = ask(here, asked(PAGE, seed_ids=("p00",)))
    assert brought(here, alone)[:2] == ids_of(here, alone)[:2] == ["p17", "p23"]

    state.append_events(views("me", "p17", days=0))
    after = ask(here, asked(PAGE, seed_ids=("p00",), visitor_id="me"))
    assert brought(here, after)[0] == "p23", "what was looked at in this visit is not looked at next"
    assert not brought(here, ask(here, asked(CART, seed_ids=("p00",))))


def test_of_several_seeds_the_last_is_the_newest_click(here: Retriever) -> None:
    assert brought(here, ask(here, asked(HOME, seed_ids=("p35", "p00"))))[0] == "p17"
    assert brought(here, ask(here, asked(HOME, seed_ids=("p00", "p35"))))[0] == "p31"


def test_unknown_and_deleted_products_are_left_out(here: Retriever, state: SqliteStateStore) -> None:
    state.append_product_changes([delete("p17")])
    state.append_events(views("me", "p00", "gone", days=0))
    assert brought(here, ask(here, asked(visitor_id="me")))[0] == "p23"


def test_it_says_which_click_each_product_follows(here: Retriever, state: SqliteStateStore) -> None:
    state.append_events(views("me", "p35", "p00", days=0))
    answer = ask(here, replace(asked(visitor_id="me"), explain=True))
    assert answer.stages is not None
    evidence = answer.stages.evidence["session"]
    named = dict(zip(ids_of(here, answer), evidence.rows.tolist(), strict=False))
    rows = dict(zip(("p00", "p35"), here.catalog.rows_of(("p00", "p35")).tolist(), strict=True))
    assert named["p17"] == rows["p00"]
    assert named["p31"] == rows["p35"]


def test_what_few_clicked_weighs_little(here: Retriever, state: SqliteStateStore) -> None:
    # 40 went on from p00, 10 from p35, each counting 0.82: of the weight they get 33 / (33 + 20) and 8 / (8 + 20).
    sure, thin = (ask(here, asked(PAGE, seed_ids=(product,))) for product in ("p00", "p35"))
    assert sure.fused[0] > thin.fused[0]
    assert not brought(here, ask(here, asked(PAGE, seed_ids=("p17",)))), "nobody went on from there"


def test_a_shop_without_clicks_learns_nothing_of_them(retriever: Retriever) -> None:
    assert not len(retriever.catalog.snapshot.learned.get(CLICKED).log_clicks)
    assert not brought(retriever, ask(retriever, asked(PAGE, seed_ids=("p04",))))


def test_a_snapshot_from_before_is_served_without(here: Retriever) -> None:
    assert not len(CLICKED.read({}).log_clicks)
    nothing = CLICKED_NEXT.read({})
    assert not len(nothing.add_up(here.catalog.rows_of(("p00",)), CLICKED.read({}).log_clicks).rows)
