"""What belongs to the result of a search, and what comes into its window."""

from pathlib import Path

import numpy as np

from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.index.search_weights import FieldWeights, FusionWeights
from mercato.index.snapshot import Snapshot
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.context import prepare_context
from mercato.retrieval.dense_search import SAME_TEXT_ROWS
from mercato.retrieval.match import select_matches
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.search import find_word_matches, rank_popular
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.sources.registry import FLAGS
from mercato.retrieval.whole import run_alone
from tests.stores import build, product, search_request
from tests.unit.retrieval.asking import ask, ids_of

BIG = 700


def test_the_result_holds_what_holds_enough_of_the_query(retriever: Retriever) -> None:
    def total(text: str) -> int:
        # Beyond the fused candidates, which are all that the little shop has: counted from the words themselves.
        case = prepare_context(retriever.catalog, search_request(text), History.empty(), None)
        query = QueryAnalyzer(retriever.catalog).read(text)
        found = find_word_matches(retriever.catalog, query, case)
        return len(run_alone(select_matches(retriever.catalog, query, case, found, None)).by_words)

    # Of one to three words all must be there where some product has them all: one large frozen pizza.
    assert total("frozen pizza") == 4
    assert total("large frozen pizza") == 1
    # Three of four are enough: the large one is Bolt's, two others are Acme's.
    assert total("large frozen pizza acme") == 1 + 2
    # Where none holds all, those that hold most, which must be half of what is asked: one of milk and pizza, four each.
    assert total("milk pizza") == 4 + 4
    # What no product has says more than what four of forty have: a third of the words, and less of the query.
    assert total("brake pizza volvo") == 0


def test_a_text_of_very_many_products_leaves_room_for_others(tmp_path: Path) -> None:
    # The query is nearest to 400 products of one text; 300 others have a text each.
    items = [product(f"p{n:03d}", "xyzzy" if n < 400 else f"xyzzy {n}") for n in range(BIG)]
    build(tmp_path / "catalog", items, weights=FieldWeights(weights={"id": 1.0}))
    snapshot = Snapshot(tmp_path / "catalog")
    snapshot.floor = None  # whatever is near matches
    retriever = Retriever(LiveCatalog(snapshot, None), None)

    found = ids_of(retriever, ask(retriever, search_request("xyzzy", depth=1_000)))

    assert len(found) == SEARCH_CANDIDATES
    assert sum(int(name[1:]) < 400 for name in found) == SAME_TEXT_ROWS


def test_popular_matches_are_a_source_of_their_own(retriever: Retriever) -> None:
    # Bought in the little shop: p04 and p12 by five households, p20 by one, p30 once. Pizzas are p04 to p07.
    answer = ask(retriever, search_request("frozen pizza"))
    popular = {
        retriever.catalog.id_of(row)
        for row, source in zip(answer.rows.tolist(), answer.sources.tolist(), strict=True)
        if source & FLAGS["popular"]
    }

    assert popular == {"p04"}


def test_what_nobody_bought_is_not_popular(retriever: Retriever) -> None:
    rows = retriever.catalog.rows_of(["p00", "p01", "p20", "p04"]).astype(np.int64)

    found = rank_popular(retriever.catalog, np.sort(rows))

    assert [retriever.catalog.id_of(row) for row in found.tolist()] == ["p04", "p20"]


def test_popularity_can_be_left_out(retriever: Retriever) -> None:
    retriever.catalog.fusion = FusionWeights(popular=0.0)
    answer = ask(retriever, search_request("frozen pizza"))
    assert not (answer.sources & FLAGS["popular"]).any()
