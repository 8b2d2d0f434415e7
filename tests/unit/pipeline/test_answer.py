"""Answers: order, ties, what follows the window, pages, and the details' JSON."""

from collections.abc import Mapping

import numpy as np
import orjson
import pytest

from mercato.features.features import FEATURE_NAMES
from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer, write_answer
from mercato.pipeline.page_state import PageState
from mercato.policy.ranked import order_candidates
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Placement, Retrieved
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from tests import stores

TAIL_STEP = 1e-3


def retrieved(
    rows: list[int], fused: list[float], *, tail: list[int] | None = None, total: int = 40, **notes: object
) -> Retrieved:
    return Retrieved(
        rows=np.array(rows, np.int32),
        fused=np.array(fused, np.float32),
        sources=np.array([FLAGS["dense"] | FLAGS["words"]] * len(rows) + [FLAGS["dense"]] * len(tail or []), np.uint8),
        features=np.zeros((len(rows), len(FEATURE_NAMES)), np.float32),
        history_vector=np.zeros(stores.DIMENSION, np.float32),
        tail=np.array(tail or [], np.int32),
        total=total,
        **notes,  # type: ignore[arg-type]
    )


def page(offset: int, page_size: int, placement: Placement = Placement.SEARCH) -> PageRequest:
    asked = stores.request(placement, text="milk", depth=offset + page_size)
    return PageRequest(retrieval=asked, offset=offset, page_size=page_size)


def write(
    catalog: LiveCatalog, asked: PageRequest, found: Retrieved, timings: Mapping[str, int] | None = None
) -> Answer:
    state = PageState(page=asked)
    state.receive(found)
    state.ranked = order_candidates(found, None)
    return write_answer(catalog, state, timings or {})


def test_ranker_scores_decide_the_order() -> None:
    ranked = order_candidates(retrieved([5, 6, 7], [0.3, 0.2, 0.1]), np.array([1.0, 3.0, 2.0], np.float32))
    assert ranked.rows.tolist() == [6, 7, 5]
    assert ranked.scores.tolist() == [3.0, 2.0, 1.0]


def test_without_scores_the_order_of_retrieval_stays() -> None:
    ranked = order_candidates(retrieved([5, 6, 7], [0.5, 0.25, 0.125]), None)
    assert ranked.rows.tolist() == [5, 6, 7]
    assert ranked.scores.tolist() == [0.5, 0.25, 0.125]


def test_equal_scores_keep_the_order_of_retrieval() -> None:
    ranked = order_candidates(retrieved([9, 3, 7, 1], [0.4, 0.3, 0.2, 0.1]), np.array([1, 2, 1, 2], np.float32))
    assert ranked.rows.tolist() == [3, 1, 9, 7]


def test_sources_move_with_their_products() -> None:
    found = retrieved([5, 6], [0.2, 0.1], tail=[8])
    found.sources[:] = [FLAGS["words"], FLAGS["dense"], FLAGS["dense"] | FLAGS["words"]]
    ranked = order_candidates(found, np.array([1.0, 2.0], np.float32))
    assert ranked.sources.tolist() == [FLAGS["dense"], FLAGS["words"], FLAGS["dense"] | FLAGS["words"]]


def test_what_follows_the_window_keeps_its_order_below_the_last_score() -> None:
    ranked = order_candidates(retrieved([5, 6], [0.2, 0.1], tail=[9, 1, 4]), np.array([-3.0, 2.0], np.float32))
    assert ranked.rows.tolist() == [6, 5, 9, 1, 4]
    assert ranked.scores.tolist() == pytest.approx(
        [2.0, -3.0, -3.0 - TAIL_STEP, -3.0 - 2 * TAIL_STEP, -3.0 - 3 * TAIL_STEP]
    )
    assert (np.diff(ranked.scores) < 0).all()


def test_nothing_found_is_an_empty_order() -> None:
    ranked = order_candidates(retrieved([], []), None)
    assert (len(ranked.rows), len(ranked.scores), len(ranked.sources)) == (0, 0, 0)


def test_a_tail_without_a_window_has_scores() -> None:
    ranked = order_candidates(retrieved([], [], tail=[3, 2]), None)
    assert ranked.rows.tolist() == [3, 2]
    assert ranked.scores.tolist() == pytest.approx([-TAIL_STEP, -2 * TAIL_STEP])


def test_degraded_joins_what_retrieval_and_ranking_left_out() -> None:
    state = PageState(page=page(0, 1))
    state.receive(retrieved([5], [0.1], degraded=["state"]))
    state.degraded.append("ranker")
    assert state.degraded == ["state", "ranker"]
    assert state.retrieved.degraded == ["state"]


def test_page_is_cut_by_offset_and_size(catalog: LiveCatalog) -> None:
    found = retrieved([5, 6, 7], [0.3, 0.2, 0.1], tail=[8, 9])
    answer = write(catalog, page(2, 2), found)
    assert answer.product_ids == [catalog.id_of(7), catalog.id_of(8)]
    assert answer.scores.tolist() == pytest.approx([0.1, 0.1 - TAIL_STEP])


def test_last_page_is_not_padded_and_a_later_one_is_empty(catalog: LiveCatalog) -> None:
    found = retrieved([5, 6, 7], [0.3, 0.2, 0.1], total=3)
    assert write(catalog, page(2, 20), found).product_ids == [catalog.id_of(7)]
    beyond = write(catalog, page(60, 20), found)
    assert beyond.product_ids == []
    assert beyond.scores.shape == (0,)
    assert orjson.loads(beyond.details)["results"] == []
    assert orjson.loads(beyond.details)["total"] == 3


def test_details_hold_products_in_order_with_their_sources(catalog: LiveCatalog) -> None:
    found = retrieved([4, 2], [0.3, 0.2], tail=[8], missing_ids=["x"], degraded=["state"])
    answer = write(catalog, page(0, 3), found, {"total_us": 12})
    details = orjson.loads(answer.details)
    assert [result["id"] for result in details["results"]] == answer.product_ids
    whole = orjson.loads(catalog.document(4))
    assert details["results"][0] == {**whole, "sources": ["dense", "words"]}
    assert details["results"][2]["sources"] == ["dense"]
    assert (details["total"], details["missing_ids"], details["degraded"]) == (40, ["x"], ["state"])
    assert details["timings"] == {"total_us": 12}
    assert "filter_relaxed" not in details


def test_each_answer_has_its_own_token(catalog: LiveCatalog) -> None:
    found = retrieved([4], [0.3])
    tokens = {orjson.loads(write(catalog, page(0, 1), found).details)["token"] for _ in range(3)}
    assert len(tokens) == 3


def test_dropped_filter_is_told(catalog: LiveCatalog) -> None:
    found = retrieved([4], [0.3], relaxed=True)
    details = orjson.loads(write(catalog, page(0, 1), found).details)
    assert details["filter_relaxed"] is True


def test_changed_product_is_written_as_it_is_now(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    state.append_product_changes([stores.upsert(stores.product("p04", "Dearer milk", price=99.0))])
    catalog.refresh()
    row = catalog.row_of("p04")
    assert row == catalog.base, "the first row after the snapshot's"
    found = retrieved([row], [0.3])
    answer = write(catalog, page(0, 1), found)
    result = orjson.loads(answer.details)["results"][0]
    assert answer.product_ids == ["p04"]
    assert (result["title"], result["price"]) == ("Dearer milk", 99.0)
