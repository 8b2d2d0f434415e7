"""The top of a search read again: which candidates, in which order, and what a failure leaves."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from mercato.errors import AbandonedError, InvalidInputError, ModelError
from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer
from mercato.pipeline.call_timeout import CALLS_AT_ONCE, RerankerTimeout
from mercato.pipeline.pipeline import Pipeline
from mercato.pipeline.remote import Arrays, RemoteReranker
from mercato.requests.page import PageRequest, parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from tests import stores
from tests.adapters.tiny_models import write_reranker

DEPTH = 6
PATIENCE_S = 10.0


class Reader:
    """A reranker that likes products whose text comes late in the alphabet, and remembers what it read."""

    def __init__(self, *, weight: float = 1.0, broken: str = "") -> None:
        self.weight = weight
        self.broken = broken
        self.read: list[tuple[str, list[str]]] = []

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        self.read += [(query, list(group)) for query, group in zip(queries, texts, strict=True)]
        if self.broken == "raises":
            raise ModelError("reranker: out of order")
        scores = [np.array([sorted(group).index(text) for text in group], np.float32) for group in texts]
        if self.broken == "nan":
            scores[0][0] = np.nan
        return scores


def build(catalog: LiveCatalog, retriever: Retriever, reader: Reader | None) -> Pipeline:
    return Pipeline(catalog, stores.HashEncoder(), retriever, None, reader, rerank_depth=DEPTH)


def search(text: str = "milk", **options: object) -> PageRequest:
    return parse_search({"QUERY": text.encode(), "OPTIONS": orjson.dumps(options), "PAGE_SIZE": 12})


def answer(pipeline: Pipeline, *requests: PageRequest) -> list[Answer]:
    answers = [one for one in pipeline.answer(requests) if isinstance(one, Answer)]
    assert len(answers) == len(requests)
    return answers


def titles(one: Answer) -> list[str]:
    return [product["title"] for product in orjson.loads(one.details)["results"]]


def test_top_is_in_the_rerankers_order_and_the_rest_stays(catalog: LiveCatalog, retriever: Retriever) -> None:
    reader = Reader()
    [plain], [again] = (answer(build(catalog, retriever, one), search()) for one in (None, reader))
    [(query, texts)] = reader.read
    assert (query, len(texts)) == ("milk", DEPTH)
    by_text = dict(zip(texts, plain.product_ids, strict=False))
    assert again.product_ids[:DEPTH] == [by_text[text] for text in sorted(texts, reverse=True)]
    assert again.product_ids[DEPTH:] == plain.product_ids[DEPTH:]
    assert again.product_ids != plain.product_ids
    assert (np.diff(again.scores) <= 0).all()
    assert "rerank_us" in orjson.loads(again.details)["timings"]
    assert "rerank_us" not in orjson.loads(plain.details)["timings"]


def test_one_call_for_the_batch_and_none_for_who_does_not_ask(catalog: LiveCatalog, retriever: Retriever) -> None:
    reader = Reader()
    pipeline = build(catalog, retriever, reader)
    requests = [
        search("milk"),
        search("tea", rerank=False),
        parse_recommend({"PLACEMENT": b"home-page"}),
        replace(search("bread"), offset=DEPTH),
        search("no such words at all", strict_filtering=True),
        search("tea"),
    ]
    plain = answer(build(catalog, retriever, None), *requests)
    again = answer(pipeline, *requests)
    assert {query for query, _ in reader.read} <= {"milk", "tea", "no such words at all"}
    assert [query for query, _ in reader.read].count("tea") == 1
    for position in (1, 2, 3):
        assert again[position].product_ids == plain[position].product_ids


@pytest.mark.parametrize("broken", ["raises", "nan"])
def test_failure_leaves_the_order_before_and_says_so(
    catalog: LiveCatalog, retriever: Retriever, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    [plain] = answer(build(catalog, retriever, None), search())
    [again] = answer(build(catalog, retriever, Reader(broken=broken)), search())
    assert again.product_ids == plain.product_ids
    assert orjson.loads(again.details)["degraded"] == ["reranker"]
    assert "reranker" in caplog.text


def test_neighbour_of_a_request_without_a_score_is_reranked(catalog: LiveCatalog, retriever: Retriever) -> None:
    first, second = answer(build(catalog, retriever, Reader(broken="nan")), search("milk"), search("tea"))
    assert orjson.loads(first.details)["degraded"] == ["reranker"]
    assert orjson.loads(second.details)["degraded"] == []


def test_explanation_has_the_rerankers_rank_and_score(catalog: LiveCatalog, retriever: Retriever) -> None:
    [one] = answer(build(catalog, retriever, Reader()), search(explain=True))
    stages = [product["explanation"]["stages"] for product in orjson.loads(one.details)["results"]]
    assert [stage["reranker"] for stage in stages[:2]] == [
        {"rank": 1, "score": float(DEPTH - 1)},
        {"rank": 2, "score": float(DEPTH - 2)},
    ]
    assert all("reranker" not in stage for stage in stages[DEPTH:])


def test_a_late_answer_is_not_waited_for() -> None:
    gate = threading.Event()

    class Slow(Reader):
        def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
            gate.wait(PATIENCE_S)
            return super().score(queries, texts)

    stage = RerankerTimeout(Slow(weight=0.3), timeout_s=0.02)
    for _ in range(CALLS_AT_ONCE):
        with pytest.raises(ModelError, match=r"no answer within 0\.02 s"):
            stage.score(["tea"], [["a", "b"]])
    with pytest.raises(ModelError, match="late calls are still under way"):
        stage.score(["tea"], [["a", "b"]])
    gate.set()
    assert stage.weight == 0.3


def test_an_answer_in_time_and_a_failure_pass_through() -> None:
    stage = RerankerTimeout(Reader(), timeout_s=PATIENCE_S)
    assert [scores.tolist() for scores in stage.score(["tea"], [["b", "a"]])] == [[1.0, 0.0]]
    with pytest.raises(ModelError, match="out of order"):
        RerankerTimeout(Reader(broken="raises"), timeout_s=PATIENCE_S).score(["tea"], [["a"]])


def test_behind_a_call_pairs_are_padded_and_sent_in_batches(tmp_path: object) -> None:
    from pathlib import Path

    from mercato.models.reranker import OnnxReranker

    folder = write_reranker(Path(str(tmp_path)) / "reranker", {"tea": 1.0, "milk": 10.0})
    local = OnnxReranker(folder)
    sent: list[tuple[int, ...]] = []

    def call(model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        assert (model, list(outputs)) == ("reranker", ["score"])
        sent.append(inputs["input_ids"].shape)
        return {"score": local.score_tokens(*inputs.values())}

    remote = RemoteReranker(call, local.tokenizer, 0.5, buckets=(8, 16))
    texts = [["tea " * (1 + position % 5) for position in range(60)], ["milk " * 9] * 6]
    expected = local.score(["tea", "milk"], texts)
    for left, right in zip(remote.score(["tea", "milk"], texts), expected, strict=True):
        np.testing.assert_array_equal(left, right)
    # 66 pairs: 64 and the 2 longest, both padded up to a bucket
    assert sent == [(64, 16), (2, 16)]


def test_nobody_reads_again_for_a_caller_that_has_gone(catalog: LiveCatalog, retriever: Retriever) -> None:
    reader = Reader()
    gone = AbandonedError("gone")
    bad = InvalidInputError("QUERY", "must be given")
    answers = build(catalog, retriever, reader).answer(
        [bad, search("milk"), search("bread")], lambda: {0: gone, 2: gone}
    )
    assert [query for query, _ in reader.read] == ["milk"]
    assert answers[0] is bad
    assert isinstance(answers[1], Answer)
    assert answers[2] is gone
