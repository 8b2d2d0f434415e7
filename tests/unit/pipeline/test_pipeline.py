"""The pipeline over real retrieval: one call of each stage for a batch, and what is left out when a stage breaks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mercato.arrays import Float32
from mercato.errors import AbandonedError, InvalidInputError, MercatoError, ModelError, StateError
from mercato.features.features import FEATURE_NAMES
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import PageRequest, parse_recommend, parse_search
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.text import TextRole
from tests import stores

CONTEXT = orjson.dumps({"time": stores.NOW})


class CountingEncoder:
    def __init__(self, failure: Exception | None = None, broken: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.failure = failure
        self.broken = broken
        self._encoder = stores.HashEncoder()

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        self.batches.append(list(texts))
        if self.failure is not None:
            raise self.failure
        vectors = self._encoder.encode(texts)
        return np.full_like(vectors, np.nan) if self.broken else vectors


class CountingRetriever:
    catalog = None

    def __init__(self, retriever: Retriever) -> None:
        self.batches: list[int] = []
        self.vectors: list[Float32 | None] = []
        self._retriever = retriever

    def retrieve(self, requests: Sequence[RetrievalRequest], vectors: Float32 | None) -> list[Retrieved | MercatoError]:
        self.batches.append(len(requests))
        self.vectors.append(vectors)
        return self._retriever.retrieve(requests, vectors)


class ReversingRanker:
    """Gives candidates scores that rise with their position, so that the order turns round."""

    def __init__(self, failure: Exception | None = None, nan_positions: Sequence[int] = ()) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.given: list[tuple[Float32, Float32, Float32, Float32]] = []
        self.failure = failure
        self.nan_positions = nan_positions

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        self.shapes.append(candidates.shape)
        self.given.append((query, history, candidates, features))
        if self.failure is not None:
            raise self.failure
        scores = np.tile(np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))
        scores[list(self.nan_positions)] = np.nan
        return scores


def search(query: str, **fields: Any) -> PageRequest:
    return parse_search({"QUERY": query.encode(), "CONTEXT": CONTEXT, **fields})


def recommend(placement: str = "home-page", **fields: Any) -> PageRequest:
    return parse_recommend({"PLACEMENT": placement.encode(), "CONTEXT": CONTEXT, **fields})


def details(answer: Answer | MercatoError) -> dict[str, Any]:
    assert isinstance(answer, Answer), answer
    parsed: dict[str, Any] = orjson.loads(answer.details)
    return parsed


def ids(answer: Answer | MercatoError) -> list[str]:
    assert isinstance(answer, Answer), answer
    return answer.product_ids


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def counted(retriever: Retriever) -> CountingRetriever:
    return CountingRetriever(retriever)


def test_search_finds_by_words_and_meaning(
    catalog: LiveCatalog, encoder: CountingEncoder, counted: CountingRetriever
) -> None:
    [answer] = Pipeline(catalog, encoder, counted, None).answer([search("frozen pizza")])
    assert set(ids(answer)[:4]) == {"p04", "p05", "p06", "p07"}
    assert details(answer)["degraded"] == []
    assert details(answer)["results"][0]["sources"] == ["dense", "words", "popular"]


def test_a_batch_is_one_call_of_each_stage(
    catalog: LiveCatalog, encoder: CountingEncoder, counted: CountingRetriever
) -> None:
    ranker = ReversingRanker()
    pipeline = Pipeline(catalog, encoder, counted, ranker)
    answers = pipeline.answer([search("milk"), recommend(USER_ID=b"u0"), search("green tea"), recommend()])
    assert [len(ids(answer)) for answer in answers] == [20, 20, 20, 20]
    assert encoder.batches == [["milk", "green tea"]]
    assert counted.batches == [4]
    assert [shape[0] for shape in ranker.shapes] == [4]


def test_recommendations_alone_do_not_ask_the_encoder(
    catalog: LiveCatalog, encoder: CountingEncoder, counted: CountingRetriever
) -> None:
    Pipeline(catalog, encoder, counted, None).answer([recommend(), recommend("cart", SEED_PRODUCT_IDS=b'["p04"]')])
    assert encoder.batches == []
    assert counted.batches == [2]


def test_one_answer_does_not_depend_on_its_batch(
    catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    pipeline = Pipeline(catalog, encoder, retriever, ReversingRanker())
    requests = [
        search("milk"),
        search("pizza", FILTER=b'brand: ANY("Bolt")', PAGE_SIZE=3),
        recommend(USER_ID=b"u0"),
        recommend("product-page", SEED_PRODUCT_IDS=b'["p04"]'),
    ]
    together = pipeline.answer(requests)
    apart = [pipeline.answer([request])[0] for request in requests]
    assert [ids(answer) for answer in together] == [ids(answer) for answer in apart]
    for one, other in zip(together, apart, strict=True):
        assert isinstance(one, Answer)
        assert isinstance(other, Answer)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)


def test_ranker_is_given_vectors_and_features_of_each_candidate(
    catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    ranker = ReversingRanker()
    Pipeline(catalog, encoder, retriever, ranker).answer([search("green tea"), recommend(USER_ID=b"u0")])
    [(query, history, candidates, features)] = ranker.given
    np.testing.assert_array_equal(query[0], stores.HashEncoder().encode(["green tea"])[0])
    assert not query[1].any(), "a recommendation has no query"
    assert not history[0].any(), "the search names no user"
    assert np.linalg.norm(history[1]) == pytest.approx(1.0, abs=1e-5)
    # Every product is a candidate of the search, being near or holding a word: 40 unit vectors.
    np.testing.assert_allclose(np.linalg.norm(candidates[0], axis=1), np.ones(40), atol=1e-5)
    assert features.shape == (2, 40, len(FEATURE_NAMES))
    has_query = FEATURE_NAMES.index("has_query")
    assert features[0, :, has_query].tolist() == [1.0] * 40


def test_ranker_orders_search_and_home_page_but_not_what_surrounds_a_product(
    catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    ranker = ReversingRanker()
    requests = [
        search("milk", PAGE_SIZE=100),
        recommend(PAGE_SIZE=40),
        recommend("product-page", SEED_PRODUCT_IDS=b'["p04"]'),
        recommend("cart", SEED_PRODUCT_IDS=b'["p04"]'),
    ]
    plain = Pipeline(catalog, encoder, retriever, None).answer(requests)
    ranked = Pipeline(catalog, encoder, retriever, ranker).answer(requests)
    assert [shape[0] for shape in ranker.shapes] == [2]
    assert [ids(ranked[position]) == ids(plain[position])[::-1] for position in (0, 1)] == [True, True]
    assert [ids(ranked[position]) == ids(plain[position]) for position in (2, 3)] == [True, True]


def test_errors_of_requests_are_passed_on_and_leave_the_others_alone(
    catalog: LiveCatalog, encoder: CountingEncoder, counted: CountingRetriever
) -> None:
    bad = InvalidInputError("QUERY", "must be given")
    unknown_field = search("milk", FILTER=b'wheels: ANY("4")')
    answers = Pipeline(catalog, encoder, counted, None).answer([bad, search("milk"), unknown_field, search("tea")])
    assert answers[0] is bad
    assert isinstance(answers[2], InvalidInputError)
    assert answers[2].parameter == "FILTER"
    assert ids(answers[1])[0] in {"p00", "p01", "p02", "p03"}
    assert ids(answers[3])[0] in {"p24", "p25", "p26", "p27"}
    assert encoder.batches == [["milk", "milk", "tea"]]
    assert counted.batches == [3], "what could not be read is not retrieved"


def test_a_batch_of_errors_asks_no_stage(
    catalog: LiveCatalog, encoder: CountingEncoder, counted: CountingRetriever
) -> None:
    bad = InvalidInputError("QUERY", "must be given")
    assert Pipeline(catalog, encoder, counted, None).answer([bad, bad]) == [bad, bad]
    assert Pipeline(catalog, encoder, counted, None).answer([]) == []
    assert (encoder.batches, counted.batches) == ([], [])


@pytest.mark.parametrize(
    "broken",
    [
        CountingEncoder(ModelError("encoder: gone")),
        CountingEncoder(RuntimeError("a bug")),
        CountingEncoder(broken=True),
    ],
    ids=["refused", "unexpected", "NaN"],
)
def test_without_an_encoder_words_answer(
    broken: CountingEncoder, catalog: LiveCatalog, counted: CountingRetriever
) -> None:
    answers = Pipeline(catalog, broken, counted, ReversingRanker()).answer([search("pizza"), recommend(USER_ID=b"u0")])
    assert set(ids(answers[0])) == {"p04", "p05", "p06", "p07"}, "four hold the word; nothing else can be found"
    assert details(answers[0])["degraded"] == ["encoder"]
    assert details(answers[0])["total"] == 4
    assert {source for result in details(answers[0])["results"] for source in result["sources"]} == {"words", "popular"}
    assert details(answers[1])["degraded"] == [], "a recommendation needs no encoder"
    assert counted.vectors == [None]


@pytest.mark.parametrize("failure", [ModelError("ranker: gone"), RuntimeError("a bug")])
def test_without_a_ranker_the_order_of_retrieval_answers(
    failure: Exception, catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    requests = [search("milk"), recommend("product-page", SEED_PRODUCT_IDS=b'["p04"]')]
    plain = Pipeline(catalog, encoder, retriever, None).answer(requests)
    answers = Pipeline(catalog, encoder, retriever, ReversingRanker(failure)).answer(requests)
    assert [ids(answer) for answer in answers] == [ids(answer) for answer in plain]
    assert [details(answer)["degraded"] for answer in answers] == [["ranker"], []]


def test_scores_that_are_no_numbers_degrade_only_their_request(
    catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    requests = [search("milk", PAGE_SIZE=100), search("tea", PAGE_SIZE=100)]
    plain = Pipeline(catalog, encoder, retriever, None).answer(requests)
    answers = Pipeline(catalog, encoder, retriever, ReversingRanker(nan_positions=[1])).answer(requests)
    assert ids(answers[0]) == ids(plain[0])[::-1]
    assert ids(answers[1]) == ids(plain[1])
    assert [details(answer)["degraded"] for answer in answers] == [[], ["ranker"]]


def test_pages_cover_the_answer_once(catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever) -> None:
    pipeline = Pipeline(catalog, encoder, retriever, ReversingRanker())
    pages = pipeline.answer([search("organic tea", PAGE_SIZE=7, OFFSET=offset) for offset in range(0, 49, 7)])
    walked = [product_id for page in pages for product_id in ids(page)]
    assert {details(page)["total"] for page in pages} == {len(walked)}
    assert len(set(walked)) == len(walked) == 40
    scores = np.concatenate([page.scores for page in pages if isinstance(page, Answer)])
    assert (np.diff(scores) <= 0).all()


def test_a_filter_that_matches_nothing_is_an_empty_answer(
    catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    pipeline = Pipeline(catalog, encoder, retriever, ReversingRanker())
    nothing = b'brand: ANY("Nobody")'
    relaxed = search("milk", FILTER=nothing, OPTIONS=b'{"strict_filtering": false}')
    strict, filled, home = pipeline.answer([search("milk", FILTER=nothing), relaxed, recommend(FILTER=nothing)])
    assert (ids(strict), details(strict)["total"]) == ([], 0)
    assert (ids(home), details(home)["total"]) == ([], 0)
    assert len(ids(filled)) == 20
    assert details(filled)["filter_relaxed"] is True


def test_unknown_user_and_unknown_seed_get_answers(
    catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever
) -> None:
    unknown, nobody, seeds = Pipeline(catalog, encoder, retriever, None).answer(
        [recommend(USER_ID=b"nobody"), recommend(), recommend("cart", SEED_PRODUCT_IDS=b'["p04", "gone"]')]
    )
    assert ids(unknown) == ids(nobody)
    assert details(seeds)["missing_ids"] == ["gone"]
    assert "p04" not in ids(seeds)


def test_timings_name_the_stages(catalog: LiveCatalog, encoder: CountingEncoder, retriever: Retriever) -> None:
    [answer] = Pipeline(catalog, encoder, retriever, None).answer([search("milk")])
    timings = details(answer)["timings"]
    assert set(timings) == {"encode_us", "retrieve_us", "rank_us", "total_us"}
    parts = timings["encode_us"] + timings["retrieve_us"] + timings["rank_us"]
    assert parts <= timings["total_us"] + 3, "each part is cut to whole microseconds"


def test_product_changes_are_read_once_where_retriever_and_pages_share_a_catalogue(
    catalog: LiveCatalog,
    encoder: CountingEncoder,
    retriever: Retriever,
    counted: CountingRetriever,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    refresh = catalog.refresh
    monkeypatch.setattr(catalog, "refresh", lambda: (read.append(1), refresh())[1])

    Pipeline(catalog, encoder, retriever, None).answer([recommend()])
    assert len(read) == 1, "by the retriever"
    Pipeline(catalog, encoder, counted, None).answer([recommend()])
    assert len(read) == 3, "by the retriever of what could be another process, and by the pages"


class UnreadableState:
    """A state store that cannot be read any more."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object, **__: object) -> None:
            raise StateError("state: gone")

        return refuse


