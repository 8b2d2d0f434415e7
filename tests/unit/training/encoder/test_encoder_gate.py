"""What a trained encoder is refused by."""

from typing import Any

import numpy as np
import pytest

from mercato.errors import DataError, ModelError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato_training.encoder.gate import (
    GATED,
    GateOptions,
    ListJudge,
    choose_held,
    compare_figures,
    require_no_harm,
)
from mercato_training.encoder.taught import Origin, TaughtQuery


def taught(query: str, ratings: dict[int, int], origin: Origin = "ratings") -> TaughtQuery:
    rows = np.array([row for row, rating in ratings.items() if rating], np.int32)
    return TaughtQuery(
        query=query, origin=origin, vector=np.zeros(16, np.float32), rows=rows,
        shares=np.full(len(rows), 1 / max(1, len(rows)), np.float32), rivals=np.zeros(0, np.int32), ratings=ratings,
    )  # fmt: skip


def changes(recall: Any, condensed: Any) -> Any:
    old = np.full(40, 0.5)
    after = {name: old for name in ("dense recall@100", "dense condensed nDCG@10", "answer recall@100")}
    return compare_figures(
        {**after, "answer condensed nDCG@10": old}, {**after, GATED[0]: old + recall, GATED[1]: old + condensed}
    )


def test_a_gain_without_harm_passes() -> None:
    found = changes(np.tile([0.1, 0.0], 20), 0.0)
    require_no_harm(found, GateOptions())
    assert found[GATED[0]].difference == pytest.approx(0.05)
    assert (found[GATED[0]].wins, found[GATED[0]].losses) == (20, 0)


def test_recall_must_not_fall_however_little() -> None:
    with pytest.raises(ModelError, match=r"dense recall@100 fell by -0.010 .* on 40 queries"):
        require_no_harm(changes(-0.01, 0.0), GateOptions(margin=0.5))


def test_an_interval_below_the_margin_is_refused() -> None:
    # half of the queries lose .1 of their order, the other half nothing: -.05, and at worst some -.065
    worse = np.tile([-0.1, 0.0], 20)
    with pytest.raises(ModelError, match=r"answer condensed nDCG@10 changed by -0.050 .* --margin 0.03"):
        require_no_harm(changes(0.02, worse), GateOptions())
    require_no_harm(changes(0.02, worse), GateOptions(margin=0.1))


def test_an_uncertain_gain_is_refused_by_its_lower_end() -> None:
    wild = np.concatenate([np.full(20, 0.5), np.full(20, -0.48)])
    with pytest.raises(ModelError, match=r"dense recall@100 changed by \+0.010"):
        require_no_harm(changes(wild, 0.0), GateOptions())


def test_unknown_figures_are_refused() -> None:
    nothing = np.where(np.arange(40) < 30, np.nan, 0.1)
    with pytest.raises(ModelError, match="is known of 10 held-back queries only, and 20 are needed"):
        require_no_harm(changes(nothing, 0.0), GateOptions())


def test_the_best_origin_that_has_enough_is_judged_on() -> None:
    rated = [taught(f"r{number}", {0: 1}) for number in range(3)]
    own = [taught(f"c{number}", {0: 1}, "catalogue") for number in range(5)]
    assert choose_held([*own, *rated], GateOptions(least_queries=3)) == rated
    assert choose_held([*own, *rated], GateOptions(least_queries=4)) == own
    with pytest.raises(
        DataError, match="at least 6 queries held back to judge it on, there are 3 of ratings, 0 of log"
    ):
        choose_held([*own, *rated], GateOptions(least_queries=6))
    irrelevant = [taught("nothing", {0: 0})]
    with pytest.raises(DataError, match="there are 0 of ratings"):
        choose_held(irrelevant, GateOptions(least_queries=1))


def test_lists_are_measured_as_they_are_answered(snapshot: Snapshot) -> None:
    catalog = LiveCatalog(snapshot, None)
    rows = np.arange(catalog.base, dtype=np.int32)
    milk = [row for row in rows.tolist() if "milk" in catalog.document(row).decode()]
    one = taught("milk", {milk[0]: 3, milk[1]: 1, (milk[0] + 1) % 48: 0})
    judge = ListJudge(catalog, [one], rows)
    vectors = np.eye(48, dtype=np.float32)
    best = judge.measure((3 * vectors[milk[0]] + vectors[milk[1]])[None], vectors)
    worst = judge.measure((vectors[milk[1]] + 0.5 * vectors[milk[0]])[None], vectors)
    assert best["dense recall@100"].tolist() == worst["dense recall@100"].tolist() == [1.0]
    assert best["dense condensed nDCG@10"].tolist() == [1.0]
    # gains 7 and 1: the lesser one first
    ideal = 7 + 1 / np.log2(3)
    assert worst["dense condensed nDCG@10"][0] == pytest.approx((1 + 7 / np.log2(3)) / ideal)
    assert best["answer condensed nDCG@10"][0] >= worst["answer condensed nDCG@10"][0]
