"""Effects of groups of features, with rankers whose scores are sums that can be written down."""

from __future__ import annotations

import numpy as np
import pytest

from mercato.arrays import Float32
from mercato.explain.ablation import MAX_BATCH, Window, compute_effects
from mercato.explain.groups import GROUPS
from mercato.features.features import COLUMN, FEATURE_NAMES

NUMBER = {group.name: number for number, group in enumerate(GROUPS)}


class LinearRanker:
    """score = weights . features + query . candidate + history . candidate."""

    def __init__(self, **weights: float) -> None:
        self.weights = np.zeros(len(FEATURE_NAMES), np.float32)
        for name, weight in weights.items():
            self.weights[COLUMN[name]] = weight
        self.calls: list[tuple[int, ...]] = []

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        self.calls.append(features.shape)
        cosines = np.einsum("bd,bnd->bn", query + history, candidates)
        scores: Float32 = (features @ self.weights + cosines).astype(np.float32)
        return scores


def window(
    ranker: LinearRanker,
    *,
    query: tuple[float, float] = (0, 0),
    history: tuple[float, float] = (0, 0),
    candidates: list[tuple[float, float]] | None = None,
    **columns: list[float],
) -> Window:
    """A window of as many products as the columns have values, scored by the ranker."""
    width = len(candidates or next(iter(columns.values())))
    features = np.zeros((width, len(FEATURE_NAMES)), np.float32)
    for name, values in columns.items():
        features[:, COLUMN[name]] = values
    vectors = np.array(candidates or [(0, 0)] * width, np.float32)
    both = np.array([query], np.float32), np.array([history], np.float32)
    scores = ranker.score(*both, vectors[None], features[None])[0]
    ranker.calls.clear()
    return Window(
        is_search=any(query),
        query=both[0][0],
        history=both[1][0],
        candidates=vectors,
        features=features,
        scores=scores,
    )


def effects_of(ranker: LinearRanker, *windows: Window) -> list[dict[str, list[float]]]:
    return [
        {group.name: effects[number].tolist() for number, group in enumerate(GROUPS) if effects[number].any()}
        for effects in compute_effects(ranker, windows)
    ]


def test_effect_is_what_the_score_loses_in_standard_deviations() -> None:
    ranker = LinearRanker(log_popularity=2.0)
    # Scores 2 * (1, 2, 6), their mean 6; standard deviation of (2, 4, 12) is sqrt((16 + 4 + 36) / 3).
    [effects] = effects_of(ranker, window(ranker, log_popularity=[1.0, 2.0, 6.0]))
    deviation = ((16 + 4 + 36) / 3) ** 0.5
    assert list(effects) == ["popularity"]
    assert effects["popularity"] == pytest.approx([(2 - 6) / deviation, (4 - 6) / deviation, (12 - 6) / deviation])


def test_columns_of_a_group_are_taken_away_together() -> None:
    ranker = LinearRanker(log_price=-1.0, price_relative=1.0)
    # The two columns of the price cancel out: the group moves nothing, and popularity orders the window.
    [effects] = effects_of(
        ranker, window(ranker, log_price=[1.0, 3.0], price_relative=[1.0, 3.0], trend=[0.0, 0.0], fused=[0.0, 0.0])
    )
    assert effects == {}
    ranker = LinearRanker(log_price=-1.0, price_relative=-1.0, fused=1.0)
    [effects] = effects_of(ranker, window(ranker, log_price=[1.0, 3.0], price_relative=[0.0, 2.0], fused=[8.0, 0.0]))
    # Scores 7 and -5: mean 1, deviation 6. The mean of the price's part is -(2 + 1) = -3, of fused 4.
    assert effects["price"] == pytest.approx([(-1 + 3) / 6, (-5 + 3) / 6])
    assert effects["order of retrieval"] == pytest.approx([(8 - 4) / 6, (0 - 4) / 6])


