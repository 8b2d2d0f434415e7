"""Writing a small ONNX graph whose weights are only known when it is served, as bytes for ONNX Runtime.

The onnx package, which writes networks for `mercato export`, is not installed where Mercato serves. A graph of a few
nodes is a few fields of its protocol buffer (onnx.proto3, IR version 8), written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

IR_VERSION = 8
OPSET = 17
_DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
"""TensorProto.DataType by the name that NumPy gives the type."""
_VARINT, _BYTES = 0, 2
_INT, _INTS = 2, 7
"""AttributeProto.AttributeType."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """An operation.

    Attributes:
        operator: as the standard calls it.
        inputs: names of what it reads.
        outputs: names of what it writes.
        attributes: integers, or lists of them.
    """

    operator: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, int | Sequence[int]] = field(default_factory=dict)


def write_graph(
    nodes: Sequence[Node],
    weights: Mapping[str, npt.NDArray[Any]],
    inputs: Mapping[str, tuple[str, Sequence[int | str]]],
    outputs: Mapping[str, tuple[str, Sequence[int | str]]],
) -> bytes:
    """Write a graph.

    Args:
        nodes: in the order in which they run.
        weights: arrays by name.
        inputs: by name the dtype and the shape, of which names stand for any length.
        outputs: likewise.

    Returns:
        A serialised ModelProto.
    """
    graph = b"".join(
        [
            *(_message(1, _write_node(node)) for node in nodes),
            _text(2, "graph"),
            *(_message(5, _write_tensor(name, array)) for name, array in weights.items()),
            *(_message(11, _write_value(name, dtype, shape)) for name, (dtype, shape) in inputs.items()),
            *(_message(12, _write_value(name, dtype, shape)) for name, (dtype, shape) in outputs.items()),
        ]
    )
    return _number(1, IR_VERSION) + _message(7, graph) + _message(8, _text(1, "") + _number(2, OPSET))


def _write_node(node: Node) -> bytes:
    attributes = (_message(5, _write_attribute(name, value)) for name, value in node.attributes.items())
    return b"".join(
        [*_texts(1, node.inputs), *_texts(2, node.outputs), _text(4, node.operator), *attributes],
    )


def _write_attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    return _text(1, name) + b"".join(_number(8, one) for one in value) + _number(20, _INTS)


def _write_tensor(name: str, array: npt.NDArray[Any]) -> bytes:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    dimensions = b"".join(_number(1, length) for length in array.shape)
    return dimensions + _number(2, _DTYPES[array.dtype.name]) + _text(8, name) + _message(9, little.tobytes())


def _write_value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    lengths = (_text(2, one) if isinstance(one, str) else _number(1, one) for one in shape)
    tensor = _number(1, _DTYPES[dtype]) + _message(2, b"".join(_message(1, length) for length in lengths))
    return _text(1, name) + _message(2, _message(1, tensor))


def _texts(number: int, values: Iterable[str]) -> Iterable[bytes]:
    return (_text(number, value) for value in values)


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative ones as two's complement
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
