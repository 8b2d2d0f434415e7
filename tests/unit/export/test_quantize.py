"""Int8 products, with the arithmetic in sight."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from mercato_export.quantize import quantize_columns, quantize_int8


def run(model: onnx.ModelProto, **feed: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


def make_product(weight: np.ndarray, *, operator: str | None = None) -> onnx.ModelProto:
    """Return ``y = f(x) W`` for x [batch, sequence, inputs]."""
    inputs, outputs = weight.shape
    nodes = [helper.make_node(operator, ["x"], ["a"])] if operator else []
    nodes.append(helper.make_node("MatMul", ["a" if operator else "x", "w"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "sequence", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "sequence", outputs])],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_columns_have_a_scale_each() -> None:
    weight = np.array([[12.7, -1.27, 0.0], [-6.4, 0.64, 0.0]], dtype=np.float32)
    values, scales = quantize_columns(weight)
    # scales 12.7 / 127 = 0.1 and 1.27 / 127 = 0.01; -6.4 / 0.1 = -64; a column of zeros has scale 1
    np.testing.assert_array_equal(values, [[127, -127, 0], [-64, 64, 0]])
    np.testing.assert_allclose(scales, [0.1, 0.01, 1.0], rtol=1e-6)


def test_a_product_is_that_of_the_rounded_rows_and_columns() -> None:
    weight = np.array([[12.7, -1.27], [-6.4, 0.64]])
    rows = np.array([[[1.27, 0.508], [254.0, -101.0]]], dtype=np.float32)
    # row 1: scale 0.01, levels 127 and 50.8 -> 51; row 2: scale 2, levels 127 and -50.5 -> -50 (half to even)
    # columns: 127, -64 with scale 0.1; -127, 64 with scale 0.01
    expected = [
        [(127 * 127 - 51 * 64) * 0.01 * 0.1, (-127 * 127 + 51 * 64) * 0.01 * 0.01],
        [(127 * 127 + 50 * 64) * 2 * 0.1, (-127 * 127 - 50 * 64) * 2 * 0.01],
    ]
    np.testing.assert_allclose(run(quantize_int8(make_product(weight)), x=rows)[0], expected, rtol=1e-5)


def test_a_row_of_zeros_is_zero_and_harms_no_neighbour() -> None:
    weight = np.array([[12.7, -1.27], [-6.4, 0.64]])
    rows = np.array([[[0.0, 0.0], [1.27, 0.0]]], dtype=np.float32)
    product = run(quantize_int8(make_product(weight)), x=rows)[0]
    np.testing.assert_allclose(product, [[0, 0], [1.27 * 12.7, -1.27 * 1.27]], rtol=1e-5)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    random = np.random.default_rng(1)
    model = quantize_int8(make_product(random.standard_normal((32, 16))))
    rows = random.standard_normal((4, 3, 32)).astype(np.float32)
    loud = rows.copy()
    loud[1:] *= 1000
    # One scale a tensor would leave the first item of `loud` with levels 0 and 1 only.
    np.testing.assert_array_equal(run(model, x=loud)[0], run(model, x=rows[:1])[0])


def test_after_gelu_negative_values_keep_their_levels() -> None:
    # gelu(-0.7518) = -0.16998 is the least there is; gelu(12) = 12: scale 12 / 239, and -0.17 is level -3 of that
    weight = np.eye(2)
    rows = np.array([[[12.0, -0.7518]]], dtype=np.float32)
    product = run(quantize_int8(make_product(weight, operator="Gelu")), x=rows)[0, 0]
    np.testing.assert_allclose(product, [12.0, round(-0.16998 / (12 / 239)) * 12 / 239], rtol=1e-5)
    # a small row: the scale stays at 0.17 / 16, so that level -16 is -0.17
    rows = np.array([[[0.1, -0.7518]]], dtype=np.float32)
    product = run(quantize_int8(make_product(weight, operator="Gelu")), x=rows)[0, 0]
    step = 0.17 / 16
    gelu = 0.1 * 0.539828  # 0.1 * Phi(0.1)
    np.testing.assert_allclose(product, [round(gelu / step) * step, -16 * step], rtol=1e-5)


def test_a_large_table_is_int8_and_a_small_one_is_not() -> None:
    random = np.random.default_rng(2)
    table = random.standard_normal((4000, 256)).astype(np.float32)
    for rows, kept in ((4000, False), (3, True)):
        graph = helper.make_graph(
            [helper.make_node("Gather", ["table", "ids"], ["y"])],
            "lookup",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 256])],
            [numpy_helper.from_array(table[:rows], "table")],
        )
        model = quantize_int8(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
        assert any(tensor.name == "table" for tensor in model.graph.initializer) == kept
        # half a step of a row's scale is the largest error
        half_step = np.abs(table[:3]).max(axis=1, keepdims=True) / 127 / 2
        difference = np.abs(run(model, ids=np.arange(3)) - table[:3])
        assert (difference <= half_step * 1.001).all()
        assert kept == (difference.max() == 0)


def test_a_product_of_two_computed_matrices_stays_as_it_is() -> None:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "z"], ["y"])],
        "scores",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in ("x", "z")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    assert [node.op_type for node in quantize_int8(model).graph.node] == ["MatMul"]


def test_the_given_model_is_not_changed() -> None:
    model = make_product(np.eye(3))
    before = model.SerializeToString()
    quantize_int8(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("shared", [True, False])
def test_an_activation_is_quantised_once_for_all_that_read_it(shared: bool) -> None:
    names = ["x", "x" if shared else "z"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [name, "w"], [f"y{number}"]) for number, name in enumerate(names)],
        "twins",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 2]) for name in ("x", "z")],
        [helper.make_tensor_value_info(f"y{number}", TensorProto.FLOAT, [1, 1, 2]) for number in range(2)],
        [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")],
    )
    model = quantize_int8(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    count = sum(node.op_type == "QuantizeLinear" for node in model.graph.node)
    assert count == (1 if shared else 2)
