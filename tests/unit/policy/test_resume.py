"""Paging through a list while things happen: nothing comes twice, and what is still there is not missed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest

from mercato.events.event import parse_event
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_recommend
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests import stores

EVERYTHING = 40


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db", stores.make_purchases())
    yield store
    store.close()


@pytest.fixture
def server(tmp_path: Path, state: SqliteStateStore) -> Pipeline:
    stores.build(tmp_path / "shop", events=state.event_columns())
    return open_server(tmp_path / "shop", state)


def open_server(folder: Path, state: SqliteStateStore) -> Pipeline:
    live = LiveCatalog(Snapshot(folder), state)
    return Pipeline(live, stores.HashEncoder(), Retriever(live, state), None)


def ask(pipeline: Pipeline, offset: int, token: str = "", size: int = 8) -> tuple[list[str], str]:
    fields = {
        "PLACEMENT": b"home-page",
        "USER_ID": b"u0",
        "PAGE_SIZE": size,
        "OFFSET": offset,
        "OPTIONS": orjson.dumps({"page_token": token}),
    }
    [answer] = pipeline.answer([parse_recommend(fields)])
    assert isinstance(answer, Answer), answer
    assert (np.diff(answer.scores) <= 0).all()
    return answer.product_ids, orjson.loads(answer.details)["page_token"]


def happen(state: SqliteStateStore, page: int) -> None:
    """A purchase, a view, a change of price and a new product between two pages."""
    events = [
        {"event_type": kind, "user_id": "u0", "product_id": f"p{(7 * page + step) % 40:02d}"}
        for step, kind in enumerate(("purchase-complete", "detail-page-view"))
    ]
    state.append_events([parse_event(event, now=stores.NOW + page) for event in events])
    dearer = stores.make_products()[3 * page].merged({"price": 100.0 + page})
    state.append_product_changes([stores.upsert(dearer), stores.upsert(stores.product(f"n{page}", "New wine"))])


def test_no_product_comes_twice_and_none_is_missed_whatever_happens(server: Pipeline, state: SqliteStateStore) -> None:
    seen: list[str] = []
    token = ""
    for page in range(5):
        ids, token = ask(server, len(seen), token)
        seen += ids
        happen(state, page)
    while ids:
        ids, token = ask(server, len(seen), token)
        seen += ids
    assert len(seen) == len(set(seen))
    assert set(seen) == {f"p{number:02d}" for number in range(40)} | {f"n{page}" for page in range(5)}


def test_another_server_goes_on_with_the_list(server: Pipeline, state: SqliteStateStore, tmp_path: Path) -> None:
    first, token = ask(server, 0)
    happen(state, 2)
    stores.build(tmp_path / "again", events=state.event_columns(), product_sequence=state.product_sequence())
    second, _ = ask(open_server(tmp_path / "again", state), len(first), token)
    assert not set(first) & set(second)


def test_an_earlier_page_is_the_one_that_was_shown(server: Pipeline, state: SqliteStateStore) -> None:
    first, token = ask(server, 0)
    second, token = ask(server, 8, token)
    happen(state, 1)
    assert ask(server, 0, token)[0] == first
    assert ask(server, 8, token)[0] == second
    assert ask(server, 0, token)[1] == token


def test_what_is_deleted_leaves_no_gap(server: Pipeline, state: SqliteStateStore) -> None:
    whole, _ = ask(server, 0, size=EVERYTHING)
    first, token = ask(server, 0)
    state.append_product_changes([ProductChange("delete", first[5]), ProductChange("delete", whole[20])])
    seen = list(first)
    while len(seen) < EVERYTHING - 1:  # one of the two was shown before it went
        ids, token = ask(server, len(seen), token)
        assert len(ids) == min(8, EVERYTHING - 1 - len(seen))
        seen += ids
    assert sorted(seen) == sorted(set(whole) - {whole[20]})
    assert ask(server, len(seen), token)[0] == []


def test_a_page_elsewhere_is_cut_from_the_list_as_it_is(server: Pipeline) -> None:
    whole, _ = ask(server, 0, size=EVERYTHING)
    later, token = ask(server, 24)
    assert later == whole[24:32]
    assert ask(server, 8, token)[0] == whole[8:16]
    assert ask(server, 32, token)[0] == whole[32:]
    assert ask(server, 0, token)[0] == whole[:8]