def test_unreadable_state_gives_anonymous_answers(small_snapshot: Path, encoder: CountingEncoder) -> None:
    state: Any = UnreadableState()
    catalog = LiveCatalog(Snapshot(small_snapshot), state)
    pipeline = Pipeline(catalog, encoder, Retriever(catalog, state), None)
    known, nobody, found = pipeline.answer([recommend(USER_ID=b"u0"), recommend(), search("milk", USER_ID=b"u0")])
    assert ids(known) == ids(nobody)
    assert {tuple(details(answer)["degraded"]) for answer in (known, nobody, found)} == {("state",)}


def test_products_that_only_the_retriever_knows_are_left_out(
    small_snapshot: Path, state: SqliteStateStore, encoder: CountingEncoder, retriever: Retriever
) -> None:
    """The retriever of another process reads state; this process cannot."""
    new = stores.upsert(stores.product("p99", "Whole milk shake"))
    state.append_product_changes([new])
    blind: Any = UnreadableState()
    request = search("milk shake", PAGE_SIZE=100)
    [complete] = Pipeline(retriever.catalog, encoder, retriever, ReversingRanker()).answer([request])
    catalog = LiveCatalog(Snapshot(small_snapshot), blind)
    [answer] = Pipeline(catalog, encoder, retriever, ReversingRanker()).answer([request])
    assert "p99" in ids(complete)
    assert ids(answer) == [product_id for product_id in ids(complete) if product_id != "p99"]
    assert details(answer)["degraded"] == ["state"]


