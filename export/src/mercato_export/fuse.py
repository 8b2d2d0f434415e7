"""Rewrites an fp32 graph into the operators that ONNX Runtime is quick at on CPU.

Same arithmetic, fewer nodes: attention becomes one operator and the shape arithmetic around it goes away. What is not
recognised stays as it was, so any graph may pass through. The fp32 file itself stays plain ONNX, for TensorRT.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, version_converter
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from mercato_export.rewrite import RUNTIME_DOMAIN, GraphRewriter, attribute

# From 1.24 on, ONNX Runtime computes ONNX's own Attention on CPU, in 0.57 of the time of its older MultiHeadAttention.
# The ones before, which pyproject.toml admits, have opset 21 in full.
ATTENTION_OPSET = 23
ATTENTION_SINCE = (1, 24)
OLDER_OPSET = 21
# Added to the scores of padding: exp(-1e9) is 0 in fp32, and a row that is all padding stays finite.
MASKED = -1e9


def choose_opset(runtime_version: str = ort.__version__) -> int:
    """Return the opset of files for CPU: 23 where ONNX Runtime computes its Attention, else 21."""
    major, minor = (int(part) for part in runtime_version.split(".")[:2])
    return ATTENTION_OPSET if (major, minor) >= ATTENTION_SINCE else OLDER_OPSET


def fuse_for_cpu(model: onnx.ModelProto, *, opset: int, heads: int = 0, hidden_size: int = 0) -> onnx.ModelProto:
    """Return the fused form of a model; the given one is not changed.

    Args:
        model: an fp32 ONNX model.
        opset: of the result, from `choose_opset`. With 21, a model with attention needs its padding on the right.
        heads: attention heads of a transformer; 0 for a model without attention.
        hidden_size: width of a transformer's token states.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    # ONNX Runtime 1.31 takes nine times as long for SkipLayerNormalization as for Add and LayerNormalization.
    options.enable_skip_layer_norm = False
    options.enable_bias_skip_layer_norm = False
    options.enable_embed_layer_norm = False
    options.enable_attention = heads > 0
    fused = optimize_model(
        copy, "bert", num_heads=heads, hidden_size=hidden_size, opt_level=0, optimization_options=options
    ).model
    if all(entry.domain != RUNTIME_DOMAIN for entry in fused.opset_import):
        fused.opset_import.append(helper.make_opsetid(RUNTIME_DOMAIN, 1))
    converted: onnx.ModelProto = version_converter.convert_version(fused, opset)
    rewriter = GraphRewriter(converted.graph)
    for node in list(converted.graph.node):
        mask = _find_mask(rewriter, node) if opset >= ATTENTION_OPSET else None
        if mask is not None:
            _replace_attention(rewriter, node, mask)
        elif node.op_type == "BiasGelu":
            _replace_gelu(rewriter, node)
        else:
            rewriter.keep(node)
    rewriter.finish()
    return converted


def _find_mask(rewriter: GraphRewriter, node: onnx.NodeProto) -> str | None:
    """Return the mask [batch, sequence] that a MultiHeadAttention takes its lengths from; None for any other node."""
    if node.op_type != "MultiHeadAttention" or len(node.input) != 5:
        return None
    total = rewriter.producer(node.input[4])
    cast = rewriter.producer(total.input[0]) if total is not None and total.op_type == "ReduceSum" else None
    return cast.input[0] if cast is not None and cast.op_type == "Cast" else None


def _replace_attention(rewriter: GraphRewriter, node: onnx.NodeProto, mask: str) -> None:
    query, key, value, bias, _ = node.input
    output = node.output[0]
    heads = attribute(node, "num_heads", 0)
    scale = attribute(node, "scale", None)
    scaling = {} if scale is None else {"scale": scale}
    if bias:
        # A key's bias adds the same to a query's scores of all keys, which softmax takes away again.
        for_query, _, for_value = np.split(rewriter.value(bias), 3)
        query = rewriter.add(
            "Add", [query, rewriter.constant(f"{bias}/query", for_query, np.float32)], f"{query}/biased"
        )
        value = rewriter.add(
            "Add", [value, rewriter.constant(f"{bias}/value", for_value, np.float32)], f"{value}/biased"
        )
    scores_mask = _mask_scores(rewriter, mask)
    rewriter.add(
        "Attention", [query, key, value, scores_mask], output, q_num_heads=heads, kv_num_heads=heads, **scaling
    )


def _mask_scores(rewriter: GraphRewriter, mask: str) -> str:
    """Return what to add to attention scores, float32 [batch, 1, sequence, sequence]; made once for a mask."""
    name = f"{mask}/scores"
    if not rewriter.has(name):
        at = [rewriter.constant(f"fuse/{position}", [position], np.int64) for position in range(3)]
        one_dimension = rewriter.constant("fuse/axes", [1, 2], np.int64)
        zero = rewriter.constant("fuse/zero", 0, np.float32)
        masked = rewriter.constant("fuse/masked", MASKED, np.float32)
        real = rewriter.add("Cast", [mask], f"{name}/real", to=TensorProto.BOOL)
        row = rewriter.add("Where", [real, zero, masked], f"{name}/row")
        rows = rewriter.add("Unsqueeze", [row, one_dimension], f"{name}/rows")
        shape = rewriter.add("Shape", [mask], f"{name}/shape")
        batch = rewriter.add("Slice", [shape, at[0], at[1]], f"{name}/batch")
        sequence = rewriter.add("Slice", [shape, at[1], at[2]], f"{name}/sequence")
        # ONNX Runtime does not stretch the mask over the queries by itself.
        wanted = rewriter.add("Concat", [batch, at[1], sequence, sequence], f"{name}/wanted", axis=0)
        rewriter.add("Expand", [rows, wanted], name)
    return name


def _replace_gelu(rewriter: GraphRewriter, node: onnx.NodeProto) -> None:
    """Write BiasGelu as Add and Gelu, which together take three quarters of its time.

    The bias gets three dimensions: one of a single dimension ONNX Runtime would fuse again when it loads the file.
    """
    values, bias = node.input
    flat = rewriter.value(bias)
    wide = rewriter.constant(f"{bias}/wide", flat.reshape(1, 1, -1), np.float32)
    output = node.output[0]
    rewriter.add("Gelu", [rewriter.add("Add", [values, wide], f"{output}/biased")], output)
