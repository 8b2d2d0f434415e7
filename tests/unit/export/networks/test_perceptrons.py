"""Perceptrons side by side: each as it would be alone."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mercato_export.half import halve
from mercato_export.networks.perceptrons import Activation, Perceptrons, StackedLinear
from mercato_export.networks.ranker import WEIGHTS_FILE, RankerConfig, RankerNetwork, load_ranker, save_ranker
from mercato_export.pipeline import export_model
from mercato_export.ranker import describe_ranker
from mercato_training.ranker.fit import compute_loss

NAMES = ("dense_score", "fused", "log_price")
MEMBERS = 3
CONFIG = RankerConfig(feature_names=NAMES, dimension=8, projection=4, hidden=(6, 5), members=MEMBERS)
# Products of fp16 numbers of size 1, summed over a dozen.
HALF_TOLERANCE = 1e-2


def make_inputs(batch: int = 3, count: int = 7) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    shapes = ((batch, 8), (batch, 8), (batch, count, 8), (batch, count, len(NAMES)))
    return tuple(torch.rand(shape, generator=generator) for shape in shapes)


def make_trained(config: RankerConfig = CONFIG) -> RankerNetwork:
    torch.manual_seed(1)
    network = RankerNetwork(config)
    network.standardize_by(torch.rand(50, len(NAMES)))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def take_member(network: RankerNetwork, member: int) -> RankerNetwork:
    """Return a network of one member, with the weights of another network's member."""
    width = network.config.projection
    alone = RankerNetwork(RankerConfig(feature_names=NAMES, dimension=8, projection=width, hidden=(6, 5)))
    state = network.state_dict()
    state["projection.weight"] = state["projection.weight"][member * width : (member + 1) * width]
    for name, value in state.items():
        if name.startswith("perceptron."):
            state[name] = value[member : member + 1]
    alone.load_state_dict(state)
    return alone.eval()


def test_each_layer_is_a_linear_layer_a_member() -> None:
    layer = StackedLinear(2, 3, 4)
    inputs = torch.rand(2, 5, 3)
    for member in range(2):
        expected = nn.functional.linear(inputs[member], layer.weight[member].T, layer.bias[member, 0])
        torch.testing.assert_close(layer(inputs)[member], expected)


def test_one_member_starts_as_linear_layers_of_pytorch_do() -> None:
    torch.manual_seed(4)
    stacked = Perceptrons(1, 3, (6, 5), 1)
    torch.manual_seed(4)
    first, second = nn.Linear(3, 6), nn.Linear(6, 5)
    weights = stacked.state_dict()
    torch.testing.assert_close(weights["0.weight"][0], first.weight.detach().T)
    torch.testing.assert_close(weights["2.weight"][0], second.weight.detach().T)
    torch.testing.assert_close(weights["2.bias"][0, 0], second.bias.detach())
    assert not weights["4.weight"].any()


def test_the_answer_is_the_mean_of_the_members_answers() -> None:
    network, inputs = make_trained(), make_inputs()
    with torch.inference_mode():
        apart = torch.stack([take_member(network, member)(*inputs) for member in range(MEMBERS)])
        torch.testing.assert_close(network.score_members(*inputs)[..., 0], apart)
        torch.testing.assert_close(network(*inputs), (apart[0] + apart[1] + apart[2]) / 3)
    assert (apart[0] - apart[1]).abs().max() > 1e-3


def test_members_learn_each_from_its_own_answers() -> None:
    network, inputs = make_trained(), make_inputs()
    bought, listed = torch.rand(3, 7) > 0.5, torch.ones(3, 7, dtype=torch.bool)
    bought[:, 0] = True
    scores = network.score_members(*inputs)[..., 0]
    torch.stack([compute_loss(own, bought, listed) for own in scores]).mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
    for member in range(MEMBERS):
        alone = take_member(network, member)
        compute_loss(alone(*inputs), bought, listed).mean().backward()  # type: ignore[no-untyped-call]
        for name in ("perceptron.0.weight", "perceptron.4.bias"):
            together = network.get_parameter(name).grad
            own = alone.get_parameter(name).grad
            assert together is not None and own is not None
            torch.testing.assert_close(together[member], own[0])


def test_untrained_members_answer_in_the_order_of_retrieval() -> None:
    inputs = make_inputs()
    with torch.inference_mode():
        torch.testing.assert_close(RankerNetwork(CONFIG)(*inputs), inputs[3][..., NAMES.index("fused")])


def test_weights_that_were_kept_before_there_were_members_are_read(tmp_path: Path) -> None:
    network = take_member(make_trained(), 0)
    save_ranker(tmp_path, network)
    # As it was kept: linear layers of PyTorch, [outputs, inputs] and [outputs]; no `members` in the config.
    state = {
        name: (value[0].T if name.endswith("weight") else value[0, 0]).contiguous()
        if name.startswith("perceptron.")
        else value
        for name, value in network.state_dict().items()
    }
    assert [tuple(state[f"perceptron.{position}.weight"].shape) for position in (0, 2, 4)] == [(6, 7), (5, 6), (1, 5)]
    save_file(state, tmp_path / WEIGHTS_FILE)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('  "members": 1,\n', ""))
    assert "members" not in config.read_text()
    loaded, _ = load_ranker(tmp_path)
    inputs = make_inputs()
    with torch.inference_mode():
        np.testing.assert_array_equal(loaded(*inputs).numpy(), network(*inputs).numpy())


def test_several_members_are_kept_and_exported_as_one_graph(tmp_path: Path) -> None:
    network, inputs = make_trained(), make_inputs(2, 11)
    save_ranker(tmp_path / "trained", network)
    manifest = export_model(
        describe_ranker(tmp_path / "trained"), target="onnx", out=tmp_path / "ranker", parity_source={}
    )
    assert [output["name"] for output in manifest["outputs"]] == ["score"]
    session = ort.InferenceSession(str(tmp_path / "ranker" / "model.onnx"), providers=["CPUExecutionProvider"])
    feed = {
        name: tensor.numpy()
        for name, tensor in zip(("query", "history", "candidates", "features"), inputs, strict=True)
    }
    with torch.inference_mode():
        expected = network(*inputs).numpy()
    np.testing.assert_allclose(session.run(["score"], feed)[0], expected, atol=1e-5)


def test_half_precision_rounds_every_member() -> None:
    network, inputs = make_trained(), make_inputs()
    halved = halve(network)
    layers = [module for module in halved.modules() if isinstance(module, StackedLinear)]
    assert [layer.weight.dtype for layer in layers] == [torch.float16] * 3
    assert network.state_dict()["perceptron.0.weight"].dtype == torch.float32
    with torch.inference_mode():
        torch.testing.assert_close(halved(*inputs), network(*inputs), atol=HALF_TOLERANCE, rtol=0)


def test_dropout_is_drawn_for_training_alone() -> None:
    activation = Activation()
    activation.dropout = 0.5
    ones = torch.ones(1000)
    assert set(activation.train()(ones).tolist()) == {0.0, 2.0}
    assert set(activation.eval()(ones).tolist()) == {1.0}


def test_no_members_are_refused() -> None:
    with pytest.raises(ValueError, match="members must be at least 1, got 0"):
        RankerConfig(feature_names=NAMES, members=0)
