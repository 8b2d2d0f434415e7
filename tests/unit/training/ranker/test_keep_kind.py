"""What the kind that was asked for counts beside what purchases taught."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mercato_export.networks.ranker import KIND_FEATURES, RankerConfig, RankerNetwork
from mercato_training.ranker.examples import ExampleSet, Task
from mercato_training.ranker.fit import Vectors, compute_scores
from mercato_training.ranker.keep_kind import LEAST_SEARCHES, MADE_WRONG, STRENGTHS, choose_kind_weight

NAMES = ("fused", "has_query", *KIND_FEATURES)
CONFIG = RankerConfig(feature_names=NAMES, dimension=4, hidden=())


def make_searches(count: int, misled: int) -> tuple[ExampleSet, Vectors]:
    """Make searches of two kinds, the right one first; the network would lead some of them by the other."""
    features = np.zeros((count, 4, len(NAMES)), np.float32)
    features[..., 0] = [1.0, 0.9, 0.8, 0.7]
    features[:misled, 2, 0] = 1.1
    features[..., 1] = 1.0
    features[..., 2] = [0.5, 0.5, 0.4, 0.4]
    features[..., 3] = [0.8, 0.8, 0.6, 0.6]
    task = Task(actor=0, time=0.0, query=0, bought=np.zeros(1, np.int32))
    examples = ExampleSet(
        rows=np.tile(np.arange(4, dtype=np.int32), (count, 1)), features=features,
        bought=np.tile([False, True, False, False], (count, 1)), query=np.zeros(count, np.int32),
        history=np.zeros((count, 4), np.float32), tasks=[task] * count,
    )  # fmt: skip
    return examples, Vectors(np.eye(4, dtype=np.float32), np.arange(4, dtype=np.int32), np.eye(4, dtype=np.float32))


def test_the_kind_counts_until_hardly_a_search_is_led_wrongly() -> None:
    examples, vectors = make_searches(100, 10)
    network = RankerNetwork(CONFIG)

    chosen = choose_kind_weight(network, examples, vectors)

    # All but ten lists have the scores 1, .9, .8, .7. The misled lack .1 of a score for .1 + .5 * .2 of a kind.
    deviation = float(np.std([1.0, 0.9, 0.8, 0.7]))
    assert chosen.weight == pytest.approx(STRENGTHS[1] * deviation)
    assert chosen.weight * (0.1 + 0.5 * 0.2) > 1.1 - 1.0
    assert (chosen.searches, chosen.made_wrong, chosen.made_wrong_kept) == (100, pytest.approx(0.1), 0.0)
    network.config = replace(CONFIG, kind_weight=chosen.weight)
    assert (compute_scores(network, examples, vectors).argmax(axis=1) == 0).all()


def test_it_counts_nothing_where_hardly_any_is_led_wrongly_or_too_few_tell() -> None:
    examples, vectors = make_searches(200, int(200 * MADE_WRONG))
    assert choose_kind_weight(RankerNetwork(CONFIG), examples, vectors).weight == 0.0
    few, vectors = make_searches(LEAST_SEARCHES - 1, LEAST_SEARCHES - 1)
    assert choose_kind_weight(RankerNetwork(CONFIG), few, vectors).weight == 0.0
    alike, vectors = make_searches(100, 100)
    alike.features[..., 2:] = 0.0  # no category is known
    assert choose_kind_weight(RankerNetwork(CONFIG), alike, vectors).searches == 0


def test_a_score_holds_the_kind_of_a_search_and_of_nothing_else() -> None:
    network = RankerNetwork(replace(CONFIG, kind_weight=3.0))
    features = torch.tensor([[[0.4, 1.0, 0.5, 0.8], [0.4, 0.0, 0.5, 0.8]]])
    vector = torch.zeros(1, 4)
    with torch.inference_mode():
        scores = network(vector, vector, torch.zeros(1, 2, 4), features)
    assert scores[0].tolist() == pytest.approx([0.4 + 3.0 * (0.5 + 0.5 * 0.8), 0.4])
