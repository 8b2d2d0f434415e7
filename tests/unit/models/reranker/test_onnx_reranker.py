"""Pairs, their scores in any company, time limits, and folders that are refused."""

import json
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mercato.arrays import Float32
from mercato.errors import InvalidInputError, ModelError
from mercato.models.reranker import OnnxReranker, PairTokenizer, onnx_reranker, pair_tokenizer
from mercato.models.reranker.pair_tokenizer import PairBatch
from mercato.serving.preflight import check_folder
from mercato.triton_models.reranker import RERANKER
from tests.adapters.tiny_models import write_reranker

WORTH = {"tea": 1.0, "green": 10.0, "milk": 100.0}
CLS, SEP, TEA, GREEN, MILK = 2, 3, 4, 5, 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_reranker(tmp_path / "reranker", WORTH, weight=0.4)


def tokenizer_of(folder: Path, *, max_tokens: int = 32, query_tokens: int = 8) -> PairTokenizer:
    return PairTokenizer(folder / "tokenizer.json", max_tokens=max_tokens, query_tokens=query_tokens)


def test_pair_is_query_then_product(folder: Path) -> None:
    pairs = tokenizer_of(folder)(["green tea", "milk"], [["tea", "milk milk milk"], [""]])
    assert pairs.input_ids.tolist() == [
        [CLS, GREEN, TEA, SEP, TEA, SEP, 0, 0],
        [CLS, GREEN, TEA, SEP, MILK, MILK, MILK, SEP],
        [CLS, MILK, SEP, SEP, 0, 0, 0, 0],
    ]
    assert pairs.token_type_ids.tolist() == [
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 0, 0, 0, 0],
    ]
    assert pairs.attention_mask.sum(1).tolist() == pairs.lengths.tolist() == [6, 8, 4]


def test_a_long_query_leaves_room_for_the_product(folder: Path) -> None:
    pairs = tokenizer_of(folder, max_tokens=8, query_tokens=2)(["tea " * 50], [["green " * 50]])
    assert pairs.input_ids.tolist() == [[CLS, TEA, TEA, SEP, GREEN, GREEN, GREEN, SEP]]


def test_no_pair_is_no_token(folder: Path) -> None:
    assert tokenizer_of(folder)([], []).input_ids.shape == (0, 0)
    assert tokenizer_of(folder)(["tea"], [[]]).lengths.tolist() == []


def test_kept_tokens_are_those_of_the_text_and_their_number_is_bounded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_tokenizer, "TEXTS_KEPT", 2)
    tokenizer = tokenizer_of(folder)
    texts = ["tea", "green", "milk", "tea milk"]
    for _ in range(2):
        for text in texts:
            expected = tokenizer_of(folder)(["tea"], [[text]])
            assert tokenizer(["tea"], [[text]]).input_ids.tolist() == expected.input_ids.tolist()
    assert list(tokenizer._kept) == texts[-2:]


def test_lone_surrogates_are_read(folder: Path) -> None:
    assert tokenizer_of(folder)(["\ud800 tea"], [["green \udfff"]]).input_ids.shape[0] == 1


def test_scores_come_back_in_the_order_of_queries_and_texts(folder: Path) -> None:
    reranker = OnnxReranker(folder)
    scores = reranker.score(["tea", "milk"], [["green tea", "milk", "cup"], [], ["tea"]][:2])
    assert [score.tolist() for score in scores] == [[11.0, 100.0, 0.0], []]
    assert (reranker.weight, reranker.precision) == (0.4, "int8")


@pytest.mark.parametrize("workers", [1, 3])
def test_pair_scores_the_same_alone_and_in_company(folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_reranker, "TOKENS_PER_RUN", 16)
    monkeypatch.setattr(onnx_reranker, "PAIRS_PER_LOOK", 3)
    reranker = OnnxReranker(folder, workers=workers)
    queries = ["tea", "green milk", "milk", "tea green"]
    texts = [["green " * n for n in (5, 1, 3)], ["milk"], ["tea"] * 4, ["green tea"]]
    together = reranker.score(queries, texts)
    for query, group, scores in zip(queries, texts, together, strict=True):
        alone = [float(reranker.score([query], [[text]])[0][0]) for text in group]
        assert scores.tolist() == alone
    assert together[0].tolist() == [50.0, 10.0, 30.0]


