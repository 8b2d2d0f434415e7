"""A module in half precision: matrix products and what flows between them in fp16, the rest in fp32.

Precision is decided here, in the module, and not by a compiler: TensorRT 11 takes the types of the ONNX graph as they
are, and the ``torch`` profile runs the same module. Weights and activations of linear layers and embeddings are fp16;
normalisation is computed in fp32 and its result has the type of what came in; softmax, sums, means and norms are fp32.

Such a graph is checked on CPU, where ONNX Runtime has no fp16 products: it computes such nodes in fp32 and drops the
casts between two of them, at every level of optimisation (tried: 1.31.1). What it measures is then fp32 with rounded
weights, and an overflow of fp16 goes unseen, unless the graph is made to round (`round_halves`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from torch.overrides import TorchFunctionMode

from mercato_export.errors import ExportError

# What loses too much in fp16: sums over many values, and what divides by them.
FULL_PRECISION = frozenset(
    {
        "Softmax",
        "LogSoftmax",
        "LayerNormalization",
        "ReduceL2",
        "ReduceMean",
        "ReduceSum",
        "ReduceSumSquare",
        "Exp",
        "Pow",
        "Sqrt",
    }
)

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

_functional = torch.nn.functional
# Functions computed in fp32, whose result has the type of what came in, as that of a normalisation layer has.
_SOFTMAX = frozenset({_functional.softmax, torch.softmax, torch.Tensor.softmax})
# Functions computed in fp32 whose result stays in fp32: sums and norms stand at the end of a network.
_SUMS = frozenset(
    {
        torch.sum,
        torch.Tensor.sum,
        torch.mean,
        torch.Tensor.mean,
        torch.norm,
        torch.Tensor.norm,
        torch.linalg.vector_norm,
        torch.cumsum,
        torch.Tensor.cumsum,
        _functional.normalize,
    }
)


class FullPrecisionFunctions(TorchFunctionMode):
    """While it is active, softmax, sums, means and norms of fp16 tensors are computed in fp32."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call one function of PyTorch, with its first argument in fp32 where that is what it needs."""
        values = args[0] if args else None
        if isinstance(values, torch.Tensor) and values.dtype is torch.float16 and func in _SOFTMAX | _SUMS:
            result = func(values.float(), *args[1:], **(kwargs or {}))
            return result.to(values.dtype) if func in _SOFTMAX else result
        return func(*args, **(kwargs or {}))


class HalfModule(torch.nn.Module):
    """A module whose layers are in half precision; takes and gives the types that the original does."""

    def __init__(self, module: torch.nn.Module) -> None:
        """Take the module."""
        super().__init__()
        self.module = module

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Compute: the original's inputs -> its output, float32."""
        with FullPrecisionFunctions():
            output: torch.Tensor = self.module(*inputs)
        return output.float()


class HalfLinear(torch.nn.Module):
    """``y = x W^T + b`` with all of it in fp16, whatever the type of ``x``."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        """Round the weights of a linear layer."""
        super().__init__()
        self.weight = torch.nn.Parameter(linear.weight.detach().half(), requires_grad=False)
        self.bias = None
        if linear.bias is not None:
            self.bias = torch.nn.Parameter(linear.bias.detach().half(), requires_grad=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Multiply: [..., inputs] -> float16 [..., outputs]."""
        return torch.nn.functional.linear(values.half(), self.weight, self.bias)


class FullNorm(torch.nn.Module):
    """A normalisation layer computed in fp32; its result has the type of what came in."""

    def __init__(self, norm: torch.nn.Module) -> None:
        """Take a layer with fp32 weights."""
        super().__init__()
        self.norm = norm

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise: [..., width] -> the same shape and type."""
        normalized: torch.Tensor = self.norm(values.float())
        return normalized.to(values.dtype)


def halve(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a module in half precision.

    Linear layers, embeddings and normalisation are replaced wherever they are, a layer of another kind by what its
    method ``halved`` returns. What a module does by function follows
    the types of its inputs, but for `FullPrecisionFunctions`; `require_full_precision` finds what these two miss.

    Args:
        module: in fp32; not changed.
    """
    halved = copy.deepcopy(module)
    _replace_layers(halved)
    return HalfModule(halved).eval()


def _replace_layers(module: torch.nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, torch.nn.Linear):
            setattr(module, name, HalfLinear(child))
        elif callable(halved := getattr(child, "halved", None)):
            setattr(module, name, halved())
        elif isinstance(child, torch.nn.Embedding):
            child.half()
        elif isinstance(child, torch.nn.LayerNorm | torch.nn.GroupNorm | torch.nn.RMSNorm):
            setattr(module, name, FullNorm(child))
        else:
            _replace_layers(child)


def require_full_precision(model: onnx.ModelProto) -> None:
    """Check that normalisation, softmax and reductions of a graph take fp32.

    Args:
        model: a graph in half precision.

    Raises:
        ExportError: one of them takes fp16; the message names it.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.graph.value_info, *model.graph.input)}
    wrong = sorted(
        f"{node.name or node.output[0]} ({node.op_type})"
        for node in model.graph.node
        if node.op_type in FULL_PRECISION and types.get(node.input[0]) == TensorProto.FLOAT16
    )
    if wrong:
        raise ExportError(
            f"half precision: {', '.join(wrong[:5])} must be computed in fp32; convert its input with .float() in "
            "the module"
        )


def round_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a graph that ONNX Runtime computes with fp16's precision and range on CPU.

    A node with an fp16 kernel keeps fp16 only where a neighbour has one too; two ``Max`` of one input in a row do,
    change no value, and are left in place by its optimiser.

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
