from pathlib import Path

import numpy as np
import pytest
import torch

from mercato.errors import ModelError
from mercato_export.networks.ranker import RankerConfig, RankerNetwork, load_ranker, save_ranker

NAMES = ("dense_score", "fused", "log_price")
CONFIG = RankerConfig(feature_names=NAMES, dimension=8, projection=4, hidden=(6, 5))


def make_inputs(batch: int = 3, count: int = 7) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    shapes = ((batch, 8), (batch, 8), (batch, count, 8), (batch, count, len(NAMES)))
    return tuple(torch.rand(shape, generator=generator) for shape in shapes)


def make_trained() -> RankerNetwork:
    torch.manual_seed(1)
    network = RankerNetwork(CONFIG)
    network.standardize_by(torch.rand(50, len(NAMES)))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def test_untrained_it_answers_in_the_order_of_retrieval() -> None:
    inputs = make_inputs()
    with torch.inference_mode():
        scores = RankerNetwork(CONFIG)(*inputs)
    torch.testing.assert_close(scores, inputs[3][..., NAMES.index("fused")])


def test_one_request_equals_its_row_in_a_batch() -> None:
    network, inputs = make_trained(), make_inputs()
    with torch.inference_mode():
        together = network(*inputs)
        for row in range(3):
            alone = network(*(tensor[row : row + 1] for tensor in inputs))
            torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)
    assert together.shape == (3, 7)


def test_every_input_matters() -> None:
    network, inputs = make_trained(), make_inputs()
    with torch.inference_mode():
        scores = network(*inputs)
        for position in range(4):
            changed = [tensor.clone() for tensor in inputs]
            changed[position] += 0.1 * torch.rand(changed[position].shape)
            assert not torch.allclose(network(*changed), scores), position


def test_features_are_standardized_and_bounded() -> None:
    network = RankerNetwork(CONFIG)
    network.standardize_by(torch.tensor([[0.0, 1.0, 5.0], [2.0, 3.0, 5.0]]))
    assert network.mean.tolist() == [1.0, 2.0, 5.0]
    assert network.scale.tolist() == [1.0, 1.0, 0.0]


def test_a_feature_that_never_varied_changes_nothing() -> None:
    network, inputs = make_trained(), list(make_inputs())
    network.scale[NAMES.index("log_price")] = 0.0
    with torch.inference_mode():
        scores = network(*inputs)
        inputs[3] = inputs[3].clone()
        inputs[3][..., NAMES.index("log_price")] = 1e6
        torch.testing.assert_close(network(*inputs), scores)


def test_saved_and_loaded_it_scores_the_same(tmp_path: Path) -> None:
    network, inputs = make_trained(), make_inputs()
    save_ranker(tmp_path / "ranker", network)
    loaded, config = load_ranker(tmp_path / "ranker")
    assert config == CONFIG
    assert not loaded.training
    with torch.inference_mode():
        np.testing.assert_array_equal(loaded(*inputs).numpy(), network(*inputs).numpy())


@pytest.mark.parametrize("damage", ["missing", "weights", "config"])
def test_a_folder_without_a_ranker_is_refused(tmp_path: Path, damage: str) -> None:
    if damage != "missing":
        save_ranker(tmp_path, make_trained())
        broken = {"weights": "ranker.safetensors", "config": "config.json"}[damage]
        (tmp_path / broken).write_text("{}")
    with pytest.raises(ModelError, match="mercato train ranker --catalog CATALOG"):
        load_ranker(tmp_path)
