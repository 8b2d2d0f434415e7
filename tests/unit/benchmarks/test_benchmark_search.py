"""Baselines of search and the joining of folds, on products that fit on a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.command import BenchmarkError
from benchmarks.search import icecat
from benchmarks.search.baselines_search import RRF_K, fuse_orders, order_scores, score_bm25
from mercato.evaluation.folds import fold_of
from mercato.evaluation.judgements import Judgements
from tests.unit.evaluation.made_up import answer, make_evaluation


def test_bm25_stems_and_gives_nothing_where_no_word_occurs() -> None:
    scores = score_bm25(["red desk lamps", "blue kettle", "a lamp, a lamp and a lamp"], ["lamp", "kettles", "sofa"])
    assert (scores[0] > 0).tolist() == [True, False, True]
    assert int(np.argmax(scores[1])) == 1
    assert not scores[2].any()


def test_orders_keep_ties_in_place() -> None:
    assert order_scores(np.array([[1.0, 3.0, 1.0, 3.0]], np.float32)).tolist() == [[1, 3, 0, 2]]


def test_fusion_adds_reciprocal_ranks() -> None:
    fused = fuse_orders([np.array([[0, 1, 2]]), np.array([[2, 1, 0]])])
    first_and_last = 1 / (RRF_K + 1) + 1 / (RRF_K + 3)
    assert fused[0] == pytest.approx([first_and_last, 2 / (RRF_K + 2), first_and_last])


def test_a_text_of_a_product_has_names_of_truths_and_no_numbers() -> None:
    row = {
        "title": "Lamp",
        "supplier": "Lumio",
        "short_description": None,
        "attributes": '{"t_product_colour": "Red", "b_dimmable": true, "b_solar": false, "n_height": 30.0}',
    }
    assert icecat.write_text(row) == "Lamp Lumio product colour Red dimmable"


def test_what_a_metric_looks_at_is_kept() -> None:
    assert icecat.keep_measured(["a", "b", "c", "d"], np.array([3, 2, 1, 0]), {"a": 1}, 2) == ["d", "c", "a"]


def test_every_query_is_in_one_fold() -> None:
    judgements = Judgements(ratings={f"query {number}": {} for number in range(50)})
    parts = [icecat.select_fold(judgements, fold) for fold in range(5)]
    assert sorted(query for part in parts for query in part.queries) == sorted(judgements.queries)
    assert all(fold_of(query) == fold for fold, part in enumerate(parts) for query in part.queries)


def test_folds_join_to_what_one_server_would_have_answered() -> None:
    whole = make_evaluation()
    parts = [make_evaluation(), make_evaluation(answer("x", "a", "b"), answer("c"), answer("d"), answer("x"))]
    merged = icecat.merge_evaluations(parts)
    assert len(merged.labels) == 2 * len(whole.labels)
    assert merged.values["mrr"][:3].tolist() == whole.values["mrr"][:3].tolist()
    assert merged.values["mrr"][4] == 1 / 2
    assert merged.totals["zero_result_share"] == 1 / 8
    assert set(merged.stages) == {"words", "dense", "shown"}


def test_folders_of_folds_must_hold_a_model_each(tmp_path: Path) -> None:
    for fold in range(4):
        (tmp_path / f"ranker-{fold}").mkdir()
    with pytest.raises(BenchmarkError, match="neither ranker-4 nor reranker-4"):
        icecat.list_folds(tmp_path)
    (tmp_path / "reranker-4").mkdir()
    found = icecat.list_folds(tmp_path)
    assert (found[0].ranker, found[0].reranker) == (tmp_path / "ranker-0", None)
    assert (found[4].ranker, found[4].reranker) == (None, tmp_path / "reranker-4")
