"""Int8 for CPU: per-channel weights, per-token activations, int8 embedding tables.

Every matrix product ``A W`` with a constant ``W`` becomes an integer product. With ``s_i = max_k |A_ik| / 127`` for
each row (token) i and ``t_j = max_k |W_kj| / 127`` for each column (channel) j:

    Q_ik = round(A_ik / s_i) + 128   (uint8)        V_kj = round(W_kj / t_j)   (int8)
    (A W)_ij ~ s_i t_j sum_k (Q_ik - 128) V_kj

One scale a row, where ONNX Runtime's ``quantize_dynamic`` has one a tensor, makes a text's vector independent of its
neighbours in the batch (docs/decisions/0002-int8-per-token.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, shape_inference

from export.rewrite import RUNTIME_DOMAIN, GraphRewriter, attribute

LEVELS = 127
# Tables below this size stay in fp32: position and token type embeddings weigh nothing.
LEAST_TABLE_ELEMENTS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ActivationRange:
    """How the rows of an activation map to 0..255.

    Attributes:
        zero_point: the level of 0.
        lowest: no value is below it; None where that is not known, and then the range is symmetric.
    """

    zero_point: int
    lowest: float | None = None

    @property
    def levels(self) -> int:
        """Levels for the largest value."""
        return LEVELS if self.lowest is None else 255 - self.zero_point


SYMMETRIC = ActivationRange(zero_point=128)
# min gelu(x) = gelu(-0.7518) = -0.16998. So 16 levels below zero are enough, and 239 are left for what matters.
AFTER_GELU = ActivationRange(zero_point=16, lowest=-0.17)


def quantize_columns(weight: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Quantise a matrix column by column: ``t_j = max_k |W_kj| / 127``, ``V = round(W / t)``.

    Args:
        weight: float32 [inputs, outputs].

    Returns:
        int8 [inputs, outputs] in -127..127, and the scales, float32 [outputs]; 1 for a column of zeros.
    """
    scales = np.abs(weight).max(axis=0) / np.float32(LEVELS)
    scales[scales == 0] = 1.0
    return np.round(weight / scales).astype(np.int8), scales.astype(np.float32)


