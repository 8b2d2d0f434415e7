"""Fixed scales: what is observed, how channels are balanced, and the arithmetic of the product that results."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from mercato_export.calibrate import ChannelRange, observe_ranges
from mercato_export.quantize import HEADROOM, balance_channels, quantize_int8


def run(model: onnx.ModelProto, rows: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": rows.astype(np.float32)})[0]


def make_model(operator: str, weight: np.ndarray, bias: np.ndarray | None = None) -> onnx.ModelProto:
    """Return ``y = f(x) W + b`` for x [rows, inputs]; f is Relu or a LayerNormalization."""
    inputs, outputs = weight.shape
    constants = [numpy_helper.from_array(weight.astype(np.float32), "w")]
    if operator == "LayerNormalization":
        constants.append(numpy_helper.from_array(np.ones(inputs, dtype=np.float32), "gamma"))
        nodes = [helper.make_node(operator, ["x", "gamma"], ["a"])]
    else:
        nodes = [helper.make_node(operator, ["x"], ["a"])]
    nodes.append(helper.make_node("MatMul", ["a", "w"], ["y" if bias is None else "p"]))
    if bias is not None:
        constants.append(numpy_helper.from_array(bias.astype(np.float32), "b"))
        nodes.append(helper.make_node("Add", ["b", "p"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def make_range(lowest: list[float], highest: list[float], *, normalized: bool) -> ChannelRange:
    return ChannelRange(
        lowest=np.array(lowest, dtype=np.float32), highest=np.array(highest, dtype=np.float32), normalized=normalized
    )


def test_the_range_of_each_channel_over_all_inputs() -> None:
    model = make_model("LayerNormalization", np.eye(2))
    # (1, 3) and (5, 1) are normalised to (-1, 1) and (1, -1), but for epsilon
    feeds = [{"x": np.array([row], dtype=np.float32)} for row in ([1.0, 3.0], [5.0, 1.0])]
    (observed,) = observe_ranges(model, feeds).values()
    np.testing.assert_allclose(observed.lowest, [-1, -1], atol=1e-4)
    np.testing.assert_allclose(observed.highest, [1, 1], atol=1e-4)
    assert observed.normalized
    assert [output.name for output in model.graph.output] == ["y"]


def test_what_has_no_bound_is_not_observed() -> None:
    feeds = [{"x": np.ones((1, 2), dtype=np.float32)}]
    assert observe_ranges(make_model("Relu", np.eye(2)), feeds) == {}
    assert observe_ranges(make_model("LayerNormalization", np.eye(2)), []) == {}


def test_a_divisor_weighs_a_channel_against_its_weights() -> None:
    observed = make_range([-16.0, -1.0], [4.0, 1.0], normalized=True)
    weight = np.array([[1.0, -1.0], [0.25, 4.0]], dtype=np.float32)
    # alpha 1/2: sqrt(16 / 1) = 4 and sqrt(1 / 4) = 1/2; their geometric mean is sqrt(2)
    np.testing.assert_allclose(balance_channels(observed, weight, alpha=0.5), [4 / 2**0.5, 0.5 / 2**0.5], rtol=1e-6)


def test_a_channel_of_zeros_has_a_finite_divisor() -> None:
    divisors = balance_channels(make_range([0.0, -1.0], [0.0, 1.0], normalized=True), np.zeros((2, 3), np.float32))
    assert np.isfinite(divisors).all()
    assert (divisors > 0).all()


@pytest.mark.parametrize("bias", [None, np.array([100.0, -100.0])])
def test_a_fixed_scale_serves_every_row_and_the_bias_goes_into_the_product(bias: np.ndarray | None) -> None:
    weight = np.array([[12.7, -1.27], [-6.4, 0.64]])
    model = quantize_int8(make_model("Relu", weight, bias), {"a": make_range([0.0, 0.0], [2.0, 5.0], normalized=False)})
    # range 0 to 5 and headroom: step 5.5 / 255, zero point 0; 7 lies beyond and is clipped to level 255
    step = HEADROOM * 5 / 255
    levels = np.array([[round(1 / step), round(2 / step)], [0, 255]])
    columns = np.array([[127, -127], [-64, 64]])
    expected = levels @ columns * step * np.array([0.1, 0.01]) + (0 if bias is None else bias)
    np.testing.assert_allclose(run(model, np.array([[1.0, 2.0], [-3.0, 7.0]])), expected, rtol=1e-5)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["Relu", "QuantizeLinear", "MatMulIntegerToFloat"]


def test_a_loud_channel_costs_the_quiet_ones_no_levels() -> None:
    random = np.random.default_rng(3)
    weight = random.standard_normal((8, 4))
    weight[0] *= 0.01  # what is loud counts as little as the others
    model = make_model("LayerNormalization", weight)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([30, *[0.1] * 7], dtype=np.float32), "gamma"))
    rows = random.standard_normal((200, 8)).astype(np.float32)
    observed = observe_ranges(model, [{"x": rows}])
    alike = {"a": make_range(observed["a"].lowest.tolist(), observed["a"].highest.tolist(), normalized=False)}
    errors = [np.abs(run(quantize_int8(model, ranges), rows) - run(model, rows)).mean() for ranges in (observed, alike)]
    assert errors[0] < errors[1] / 2


def test_a_product_that_is_read_twice_keeps_its_own_name() -> None:
    model = make_model("Relu", np.eye(2), np.array([1.0, 2.0]))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["rows", 2]))
    model.graph.node.append(helper.make_node("Neg", ["p"], ["z"]))
    quantized = quantize_int8(model, {"a": make_range([0.0, 0.0], [5.0, 5.0], normalized=False)})
    assert [node.op_type for node in quantized.graph.node].count("Add") == 1
    np.testing.assert_allclose(run(quantized, np.array([[5.0, 5.0]])), [[6.0, 7.0]], atol=0.03)
