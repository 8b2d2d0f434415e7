"""What kind of thing a search asks for, and the order of its candidates by it."""

from pathlib import Path

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Retrieved
from mercato.retrieval.context import prepare_context
from mercato.retrieval.fusion import FusedList
from mercato.retrieval.kinds import NAMED, SHARPNESS, KindScores, order_by_kind
from mercato.retrieval.retriever import Retriever
from tests.stores import build, open_store, search_request, upsert

SHOP = [
    *(Product(id=f"lamp{n}", title=f"table lamp no {n}", categories=("home", "lamps")) for n in range(6)),
    *(Product(id=f"desk{n}", title=f"oak desk no {n}", categories=("home", "desks")) for n in range(6)),
    *(Product(id=f"shade{n}", title=f"oak shade no {n}", categories=("home", "shades")) for n in range(6)),
    Product(id="odd", title="oak lamp stand"),
]


def find(retriever: Retriever, text: str) -> list[str]:
    (answer,) = retriever.retrieve([search_request(text)], np.zeros((1, retriever.dimension), np.float32))
    assert isinstance(answer, Retrieved)
    return [retriever.catalog.id_of(row) for row in answer.rows]


@pytest.fixture
def retriever(tmp_path: Path) -> Retriever:
    build(tmp_path / "catalog", SHOP)
    snapshot = Snapshot(tmp_path / "catalog")
    snapshot.floor = None  # whatever is near matches
    return Retriever(LiveCatalog(snapshot, None), None)


def test_the_head_of_a_query_says_the_kind(retriever: Retriever) -> None:
    for query in ("lamp for oak desks", "oak lamp", "lamps with an oak shade"):
        request = search_request(query)
        context = prepare_context(
            retriever.catalog, request, History.empty(), np.zeros(retriever.dimension, np.float32)
        )
        (found,) = retriever.find([context])
        assert found.kinds is not None
        named = dict(zip(map(retriever.catalog.id_of, found.fused.rows), found.kinds.named.tolist(), strict=True))
        assert named["lamp0"] > max(named["desk0"], named["shade0"])


def test_nothing_speaks_against_a_product_without_a_category(retriever: Retriever) -> None:
    assert find(retriever, "oak lamp")[0] == "odd"  # it holds both words


def test_a_code_asks_for_no_kind(retriever: Retriever) -> None:
    assert find(retriever, "desk3")[0] == "desk3"


def test_a_category_that_is_newer_than_the_snapshot_is_found(tmp_path: Path) -> None:
    build(tmp_path / "catalog", SHOP)
    store = open_store(tmp_path / "state.db")
    retriever = Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), store), store)
    fresh = Product(id="new", title="oak lantern", categories=("garden", "lanterns"))
    store.append_product_changes([upsert(fresh)])

    assert find(retriever, "oak lantern")[0] == "new"


def test_candidates_fall_with_what_their_category_lacks() -> None:
    fused = FusedList(
        rows=np.array([4, 7, 9], np.int32),
        fused=np.array([0.3, 0.2, 0.1], np.float32),
        scores=np.zeros((1, 3), np.float32),
        ranks=np.array([[1, 2, 3]], np.int32),
    )
    kinds = KindScores(meaning=np.array([0.1, 0.5, 0.5], np.float32), named=np.array([0.0, 0.8, 0.8], np.float32))

    ordered, taken = order_by_kind(fused, kinds)

    assert ordered.rows.tolist() == [7, 9, 4]
    lacks = (0.5 + NAMED * 0.8) - 0.1
    assert ordered.fused == pytest.approx([0.2, 0.1, 0.3 * np.exp(-SHARPNESS * 0.8 * lacks)])
    assert ordered.ranks.tolist() == [[2, 3, 1]]
    assert taken.named == pytest.approx([0.8, 0.8, 0.0])


def test_without_a_named_category_the_order_stays() -> None:
    fused = FusedList(
        rows=np.array([1, 2], np.int32),
        fused=np.array([0.2, 0.1], np.float32),
        scores=np.zeros((1, 2), np.float32),
        ranks=np.array([[1, 2]], np.int32),
    )
    kinds = KindScores(meaning=np.array([0.0, 0.9], np.float32), named=np.zeros(2, np.float32))

    ordered, _ = order_by_kind(fused, kinds)

    assert ordered.rows.tolist() == [1, 2]
    assert ordered.fused == pytest.approx(fused.fused)


def test_nothing_speaks_against_what_is_put_among_the_candidates_later() -> None:
    kinds = KindScores(meaning=np.array([0.2, 0.4], np.float32), named=np.array([0.0, 1.0], np.float32))

    spread = kinds.spread([1, -1])

    assert spread.meaning == pytest.approx([0.4, 0.4])
    assert spread.named == pytest.approx([1.0, 1.0])