def quantize_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the int8 form of a model; the given one is not changed.

    Args:
        model: an fp32 ONNX model, opset 21 or above. Products of two computed matrices (attention scores) stay in fp32.
    """
    return _Quantizer(model).run()


class _Quantizer:
    """One pass over a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model: onnx.ModelProto = shape_inference.infer_shapes(model)
        self._graph = GraphRewriter(self._model.graph)
        self._shapes = {value.name: value.type.tensor_type.shape for value in self._model.graph.value_info}
        # quantised form, scale and zero point of each activation: Q, K and V read the same one
        self._activations: dict[str, tuple[str, str, str]] = {}
        self._zero_points: dict[str, str] = {}

    def run(self) -> onnx.ModelProto:
        for node in list(self._model.graph.node):
            if node.op_type == "MatMul" and len(self._graph.dimensions(node.input[1]) or ()) == 2:
                self._replace_product(node)
            elif node.op_type == "Gather" and self._is_table(node):
                self._replace_lookup(node)
            else:
                self._graph.keep(node)
        self._graph.finish()
        del self._model.graph.value_info[:]
        if all(entry.domain != RUNTIME_DOMAIN for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(RUNTIME_DOMAIN, 1))
        onnx.checker.check_model(self._model)
        return self._model

    def _is_table(self, node: onnx.NodeProto) -> bool:
        dimensions = self._graph.dimensions(node.input[0]) or ()
        is_large = len(dimensions) == 2 and dimensions[0] * dimensions[1] >= LEAST_TABLE_ELEMENTS
        return is_large and attribute(node, "axis", 0) == 0

    def _replace_product(self, node: onnx.NodeProto) -> None:
        """Emit ``MatMulIntegerToFloat``, which applies the column scales, and multiply by the row scales."""
        graph, weight, output = self._graph, node.input[1], node.output[0]
        values, scales = quantize_columns(graph.value(weight))
        activation, row_scale, zero_point = self._quantize_activation(node.input[0], depth=len(values))
        integers = graph.constant(f"{weight}/int8", values, np.int8)
        column_scale = graph.constant(f"{weight}/scale", scales, np.float32)
        one = graph.constant("int8/one", 1, np.float32)
        inputs = [activation, integers, one, column_scale, zero_point]
        product = graph.add("MatMulIntegerToFloat", inputs, f"{output}/columns", domain=RUNTIME_DOMAIN)
        graph.add("Mul", [product, row_scale], output)

    def _quantize_activation(self, name: str, *, depth: int) -> tuple[str, str, str]:
        if name not in self._activations:
            graph, at = self._graph, f"{name}/int8"
            producer = graph.producer(name)
            mapping = AFTER_GELU if producer is not None and producer.op_type == "Gelu" else SYMMETRIC
            axis = graph.constant("int8/last_axis", [-1], np.int64)
            step = graph.constant(f"int8/step_{mapping.levels}", 1 / mapping.levels, np.float32)
            if mapping.lowest is None:
                # A row of zeros has scale 0; whatever its levels are, they are multiplied by 0 in the end.
                magnitude = graph.add("Abs", [name], f"{at}/magnitude")
                largest = graph.add("ReduceMax", [magnitude, axis], f"{at}/largest", keepdims=1)
            else:
                # ... unless the levels below zero ask for a larger scale.
                least = -mapping.lowest / mapping.zero_point * mapping.levels
                floor = graph.constant(f"int8/least_{mapping.zero_point}", least, np.float32)
                maximum = graph.add("ReduceMax", [name, axis], f"{at}/maximum", keepdims=1)
                largest = graph.add("Max", [maximum, floor], f"{at}/largest")
            scale = graph.add("Mul", [largest, step], f"{at}/scale")
            zero_points = self._zero_points_like(name, scale, mapping.zero_point)
            levels = graph.add("QuantizeLinear", [name, scale, zero_points], at, axis=-1, block_size=depth)
            zero_point = graph.constant(f"int8/zero_{mapping.zero_point}", mapping.zero_point, np.uint8)
            self._activations[name] = levels, scale, zero_point
        return self._activations[name]

    def _zero_points_like(self, name: str, scale: str, zero_point: int) -> str:
        """Return zero points in the shape of the scales, made once for activations of one shape."""
        shape = self._shapes.get(name)
        lengths = [dim.dim_param or str(dim.dim_value) for dim in shape.dim[:-1]] if shape is not None else ["0"]
        # An unnamed dimension reads as 0: such an activation shares with none.
        key = f"{zero_point}:{','.join(lengths)}" if "0" not in lengths else name
        if key not in self._zero_points:
            value = helper.make_tensor("value", TensorProto.UINT8, [1], [zero_point])
            shape_of_scale = self._graph.add("Shape", [scale], f"{scale}/shape")
            self._zero_points[key] = self._graph.add(
                "ConstantOfShape", [shape_of_scale], f"{scale}/zero_points", value=value
            )
        return self._zero_points[key]

    def _replace_lookup(self, node: onnx.NodeProto) -> None:
        graph, (table, rows), output = self._graph, node.input, node.output[0]
        values, scales = quantize_columns(graph.value(table).T)
        value = graph.constant(f"{table}/int8", np.ascontiguousarray(values.T), np.int8)
        scale = graph.constant(f"{table}/scale", scales[:, None], np.float32)
        integers = graph.add("Gather", [value, rows], f"{output}/int8", axis=0)
        real = graph.add("Cast", [integers], f"{output}/real", to=TensorProto.FLOAT)
        graph.add("Mul", [real, graph.add("Gather", [scale, rows], f"{output}/scale", axis=0)], output)
