"""Makes ONNX Runtime round to fp16 on CPU where a graph says fp16.

ONNX Runtime has no fp16 products on CPU: it computes such nodes in fp32 and drops the casts between two of them, at
every level of optimisation (tried: 1.31.1). What it measures of a graph in half precision is then fp32 with rounded
weights, and an overflow of fp16 goes unseen. A node with an fp16 kernel keeps fp16 only where a neighbour has one too;
two ``Max`` of one input in a row do, change no value, and are left in place by its optimiser.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

# Moves values and makes none: what goes in was rounded already.
_MOVES = frozenset(
    {
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)


def round_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a graph that ONNX Runtime computes with fp16's precision and range on CPU.

    Args:
        model: a graph in half precision; not changed. One without fp16 comes back as it is.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    halves = {
        value.name for value in inferred.graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT16
    }
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = []
    for node in copy.graph.node:
        nodes.append(node)
        if node.op_type in _MOVES:
            continue
        for position, name in enumerate(node.output):
            if name in halves:
                exact, between = f"{name}/exact", f"{name}/between"
                node.output[position] = exact
                nodes.append(helper.make_node("Max", [exact], [between], name=between))
                nodes.append(helper.make_node("Max", [between], [name], name=f"{name}/rounded"))
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy
