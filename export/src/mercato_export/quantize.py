"""Int8 for CPU: per-channel weights, activations with a scale that no neighbour changes, int8 embedding tables.

Every matrix product ``A W`` with a constant ``W`` becomes an integer product. With ``t_j = max_k |W_kj| / 127`` for
each column (channel) j, and for an activation with a scale for each row (token) ``s_i = max_k |A_ik| / 127``:

    Q_ik = round(A_ik / s_i) + 128   (uint8)        V_kj = round(W_kj / t_j)   (int8)
    (A W)_ij ~ s_i t_j sum_k (Q_ik - 128) V_kj

An activation whose range was observed has one fixed scale, from its least and largest value a and b. Where its channels
differ, each is first divided by ``d_k = max_i |A_ik|^0.7 / max_j |W_kj|^0.3``, and ``W_kj`` multiplied by it
(SmoothQuant, arXiv 2211.10438, with its alpha = 0.7):

    s = (b - a) / 255,  z = round(-a / s),  Q_ik = round(A_ik / d_k / s) + z,  (A W)_ij ~ s t_j sum_k (Q_ik - z) V_kj

ONNX Runtime's ``quantize_dynamic`` has one scale for the tensor at hand; here a text's vector does not depend on its
neighbours in the batch (docs/decisions/0002-int8-per-token.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, shape_inference

from mercato_export.calibrate import ChannelRange
from mercato_export.rewrite import RUNTIME_DOMAIN, GraphRewriter, attribute

LEVELS = 127
# SmoothQuant's alpha: how much of a channel's spread goes to its weights. Cosine to fp32, mean, with 0.5: 0.99886,
# 0.7: 0.99918, 0.85: 0.99913, 1: 0.99884.
SMOOTHING = 0.7
# A fixed range is this much wider than what was observed; beyond it a value is clipped.
HEADROOM = 1.1
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


def balance_channels(
    observed: ChannelRange, weight: npt.NDArray[np.float32], *, alpha: float = SMOOTHING
) -> npt.NDArray[np.float32]:
    """Return what to divide each channel of an activation by: ``d_k = max_i |A_ik|^alpha / max_j |W_kj|^(1 - alpha)``.

    Args:
        observed: the activation's values.
        weight: float32 [channels, outputs], all that the activation is multiplied with.
        alpha: 0 makes the rows of the weight alike, 1 the channels of the activation.

    Returns:
        float32 [channels], above 0, with a geometric mean of 1; a channel or row of zeros counts as 1e-5.
    """
    spread = np.maximum(np.maximum(np.abs(observed.lowest), np.abs(observed.highest)), 1e-5).astype(np.float64)
    rows = np.maximum(np.abs(weight).max(axis=1), 1e-5).astype(np.float64)
    divisors = spread**alpha / rows ** (1 - alpha)
    balanced: npt.NDArray[np.float32] = (divisors / np.exp(np.log(divisors).mean())).astype(np.float32)
    return balanced


def quantize_int8(model: onnx.ModelProto, ranges: Mapping[str, ChannelRange] | None = None) -> onnx.ModelProto:
    """Return the int8 form of a model; the given one is not changed.

    Args:
        model: an fp32 ONNX model, opset 21 or above. Products of two computed matrices (attention scores) stay in fp32.
        ranges: activations that get a fixed scale, from `mercato_export.calibrate.observe_ranges`; the others have a
            scale for each row.
    """
    return _Quantizer(model, ranges or {}).run()


@dataclass(frozen=True, kw_only=True)
class _Quantized:
    """An activation in 8 bits: names of its levels, its scale for each row (None: fixed), its zero point.

    ``step`` and ``divisors`` of a fixed one go into the weights.
    """

    levels: str
    row_scale: str | None
    zero_point: str
    step: float = 1.0
    divisors: npt.NDArray[np.float32] | None = None


class _Quantizer:
    """One pass over a graph."""

    def __init__(self, model: onnx.ModelProto, ranges: Mapping[str, ChannelRange]) -> None:
        self._model: onnx.ModelProto = shape_inference.infer_shapes(model)
        self._graph = GraphRewriter(self._model.graph)
        self._ranges = ranges
        self._shapes = {value.name: value.type.tensor_type.shape for value in self._model.graph.value_info}
        # Q, K and V read the same activation
        self._activations: dict[str, _Quantized] = {}
        self._zero_points: dict[str, str] = {}
        self._products = [node for node in self._model.graph.node if self._is_product(node)]
        self._readers = Counter(name for node in self._model.graph.node for name in node.input)
        self._additions = {
            name: node for node in self._model.graph.node if node.op_type == "Add" for name in node.input
        }

    def run(self) -> onnx.ModelProto:
        with_bias: set[str] = set()
        for node in list(self._model.graph.node):
            if self._is_product(node):
                with_bias.add(self._replace_product(node))
            elif node.op_type == "Gather" and self._is_table(node):
                self._replace_lookup(node)
            elif node.output[0] not in with_bias:
                self._graph.keep(node)
        self._graph.finish()
        del self._model.graph.value_info[:]
        if all(entry.domain != RUNTIME_DOMAIN for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(RUNTIME_DOMAIN, 1))
        onnx.checker.check_model(self._model)
        return self._model

    def _is_product(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "MatMul" and len(self._graph.dimensions(node.input[1]) or ()) == 2

    def _is_table(self, node: onnx.NodeProto) -> bool:
        dimensions = self._graph.dimensions(node.input[0]) or ()
        is_large = len(dimensions) == 2 and dimensions[0] * dimensions[1] >= LEAST_TABLE_ELEMENTS
        return is_large and attribute(node, "axis", 0) == 0

    def _replace_product(self, node: onnx.NodeProto) -> str:
        """Emit ``MatMulIntegerToFloat``, which applies the column scales; return the name of what now is computed.

        With a fixed scale it adds the bias too, and the result is that of the addition. Scales of rows come after it.
        """
        graph, weight, output = self._graph, node.input[1], node.output[0]
        activation = self._quantize_activation(node.input[0])
        columns = graph.value(weight)
        if activation.divisors is not None:
            columns = columns * activation.divisors[:, None]
        values, scales = quantize_columns(columns)
        inputs = [
            activation.levels,
            graph.constant(f"{weight}/int8", values, np.int8),
            graph.constant("int8/one", 1, np.float32),
            graph.constant(f"{weight}/scale", scales * np.float32(activation.step), np.float32),
            activation.zero_point,
        ]
        if activation.row_scale is not None:
            product = graph.add("MatMulIntegerToFloat", inputs, f"{output}/columns", domain=RUNTIME_DOMAIN)
            return graph.add("Mul", [product, activation.row_scale], output)
        addition, bias = self._find_bias(output, width=values.shape[1])
        if addition is not None and bias is not None:
            # the sixth input, the zero points of the columns, is 0
            inputs += ["", graph.constant(f"{output}/bias", bias, np.float32)]
            output = addition.output[0]
        return graph.add("MatMulIntegerToFloat", inputs, output, domain=RUNTIME_DOMAIN)

    def _find_bias(self, product: str, *, width: int) -> tuple[onnx.NodeProto | None, npt.NDArray[np.float32] | None]:
        """Return the addition of a constant row that alone reads a product, and the row: float32 [width]."""
        addition = self._additions.get(product)
        if addition is not None and self._readers[product] == 1:
            other = next((name for name in addition.input if name != product), product)
            dimensions = self._graph.dimensions(other) or ()
            if dimensions and dimensions[-1] == width == np.prod(dimensions):
                return addition, self._graph.value(other).reshape(width)
        return None, None

    def _quantize_activation(self, name: str) -> _Quantized:
        if name not in self._activations:
            observed = self._ranges.get(name)
            self._activations[name] = self._fix(name, observed) if observed is not None else self._scale_rows(name)
        return self._activations[name]

    def _fix(self, name: str, observed: ChannelRange) -> _Quantized:
        """Quantise with one scale that was fixed beforehand, each channel divided by its own divisor before."""
        graph, at, divisors = self._graph, f"{name}/int8", None
        values, lowest, highest = name, observed.lowest, observed.highest
        if observed.normalized:
            weights = [graph.value(node.input[1]) for node in self._products if node.input[0] == name]
            divisors = balance_channels(observed, np.concatenate(weights, axis=1))
            lowest, highest = lowest / divisors, highest / divisors
            values = graph.add("Mul", [name, graph.constant(f"{at}/factors", 1 / divisors, np.float32)], f"{at}/even")
        least, most = min(HEADROOM * float(lowest.min()), 0.0), max(HEADROOM * float(highest.max()), 0.0)
        step = (most - least) / 255 or 1.0
        zero_point = graph.constant(f"{at}/zero", round(-least / step), np.uint8)
        levels = graph.add("QuantizeLinear", [values, graph.constant(f"{at}/step", step, np.float32), zero_point], at)
        return _Quantized(levels=levels, row_scale=None, zero_point=zero_point, step=step, divisors=divisors)

    def _scale_rows(self, name: str) -> _Quantized:
        """Quantise with a scale for each row, computed as it passes."""
        graph, at = self._graph, f"{name}/int8"
        producer = graph.producer(name)
        mapping = AFTER_GELU if producer is not None and producer.op_type == "Gelu" else SYMMETRIC
        depth = next(len(graph.value(node.input[1])) for node in self._products if node.input[0] == name)
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
        return _Quantized(levels=levels, row_scale=scale, zero_point=zero_point)

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