def test_the_query_vector_is_levelled_in_a_search_and_leaves_the_history_alone() -> None:
    ranker = LinearRanker()
    given = window(ranker, query=(1, 0), history=(0, 1), candidates=[(0.5, 0.25), (0.1, 0.75)])
    # Scores 0.75 and 0.85: deviation 0.05. Cosines with the query 0.5 and 0.1, their mean 0.3; with history 0.25, 0.75.
    [effects] = effects_of(ranker, given)
    assert effects["similarity"] == pytest.approx([(0.5 - 0.3) / 0.05, (0.1 - 0.3) / 0.05], rel=1e-4)
    assert effects["taste"] == pytest.approx([(0.25 - 0.5) / 0.05, (0.75 - 0.5) / 0.05], rel=1e-4)


def test_vectors_that_are_not_at_right_angles_are_told_apart() -> None:
    ranker = LinearRanker()
    given = window(ranker, query=(1, 0), history=(0.6, 0.8), candidates=[(1, 0), (0, 1)])
    # Cosines with the query 1, 0 (mean 0.5), with the history 0.6, 0.8 (mean 0.7); scores 1.6, 0.8: deviation 0.4.
    [effects] = effects_of(ranker, given)
    assert effects["similarity"] == pytest.approx([(1 - 0.5) / 0.4, (0 - 0.5) / 0.4], rel=1e-4)
    assert effects["taste"] == pytest.approx([(0.6 - 0.7) / 0.4, (0.8 - 0.7) / 0.4], rel=1e-4)


def test_a_recommendation_is_like_the_history() -> None:
    ranker = LinearRanker()
    [effects] = effects_of(ranker, window(ranker, history=(1, 0), candidates=[(0.8, 0), (0.4, 0)]))
    assert effects == {"similarity": pytest.approx([(0.8 - 0.6) / 0.2, (0.4 - 0.6) / 0.2], rel=1e-4)}


def test_the_time_has_an_effect_only_where_it_tells_products_apart() -> None:
    ranker = LinearRanker(hour_sin=3.0, log_popularity=1.0)
    [effects] = effects_of(ranker, window(ranker, hour_sin=[0.5, 0.5], log_popularity=[1.0, 2.0]))
    assert list(effects) == ["popularity"], "what lifts the whole window alike moves nothing in it"

    class Mornings(LinearRanker):
        def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
            return features[..., COLUMN["hour_sin"]] * features[..., COLUMN["log_popularity"]]

    ranker = Mornings()
    # Scores 0.5 * (1, 3), deviation 0.5; without the hour 0 and 0: lost 0.5 and 1.5, their mean 1.
    [effects] = effects_of(ranker, window(ranker, hour_sin=[0.5, 0.5], log_popularity=[1.0, 3.0]))
    assert effects["time"] == pytest.approx([(0.5 - 1) / 0.5, (1.5 - 1) / 0.5])


def test_equal_scores_moved_nothing() -> None:
    ranker = LinearRanker(log_popularity=1.0, trend=-1.0)
    assert effects_of(ranker, window(ranker, log_popularity=[1.0, 2.0], trend=[1.0, 2.0])) == [{}]
    assert effects_of(ranker, window(ranker, log_popularity=[1.0])) == [{}]


def test_windows_of_several_requests_share_calls_and_do_not_meet() -> None:
    ranker = LinearRanker(log_popularity=1.0)
    windows = [window(ranker, log_popularity=[float(n) for n in range(width)]) for width in (2, 5, 3)]
    together = effects_of(ranker, *windows)
    assert ranker.calls == [(3 * len(GROUPS), 5, len(FEATURE_NAMES))], "one call for all, padded to the widest"
    assert together == [effects_of(ranker, one)[0] for one in windows]


def test_a_call_takes_no_more_lists_than_the_ranker_does() -> None:
    ranker = LinearRanker(log_popularity=1.0)
    windows = [window(ranker, log_popularity=[1.0, 2.0])] * 10
    found = effects_of(ranker, *windows)
    assert sum(call[0] for call in ranker.calls) == 10 * len(GROUPS)
    assert max(call[0] for call in ranker.calls) <= MAX_BATCH
    assert found == [found[0]] * 10


def test_a_ranker_that_answers_nan_gives_no_effect() -> None:
    class Broken(LinearRanker):
        def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
            return np.full(features.shape[:2], np.nan, np.float32)

    given = window(LinearRanker(trend=1.0), trend=[1.0, 2.0])
    assert effects_of(Broken(), given) == [{}]
