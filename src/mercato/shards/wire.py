"""What router and shards say to each other: JSON and arrays in one body, dataclasses of both by their field names.

A body is a safetensors file in memory, whose array ``json`` is the JSON: sizes and types are checked by the format, and
nothing that is read can run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mercato.errors import ModelError

T = TypeVar("T")

_JSON = "json"


@dataclass(kw_only=True)
class Body:
    """A message.

    Attributes:
        document: JSON values.
        arrays: by name.
    """

    document: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Write the message."""
        written = np.frombuffer(orjson.dumps(self.document), np.uint8)
        contiguous = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        return bytes(save({**contiguous, _JSON: written}))

    def put(self, name: str, value: Any) -> None:
        """Add a dataclass under a name; what is None in it is left out."""
        for one in fields(value):
            held, key = getattr(value, one.name), f"{name}.{one.name}"
            if isinstance(held, np.ndarray):
                self.arrays[key] = held
            elif is_dataclass(held):
                self.document[key] = True
                self.put(key, held)
            elif held is not None:
                self.document[key] = held.value if isinstance(held, Enum) else held

    def get(self, kind: type[T], name: str) -> T:
        """Return the dataclass that was put under a name.

        Raises:
            ModelError: it is not there.
        """
        values: dict[str, Any] = {}
        known: Any = kind
        for field_name, hint in _find_kinds(known).items():
            key = f"{name}.{field_name}"
            if key in self.arrays:
                values[field_name] = self.arrays[key]
            elif key in self.document:
                held = self.document[key]
                if isinstance(hint, type) and is_dataclass(hint):
                    held = self.get(hint, key)
                elif isinstance(hint, type) and issubclass(hint, Enum):
                    held = hint(held)
                values[field_name] = held
            else:
                values[field_name] = None
        try:
            return kind(**values)
        except TypeError as exc:
            raise ModelError(f"shard: {name} is no {kind.__name__} ({exc})") from exc


def unpack(written: bytes) -> Body:
    """Read what `Body.pack` wrote.

    Raises:
        ModelError: it is something else.
    """
    try:
        arrays = load(written)
        document = orjson.loads(arrays.pop(_JSON).tobytes())
    except (SafetensorError, KeyError, orjson.JSONDecodeError) as exc:
        raise ModelError(
            f"shard: a message cannot be read ({exc!r}); router and shards must be of one version"
        ) from exc
    return Body(document=document, arrays=arrays)


@cache
def _find_kinds(kind: type[Any]) -> Mapping[str, Any]:
    """Return the type of each field of a dataclass, without None."""
    hints = get_type_hints(kind)
    return {one.name: _without_none(hints[one.name]) for one in fields(kind)}


def _without_none(hint: Any) -> Any:
    if isinstance(hint, UnionType):
        return next(one for one in get_args(hint) if one is not type(None))
    return hint
