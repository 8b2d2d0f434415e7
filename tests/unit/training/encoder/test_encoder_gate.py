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
from mercato_training.encoder.taught import EncoderData, Origin, TaughtQuery


def taught(query: str, ratings: dict[int, int], origin: Origin = "ratings") -> TaughtQuery:
    rows = np.array([row for row, rating in ratings.items() if rating], np.int32)
    return TaughtQuery(
        query=query, origin=origin, vector=np.zeros(16, np.float32), rows=rows,
        shares=np.full(len(rows), 1 / max(1, len(rows)), np.float32), rivals=np.zeros(0, np.int32), ratings=ratings,
    )  # fmt: skip


def gather(held_back: list[TaughtQuery], train: list[TaughtQuery] | None = None) -> EncoderData:
    return EncoderData(train=train or [], validation=[], held_back=held_back, counts={})


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


def test_the_best_origin_that_there_is_is_judged_on() -> None:
    rated = [taught(f"r{number}", {0: 3}) for number in range(3)]
    logged = [taught(f"l{number}", {0: 2}, "log") for number in range(4)]
    own = [taught(f"c{number}", {0: 1}, "catalogue") for number in range(5)]
    assert choose_held(gather([*own, *logged, *rated]), GateOptions(least_queries=3)) == rated
    assert choose_held(gather([*own, *logged]), GateOptions(least_queries=4)) == logged
    assert choose_held(gather(own), GateOptions(least_queries=5)) == own


def test_few_ratings_are_not_judged_on_made_queries() -> None:
    rated = [taught(f"r{number}", {0: 3}) for number in range(3)]
    own = [taught(f"c{number}", {0: 1}, "catalogue") for number in range(5)]
    message = "at least 4 queries held back .* there are 3 of ratings; .* or leave --judgements out"
    with pytest.raises(DataError, match=message):
        choose_held(gather([*own, *rated]), GateOptions(least_queries=4))
    with pytest.raises(DataError, match="there are 0 of ratings"):  # none fell into the fold
        choose_held(gather(own, train=rated), GateOptions(least_queries=4))
    with pytest.raises(DataError, match=r"there are 0 of catalogue; .* or more --queries"):
        choose_held(gather([]), GateOptions())


def test_queries_without_a_product_that_recall_asks_for_do_not_count() -> None:
    # of ratings up to 3 recall asks for 2
    rated = [taught("good", {0: 3}), taught("fair", {0: 2}), taught("poor", {0: 1}), taught("nothing", {0: 0})]
    assert [one.query for one in choose_held(gather(rated), GateOptions(least_queries=2))] == ["good", "fair"]
    with pytest.raises(DataError, match="there are 2 of ratings"):
        choose_held(gather(rated), GateOptions(least_queries=3))


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
