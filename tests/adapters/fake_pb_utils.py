"""A stand-in for Triton's `triton_python_backend_utils`, which exists only inside a stub process.

It holds what the adapters use, with Triton's rules where breaking them would pass unnoticed: a tensor is a numpy array
whose text is bytes, a response has outputs or an error, a call goes to another model by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

TRITONSERVER_MEMORY_CPU = 0


class TritonError:
    """An error of one request."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, CANCELLED = (
        "UNKNOWN INTERNAL NOT_FOUND INVALID_ARG UNAVAILABLE CANCELLED".split()
    )

    def __init__(self, message: str, code: str = INTERNAL) -> None:
        self._message = message
        self._code = code

    def message(self) -> str:
        return self._message

    def code(self) -> str:
        return self._code


class TritonModelException(Exception):  # noqa: N818 (Triton's name)
    """Raised by `exec` for a model that is not there."""


class Tensor:
    """A named array."""

    def __init__(self, name: str, array: npt.NDArray[Any]) -> None:
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
            raise TypeError(f"{name}: must be a contiguous numpy array")
        if array.dtype == object and not all(isinstance(item, bytes) for item in array.reshape(-1)):
            raise TypeError(f"{name}: text must be bytes")
        self._name = name
        self._array = array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> npt.NDArray[Any]:
        return self._array


class InferenceResponse:
    """The outputs of one request, or its error."""

    def __init__(self, output_tensors: Sequence[Tensor], error: TritonError | None = None) -> None:
        if error is not None and output_tensors:
            raise ValueError("a response has outputs or an error")
        self._tensors = {tensor.name(): tensor for tensor in output_tensors}
        self._error = error

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError:
        assert self._error is not None
        return self._error

    def output_tensors(self) -> list[Tensor]:
        return list(self._tensors.values())

    def get(self, name: str) -> Tensor | None:
        return self._tensors.get(name)


@dataclass(frozen=True)
class PreferredMemory:
    """Where outputs of a call should lie."""

    kind: int
    device: int


class Logger:
    """Notes what is logged."""

    lines: list[tuple[str, str]] = []

    @classmethod
    def log_info(cls, text: str) -> None:
        cls.lines.append(("info", text))

    @classmethod
    def log_warn(cls, text: str) -> None:
        cls.lines.append(("warn", text))

    @classmethod
    def log_error(cls, text: str) -> None:
        cls.lines.append(("error", text))


MODELS: dict[str, Any] = {}
"""Loaded models by name, which calls can reach."""
CALLS: list[tuple[str, int]] = []
"""Calls made: model and batch size."""


@dataclass(kw_only=True)
class InferenceRequest:
    """Inputs of one request; also a call to another model."""

    inputs: list[Tensor]
    model_name: str = ""
    requested_output_names: list[str] = field(default_factory=list)
    preferred_memory: PreferredMemory | None = None
    timeout_us: int = 0
    cancelled: bool = False

    def timeout(self) -> int:
        return self.timeout_us

    def is_cancelled(self) -> bool:
        return self.cancelled

    def get(self, name: str) -> Tensor | None:
        return next((tensor for tensor in self.inputs if tensor.name() == name), None)

    def exec(self) -> InferenceResponse:
        if self.model_name not in MODELS:
            raise TritonModelException(f"Request for unknown model: '{self.model_name}' is not found")
        CALLS.append((self.model_name, len(self.inputs[0].as_numpy())))
        response: InferenceResponse = MODELS[self.model_name].execute([self])[0]
        if response.has_error():
            return response
        wanted = [tensor for tensor in response.output_tensors() if tensor.name() in self.requested_output_names]
        return InferenceResponse(wanted)


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return request.get(name)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    return response.get(name)


def make_request(arrays: Mapping[str, npt.NDArray[Any]]) -> InferenceRequest:
    """Make a request as Triton hands it to `execute`."""
    return InferenceRequest(inputs=[Tensor(name, array) for name, array in arrays.items()])


def text(value: str | bytes) -> npt.NDArray[np.object_]:
    """A text input of shape [1, 1]."""
    return np.array([[value if isinstance(value, bytes) else value.encode()]], dtype=object)


def number(value: int) -> npt.NDArray[np.int32]:
    """A number input of shape [1, 1]."""
    return np.array([[value]], dtype=np.int32)


def this_module() -> ModuleType:
    """This module, to be put in the place of Triton's."""
    return sys.modules[__name__]
