"""Building a graph anew from an old one: nodes in order, constants once, what nobody reads dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

# ONNX Runtime's own operators.
RUNTIME_DOMAIN = "com.microsoft"


class GraphRewriter:
    """Collects the nodes of a rewritten graph and puts them in the place of the old ones.

    Attributes:
        graph: the graph that is rewritten.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        """Start with no node.

        Args:
            graph: changed by `finish` only.
        """
        self.graph = graph
        self._nodes: list[onnx.NodeProto] = []
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._outputs: set[str] = set()
        self._added: dict[str, onnx.TensorProto] = {}
        self._producers = {output: node for node in graph.node for output in node.output}

    def keep(self, node: onnx.NodeProto) -> None:
        """Take a node over as it is."""
        self._nodes.append(node)

    def add(self, operator: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        self._outputs.add(output)
        return output

    def has(self, output: str) -> bool:
        """Tell whether a node with this output was added."""
        return output in self._outputs

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """Add a constant, once for a name, and return the name."""
        if name not in self._added:
            self._added[name] = numpy_helper.from_array(np.asarray(value, dtype=dtype), name)
        return name

    def dimensions(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a float32 constant; None for anything else."""
        tensor = self._initializers.get(name)
        return tuple(tensor.dims) if tensor is not None and tensor.data_type == onnx.TensorProto.FLOAT else None

    def value(self, name: str) -> npt.NDArray[Any]:
        """Return the value of a constant."""
        value: npt.NDArray[Any] = numpy_helper.to_array(self._initializers[name])
        return value

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node of the old graph that computes a value; None for an input or a constant."""
        return self._producers.get(name)

    def finish(self) -> None:
        """Put the collected nodes that lead to an output, and the constants they read, into the graph."""
        read = {output.name for output in self.graph.output}
        leading: list[onnx.NodeProto] = []
        for node in reversed(self._nodes):
            # ONNX Runtime computes what nobody reads.
            if not read.isdisjoint(node.output):
                read.update(node.input)
                leading.append(node)
        del self.graph.node[:]
        self.graph.node.extend(reversed(leading))
        kept = [tensor for tensor in self.graph.initializer if tensor.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend([*kept, *self._added.values()])


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return the value of a node's attribute, or the default where it has none."""
    return next((helper.get_attribute_value(given) for given in node.attribute if given.name == name), default)
