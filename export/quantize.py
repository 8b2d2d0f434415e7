"""Int8 for CPU: per-channel weights, per-token activations, int8 embedding tables.

Every matrix product ``A W`` with a constant ``W`` becomes an integer product. With ``s_i = max_k |A_ik| / 127`` for each
row (token) i and ``t_j = max_k |W_kj| / 127`` for each column (channel) j:

    Q_ik = round(A_ik / s_i) + 128   (uint8)        V_kj = round(W_kj / t_j)   (int8)
    (A W)_ij ~ s_i t_j sum_k (Q_ik - 128) V_kj

A scale a row, and not one a tensor as ONNX Runtime's ``quantize_dynamic`` has it, makes a text's vector independent of its
neighbours in the batch (docs/decisions/0002-int8-per-token.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

LEVELS = 127.0
ZERO_POINT = 128
# A row of zeros keeps a scale above zero, so that 0 / 0 does not occur.
LEAST_MAXIMUM = 1e-12
# Tables below this size are left in fp32: position and token type embeddings weigh nothing.
LEAST_TABLE_ELEMENTS = 1_000_000


def quantize_columns(weight: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Quantise a matrix column by column: ``t_j = max_k |W_kj| / 127``, ``V = round(W / t)``.

    Args:
        weight: float32 [inputs, outputs].

    Returns:
        int8 [inputs, outputs] in -127..127, and the scales, float32 [outputs]; 1 for a column of zeros.
    """
    scales = np.abs(weight).max(axis=0) / LEVELS
    scales[scales == 0] = 1.0
    return np.round(weight / scales).astype(np.int8), scales.astype(np.float32)


def quantize_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the int8 form of a model; the given one is not changed.

    Args:
        model: an fp32 ONNX model, opset 13 to 17. Products of two computed matrices (attention scores) stay in fp32.
    """
    return _Quantizer(model).run()


class _Quantizer:
    """One pass over a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._graph = self._model.graph
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._added: dict[str, onnx.TensorProto] = {}
        # quantised form and scale of each activation: Q, K and V read the same one
        self._activations: dict[str, tuple[str, str]] = {}

    def run(self) -> onnx.ModelProto:
        for node in list(self._graph.node):
            if node.op_type == "MatMul" and self._is_matrix(node.input[1]):
                self._replace_product(node)
            elif node.op_type == "Gather" and self._is_table(node):
                self._replace_lookup(node)
            else:
                self._nodes.append(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        read = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend([*kept, *self._added.values()])
        onnx.checker.check_model(self._model)
        return self._model

    def _is_matrix(self, name: str) -> bool:
        tensor = self._weights.get(name)
        return tensor is not None and len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT

    def _is_table(self, node: onnx.NodeProto) -> bool:
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        if axis != 0 or not self._is_matrix(node.input[0]):
            return False
        rows, columns = self._weights[node.input[0]].dims
        return bool(rows * columns >= LEAST_TABLE_ELEMENTS)

    def _constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        if name not in self._added:
            self._added[name] = numpy_helper.from_array(value, name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _quantize_activation(self, name: str) -> tuple[str, str]:
        if name not in self._activations:
            at = f"{name}/int8"
            least = self._constant("int8/least_maximum", np.array(LEAST_MAXIMUM, dtype=np.float32))
            step = self._constant("int8/step", np.array(1 / LEVELS, dtype=np.float32))
            shift = self._constant("int8/shift", np.array(ZERO_POINT, dtype=np.float32))
            largest = self._node(
                "ReduceMax", [self._node("Abs", [name], f"{at}/abs")], f"{at}/max", axes=[-1], keepdims=1
            )
            scale = self._node("Mul", [self._node("Max", [largest, least], f"{at}/above_zero"), step], f"{at}/scale")
            levels = self._node("Add", [self._node("Div", [name, scale], f"{at}/levels"), shift], f"{at}/shifted")
            rounded = self._node("Round", [levels], f"{at}/rounded")
            self._activations[name] = self._node("Cast", [rounded], f"{at}/value", to=TensorProto.UINT8), scale
        return self._activations[name]

    def _replace_product(self, node: onnx.NodeProto) -> None:
        activation, row_scale = self._quantize_activation(node.input[0])
        weight, output = node.input[1], node.output[0]
        values, scales = quantize_columns(numpy_helper.to_array(self._weights[weight]))
        zero_point = self._constant("int8/zero_point", np.array(ZERO_POINT, dtype=np.uint8))
        value = self._constant(f"{weight}/int8/value", values)
        column_scale = self._constant(f"{weight}/int8/scale", scales)
        product = self._node("MatMulInteger", [activation, value, zero_point], f"{output}/int8/sum")
        real = self._node("Cast", [product], f"{output}/int8/real", to=TensorProto.FLOAT)
        self._node("Mul", [self._node("Mul", [real, column_scale], f"{output}/int8/columns"), row_scale], output)

    def _replace_lookup(self, node: onnx.NodeProto) -> None:
        table, rows, output = node.input[0], node.input[1], node.output[0]
        values, scales = quantize_columns(numpy_helper.to_array(self._weights[table]).T)
        value = self._constant(f"{table}/int8/value", np.ascontiguousarray(values.T))
        scale = self._constant(f"{table}/int8/scale", scales[:, None])
        levels = self._node("Gather", [value, rows], f"{output}/int8/value", axis=0)
        real = self._node("Cast", [levels], f"{output}/int8/real", to=TensorProto.FLOAT)
        self._node("Mul", [real, self._node("Gather", [scale, rows], f"{output}/int8/scale", axis=0)], output)
