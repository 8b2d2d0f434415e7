from pathlib import Path

import numpy as np
import pytest
import torch

from mercato_export.networks.ranker import RankerConfig, RankerNetwork, load_ranker, save_ranker
from mercato_export.networks.relevance import INPUT_LIMIT, RelevanceLayer

NAMES = ("fused", "has_query", "signal")
CONFIG = RankerConfig(feature_names=NAMES, dimension=4, hidden=(), relevance=6, bins=2)


def make_layer() -> RelevanceLayer:
    layer = RelevanceLayer(inputs=2, width=3, bins=2)
    layer.cut_by(torch.tensor([[0.0, 7.0], [1.0, 7.0], [4.0, 7.0]]))
    return layer


def test_pieces_lie_between_quantiles() -> None:
    encoded = make_layer().encode(torch.tensor([[0.5, 7.0], [2.5, 9.0], [99.0, 7.0]]))

    mean, deviation = (0 + 1 + 4) / 3, np.std([0.0, 1.0, 4.0])
    standard = np.array([(0.5 - mean) / deviation, (2.5 - mean) / deviation, INPUT_LIMIT])
    # Quantiles 0, 1 and 4: the first piece ends at 1, the second at 4; half is taken off each.
    first, second = [0.5, 1.0, 1.0], [0.0, (2.5 - 1) / 3, 1.0]
    np.testing.assert_allclose(encoded[:, 0], standard, rtol=1e-6)
    np.testing.assert_allclose(encoded[:, 2], np.array(first) - 0.5, rtol=1e-6)
    np.testing.assert_allclose(encoded[:, 3], np.array(second) - 0.5, rtol=1e-6)


def test_an_input_that_never_varied_is_left_out() -> None:
    encoded = make_layer().encode(torch.tensor([[0.0, 7.0], [0.0, -1e6]]))
    assert encoded[:, [1, 4, 5]].tolist() == [[0.0, 0.0, 0.0]] * 2


def test_untrained_it_changes_nothing_and_the_network_answers_in_the_order_of_retrieval() -> None:
    network = RankerNetwork(CONFIG)
    features = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(1))
    scores = network(torch.rand(2, 4), torch.zeros(2, 4), torch.rand(2, 5, 4), features)
    torch.testing.assert_close(scores, features[..., 0])


def test_relevance_counts_in_searches_only() -> None:
    network = RankerNetwork(CONFIG)
    torch.nn.init.constant_(network.relevance.output.bias, 3.0)
    features = torch.tensor([[[0.25, 1.0, 0.0]], [[0.25, 0.0, 0.0]]])
    scores = network(torch.zeros(2, 4), torch.zeros(2, 4), torch.zeros(2, 1, 4), features)
    assert scores.flatten().tolist() == pytest.approx([0.25 + 3.0, 0.25])


def test_saved_and_loaded_it_scores_the_same(tmp_path: Path) -> None:
    network = RankerNetwork(CONFIG)
    network.relevance.cut_by(torch.rand(50, 5))
    torch.nn.init.normal_(network.relevance.output.weight)
    save_ranker(tmp_path, network)
    loaded, config = load_ranker(tmp_path)
    assert config == CONFIG
    inputs = (torch.rand(1, 4), torch.zeros(1, 4), torch.rand(1, 3, 4), torch.rand(1, 3, 3))
    torch.testing.assert_close(loaded(*inputs), network(*inputs))
