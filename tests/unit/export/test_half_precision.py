"""Half precision: what is fp16, what stays fp32, and that ONNX Runtime measures it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable
from mercato_export.graph import write_onnx
from mercato_export.half import halve, require_full_precision, round_halves
from mercato_export.pipeline import run_module


@pytest.fixture(scope="module")
def half_graph(exportable: Exportable, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    file = tmp_path_factory.mktemp("half") / "model.fp16.onnx"
    write_onnx(replace(exportable, module=halve(exportable.module)), file)
    return onnx.load(str(file))


def list_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}


def test_products_are_half_and_normalisation_softmax_and_pooling_are_not(half_graph: onnx.ModelProto) -> None:
    types = list_types(half_graph)
    seen: Counter[tuple[str, int]] = Counter()
    for node in half_graph.graph.node:
        if node.op_type in ("MatMul", "LayerNormalization", "Softmax", "ReduceSum", "ReduceL2"):
            seen[node.op_type, types[node.output[0]]] += 1
    # two layers of six linear layers, and two products of attention each
    assert seen["MatMul", TensorProto.FLOAT16] == 2 * (6 + 2)
    assert {kind: element for kind, element in seen if kind != "MatMul"} == dict.fromkeys(
        ("LayerNormalization", "Softmax", "ReduceSum", "ReduceL2"), TensorProto.FLOAT
    )
    weights = [tensor for tensor in half_graph.graph.initializer if len(tensor.dims) == 2]
    assert {tensor.data_type for tensor in weights} == {TensorProto.FLOAT16}


def test_inputs_and_outputs_keep_their_types(half_graph: onnx.ModelProto) -> None:
    assert [value.type.tensor_type.elem_type for value in half_graph.graph.input] == [TensorProto.INT64] * 2
    assert [value.type.tensor_type.elem_type for value in half_graph.graph.output] == [TensorProto.FLOAT]


def test_the_original_is_left_alone(exportable: Exportable) -> None:
    halve(exportable.module)
    assert {parameter.dtype for parameter in exportable.module.parameters()} == {torch.float32}


def test_half_differs_from_full_by_rounding_only(exportable: Exportable) -> None:
    full, half = run_module(exportable), run_module(replace(exportable, module=halve(exportable.module)))
    difference = np.abs(full - half).max()
    # 11 bits of mantissa are 5e-4 of a value; a few dozen roundings of unit vectors stay within ten of them
    assert 0 < difference < 5e-3


def test_a_sum_in_half_precision_is_refused() -> None:
    values = helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["batch", 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["batch", 4])
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"], name="bad")], "g", [values], [result])
    with pytest.raises(ExportError, match=r"half precision: bad \(Softmax\) must be computed in fp32"):
        require_full_precision(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


def make_products(weight: np.ndarray) -> onnx.ModelProto:
    """Return ``y = (x W) W`` in fp16 with fp32 at both ends."""
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "w"], ["m"]),
        helper.make_node("MatMul", ["m", "w"], ["n"]),
        helper.make_node("Cast", ["n"], ["y"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(weight)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", len(weight)])],
        [numpy_helper.from_array(weight.astype(np.float16), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": values.astype(np.float32)})[0]


def test_rounding_is_that_of_fp16() -> None:
    # in fp16 2049 lies between 2048 and 2050, and goes to the even one; 3 * 2048 = 6144 is a value of fp16
    model = make_products(np.array([[3.0]]))
    assert run(round_halves(model), np.array([[683.0]]))[0, 0] == 6144
    # what ONNX Runtime makes of it by itself: 683 * 3 * 3, never rounded
    assert run(model, np.array([[683.0]]))[0, 0] == 6147


def test_an_overflow_is_seen() -> None:
    model = make_products(np.array([[300.0]]))
    # 300 * 300 * 1 = 90,000 and fp16 ends at 65,504
    assert np.isinf(run(round_halves(model), np.array([[1.0]])))


def test_a_graph_in_full_precision_stays_as_it_is(exportable: Exportable, tmp_path: Path) -> None:
    write_onnx(exportable, tmp_path / "model.onnx")
    model = onnx.load(str(tmp_path / "model.onnx"))
    assert round_halves(model) == model


def test_a_row_without_a_token_is_finite_and_leaves_its_neighbour_alone(half_graph: onnx.ModelProto) -> None:
    session = ort.InferenceSession(round_halves(half_graph).SerializeToString(), providers=["CPUExecutionProvider"])
    ids, mask = np.full((2, 3), 5), np.array([[0, 0, 0], [1, 1, 0]])
    (both,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    (alone,) = session.run(None, {"input_ids": ids[1:], "attention_mask": mask[1:]})
    assert np.isfinite(both).all()
    np.testing.assert_allclose(both[1:], alone, atol=1e-6)
