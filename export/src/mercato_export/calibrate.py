"""Which values each channel of an activation takes: what a fixed scale is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from mercato.networks.onnx_session import open_session, run_session
from mercato_export.exportable import Tensors

# Their values are bounded by what was trained, so a scale may be fixed. After Gelu a few hidden units reach 25 at
# [CLS] and [SEP] and 6 elsewhere: one step for both is too coarse, and such an activation keeps a scale for each row.
BOUNDED = frozenset({"LayerNormalization", "Attention", "MultiHeadAttention"})

OBSERVED = "calibration"
"""What messages of ONNX Runtime call a graph whose activations are observed."""


@dataclass(frozen=True, kw_only=True)
class ChannelRange:
    """The values of one activation.

    Attributes:
        lowest: float32 [channels], the least value of each.
        highest: float32 [channels], the largest value of each.
        normalized: whether a LayerNormalization gives it, whose channels may differ tenfold.
    """

    lowest: npt.NDArray[np.float32]
    highest: npt.NDArray[np.float32]
    normalized: bool


def observe_ranges(model: onnx.ModelProto, feeds: Sequence[Tensors]) -> dict[str, ChannelRange]:
    """Run a model and note the ranges of what feeds its products and is bounded.

    Args:
        model: an fp32 ONNX model that ONNX Runtime reads; not changed.
        feeds: inputs, without padding: what is padding is observed as well.

    Returns:
        Name of an activation to its range. Empty without feeds, and for a model without such activations.
    """
    weights = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    producers = {output: node.op_type for node in model.graph.node for output in node.output}
    names = sorted(
        {
            node.input[0]
            for node in model.graph.node
            if node.op_type == "MatMul" and node.input[1] in weights and producers.get(node.input[0]) in BOUNDED
        }
    )
    if not names or not feeds:
        return {}
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    given = {output.name for output in observed.graph.output}
    observed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in given
    )
    session = open_session(observed.SerializeToString(), model=OBSERVED)
    lowest: dict[str, npt.NDArray[np.float32]] = {}
    highest: dict[str, npt.NDArray[np.float32]] = {}
    for feed in feeds:
        for name, values in zip(names, run_session(session, names, feed, model=OBSERVED), strict=True):
            rows = values.reshape(-1, values.shape[-1])
            least, most = rows.min(axis=0), rows.max(axis=0)
            lowest[name] = np.minimum(least, lowest.get(name, least))
            highest[name] = np.maximum(most, highest.get(name, most))
    return {
        name: ChannelRange(
            lowest=lowest[name], highest=highest[name], normalized=producers[name] == "LayerNormalization"
        )
        for name in names
    }