def test_nothing_to_score_is_no_score(folder: Path) -> None:
    reranker = OnnxReranker(folder)
    assert reranker.score([], []) == []
    assert [part.tolist() for part in reranker.score(["tea"], [[]])] == [[]]


def test_what_is_late_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 0.1, 0.6])  # the start, before the first run, before the second
    monkeypatch.setattr(onnx_reranker, "PAIRS_PER_LOOK", 1)
    monkeypatch.setattr("mercato.models.reranker.onnx_reranker.time.monotonic", lambda: next(moments))
    scores = OnnxReranker(folder, budget_s=0.5).score(["tea", "milk"], [["tea"], ["milk"]])
    assert scores[0].tolist() == [1.0]
    assert np.isnan(scores[1]).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_runs_share_the_workers_and_their_failure_is_raised(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_reranker, "TOKENS_PER_RUN", 1)
    reranker = OnnxReranker(folder, workers=workers)
    # two threads meet in here, one alone waits in vain
    meeting = threading.Barrier(2, timeout=0.2 if workers == 1 else 10.0)
    run = reranker._run

    def meet(pairs: PairBatch) -> Float32:
        meeting.wait()
        return run(pairs)

    monkeypatch.setattr(reranker, "_run", meet)
    if workers == 1:
        with pytest.raises(threading.BrokenBarrierError):
            reranker.score(["tea"], [["tea", "milk"]])
    else:
        assert reranker.score(["tea"], [["tea", "milk"]])[0].tolist() == [1.0, 100.0]
    with pytest.raises(InvalidInputError, match="workers: must be at least 1, got 0"):
        OnnxReranker(folder, workers=0)


def test_tokens_must_fit_together(folder: Path) -> None:
    reranker = OnnxReranker(folder)
    tokens = np.array([[CLS, TEA, SEP, MILK, SEP]])
    types = np.array([[0, 0, 0, 1, 1]])
    assert reranker.score_tokens(tokens, np.ones_like(tokens), types).tolist() == [[100.0]]
    with pytest.raises(InvalidInputError, match=r"attention_mask: and token_type_ids must have the shape of input_ids"):
        reranker.score_tokens(tokens, np.ones_like(tokens), types[:, :2])
    with pytest.raises(InvalidInputError, match="at least one token a pair, got 0"):
        reranker.score_tokens(tokens[:, :0], tokens[:, :0], tokens[:, :0])
    with pytest.raises(ModelError, match="ONNX Runtime refused"):
        reranker.score_tokens(tokens + 10**6, np.ones_like(tokens), types)


def test_reranker_of_another_tokenizer_is_refused(folder: Path) -> None:
    other = write_reranker(folder.parent / "other", {"coffee": 1.0})
    (folder / "tokenizer.json").write_bytes((other / "tokenizer.json").read_bytes())
    for check in (OnnxReranker, partial(check_folder, RERANKER)):
        with pytest.raises(ModelError, match=r"tokenizer.json must have sha256 .*the tokenizer it was trained with"):
            check(folder)


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["serving"].update(changes)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (["manifest.json"], "manifest.json cannot be read .*mercato export reranker"),
        (["tokenizer.json"], "tokenizer.json does not exist"),
    ],
)
def test_folder_that_lacks_a_file_is_refused(folder: Path, spoil: Sequence[str], message: str) -> None:
    for name in spoil:
        (folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        OnnxReranker(folder)


def test_manifest_that_cannot_be_is_refused(folder: Path) -> None:
    rewrite(folder, weight=1.5)
    with pytest.raises(ModelError, match="is not a manifest .*serving.weight"):
        OnnxReranker(folder)
    rewrite(folder, weight=0.5)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(ModelError, match="has schema version 2, this Mercato reads 1"):
        OnnxReranker(folder)


def test_tokenizer_without_separators_is_refused(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("[SEP]", "[END]"))
    with pytest.raises(ModelError, match=r"must know \[CLS\] and \[SEP\]"):
        tokenizer_of(folder)
    with pytest.raises(InvalidInputError, match="precision: must be one of"):
        OnnxReranker(folder, precision="int4")  # type: ignore[arg-type]