def test_unknown_products_after_the_window_are_left_out_too(catalog: LiveCatalog, encoder: CountingEncoder) -> None:
    unknown = catalog.base
    found = Retrieved(
        rows=np.array([3], np.int32),
        fused=np.ones(1, np.float32),
        sources=np.ones(3, np.uint8),
        features=np.zeros((1, len(FEATURE_NAMES)), np.float32),
        history_vector=np.zeros(stores.DIMENSION, np.float32),
        tail=np.array([unknown, 5], np.int32),
        total=3,
    )

    class FixedRetriever:
        catalog = None

        def retrieve(self, requests: Sequence[RetrievalRequest], vectors: Float32 | None) -> list[Any]:
            return [found]

    [answer] = Pipeline(catalog, encoder, FixedRetriever(), None).answer([recommend()])
    assert ids(answer) == [catalog.id_of(3), catalog.id_of(5)]
    assert details(answer)["degraded"] == ["state"]


def test_warming_answers_each_kind_once(
    catalog: LiveCatalog, encoder: CountingEncoder, counted: CountingRetriever
) -> None:
    Pipeline(catalog, encoder, counted, None).warm([search("milk"), recommend()])
    assert encoder.batches == [["milk"]]
    assert counted.batches == [1, 1]


def test_nobody_ranks_for_a_caller_that_has_gone(catalog: LiveCatalog, retriever: Retriever) -> None:
    ranker = ReversingRanker()
    pipeline = Pipeline(catalog, CountingEncoder(), retriever, ranker)
    gone = AbandonedError("gone")
    first, second = pipeline.answer([search("milk"), search("bread")], lambda: {1: gone})
    assert isinstance(first, Answer)
    assert second is gone
    assert [shape[0] for shape in ranker.shapes] == [1]
