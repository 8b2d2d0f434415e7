"""What is asked of Milvus, and what follows where it fails."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus.exceptions import MilvusException

from mercato.arrays import Bool
from mercato.errors import CollectionError, DenseError
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.nearest import FilteredQuery
from mercato.index.snapshot import Snapshot
from mercato.milvus import texts as module
from mercato.milvus.texts import REST_S, MilvusTexts
from mercato.requests.retrieval import Placement
from mercato.retrieval.retriever import Retriever
from tests.stores import HashEncoder, request, search_request
from tests.unit.milvus.conftest import Clock, Collection
from tests.unit.retrieval.asking import ask, ids_of

QUERIES = HashEncoder().encode(["frozen pizza", "green tea", "dog"])


def asking(allowed: Bool, text: str = "", moved: list[int] | None = None, query: int = 0) -> FilteredQuery:
    condition = parse_filter(text) if text else None
    return FilteredQuery(
        query=QUERIES[query], allowed=allowed, condition=condition, find_moved=lambda: np.array(moved or [], np.int64)
    )


def mark(snapshot: Snapshot, *texts: int) -> Bool:
    allowed = np.zeros(snapshot.manifest.texts, np.bool_)
    allowed[list(texts)] = True
    return allowed


def test_a_batch_is_one_call_and_finds_what_the_own_index_finds(
    texts: MilvusTexts, collection: Collection, snapshot: Snapshot
) -> None:
    scores, found = texts.search(QUERIES, 5, ef_search=10)
    own_scores, own = snapshot.dense.search(QUERIES, 5)
    np.testing.assert_array_equal(found, own)
    np.testing.assert_allclose(scores, own_scores, atol=1e-6)
    assert collection.calls == [("", 3, 5)]


def test_more_than_there_is_is_not_asked_for(texts: MilvusTexts, collection: Collection, snapshot: Snapshot) -> None:
    count = snapshot.manifest.texts
    assert texts.search(QUERIES, 10_000, ef_search=10)[1].shape == (3, count)
    assert collection.calls == [("", 3, count)]


def test_few_texts_are_named_whatever_the_filter(
    texts: MilvusTexts, collection: Collection, snapshot: Snapshot
) -> None:
    allowed = mark(snapshot, 7, 3)
    [(scores, found)] = texts.search_filtered([asking(allowed, 'NOT brand: ANY("Acme")')], 5)
    assert set(found.tolist()) == {3, 7}
    assert scores[0] >= scores[1]
    assert collection.calls == [("text in [3, 7]", 1, 2)]


def test_nothing_is_asked_where_nothing_is_allowed(
    texts: MilvusTexts, collection: Collection, snapshot: Snapshot
) -> None:
    [(_, found)] = texts.search_filtered([asking(mark(snapshot))], 5)
    assert (len(found), collection.calls) == (0, [])


def test_a_filter_is_asked_of_milvus_once_for_all_who_share_it(
    texts: MilvusTexts, collection: Collection, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IDS", 1)
    text = 'categories: ANY("Drinks") AND price < 36'
    allowed = LiveCatalog(snapshot, None).allow(parse_filter(text)).texts
    assert allowed is not None
    answers = texts.search_filtered([asking(allowed, text, query=query) for query in (0, 1)], 4)
    assert [(queries, limit) for _, queries, limit in collection.calls] == [(2, 8)]
    assert "array_contains_any(tokens, [0," in collection.calls[0][0]
    for query, (scores, found) in enumerate(answers):
        own_scores, own = snapshot.dense.search_allowed(QUERIES[query], 4, allowed, exact=True)
        np.testing.assert_array_equal(found, own)
        np.testing.assert_allclose(scores, own_scores, atol=1e-6)


def test_of_a_filter_that_cannot_be_asked_more_is_fetched(
    texts: MilvusTexts, collection: Collection, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IDS", 1)
    allowed = mark(snapshot, *range(0, 40, 4))  # a quarter: of the best 1.5 * 4 / (10 / 40) = 24 there should be 4
    [(_, found)] = texts.search_filtered([asking(allowed, 'NOT attributes.size: ANY("large")')], 4)
    assert collection.calls == [("", 1, 24)]
    assert allowed[found].all()


def test_texts_whose_products_changed_are_named_beside_the_filter(
    texts: MilvusTexts, collection: Collection, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IDS", 2)
    allowed = mark(snapshot, 0, 1, 2, 39)  # 39 passes since its price changed; Milvus has the one of before
    [(_, found)] = texts.search_filtered([asking(allowed, "price < 4", moved=[39])], 4)
    assert collection.calls[0][0].endswith(" or text in [39]")
    assert 39 in found
    texts.search_filtered([asking(allowed, "price < 4", moved=[37, 38, 39])], 4)
    assert collection.calls[1] == ("", 1, 40)


def test_after_a_failure_nothing_is_asked_for_a_while(texts: MilvusTexts, collection: Collection, clock: Clock) -> None:
    texts.search(QUERIES, 5, ef_search=10)
    collection.failing = MilvusException(message="node lost")
    with pytest.raises(DenseError, match="node lost"):
        texts.search(QUERIES, 5, ef_search=10)
    collection.failing = None
    with pytest.raises(DenseError, match="not asked"):
        texts.search(QUERIES, 5, ef_search=10)
    clock.now += REST_S
    assert texts.search(QUERIES, 5, ef_search=10)[1].shape == (3, 5)
    assert collection.loaded == 2, "a restarted server has to load the collection again"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "shop_0123456789abcdef"}, "has no collection"),
        ({"said": "{}"}, "was not made from this snapshot"),
        ({"said": "by hand"}, "was not made from this snapshot"),
        ({"index": None}, "not filled to the end"),
        ({"index": {"metric_type": "L2"}}, "has metric L2, not IP"),
        ({"texts": 39}, "has 39 texts instead of 40"),
    ],
)
def test_a_collection_of_something_else_is_refused(
    texts: MilvusTexts, collection: Collection, change: dict[str, object], said: str
) -> None:
    for name, value in change.items():
        setattr(collection, name, value)
    with pytest.raises(CollectionError, match=said) as failure:
        texts.check()
    assert "mercato dense load --catalog CATALOG --dense milvus://127.0.0.1:1/shop" in str(failure.value)


def test_collections_of_other_snapshots_are_named(texts: MilvusTexts, collection: Collection) -> None:
    collection.name, collection.others = "shop_0123456789abcdef", ["shop_of_another", "other_0123456789abcdef"]
    with pytest.raises(CollectionError, match=r"\(shop_0123456789abcdef belong to other snapshots\)"):
        texts.check()


def test_words_answer_where_milvus_does_not(snapshot: Snapshot, texts: MilvusTexts, collection: Collection) -> None:
    own, other = (Retriever(LiveCatalog(snapshot, None, nearest), None) for nearest in (None, texts))
    asked = search_request("frozen pizza", condition=parse_filter("price < 30"))
    assert ids_of(other, ask(other, asked)) == ids_of(own, ask(own, asked))
    collection.failing = MilvusException(message="node lost")
    answer = ask(other, asked)
    assert answer.degraded == ["dense"]
    assert ids_of(other, answer) == ids_of(own, ask(own, asked, encoder=False))


def test_a_recommendation_goes_on_without_what_is_similar(
    snapshot: Snapshot, texts: MilvusTexts, collection: Collection
) -> None:
    retriever = Retriever(LiveCatalog(snapshot, None, texts), None)
    asked = request(Placement.PRODUCT_PAGE, seed_ids=("p04",))
    assert ask(retriever, asked).degraded == []
    collection.failing = MilvusException(message="node lost")
    answer = ask(retriever, asked)
    assert answer.degraded == ["dense"]
    assert ids_of(retriever, answer)
