"""Canary inferences: the one small request per model that shows it works.

Triton's ready endpoints answer 200 while a model's stub process is dead, so health here means an answered inference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from mercato.triton_models.declaration import CanaryValue, TritonModel
from mercato.triton_models.registry import TRITON_MODELS

Inputs = Mapping[str, npt.NDArray[Any]]


def write_canary(model: TritonModel[Any]) -> Inputs | None:
    """Return the inputs of a model's canary, batch dimension first; None for zeros of the shapes it declares."""
    if model.canary is None:
        return None
    types = {tensor.name: tensor.data_type for tensor in model.inputs}
    return {name: _write_value(value, types[name]) for name, value in model.canary.items()}


def _write_value(value: CanaryValue, data_type: str) -> npt.NDArray[Any]:
    if isinstance(value, str):
        return np.array([[value.encode()]], dtype=object)
    return np.array([[value] if isinstance(value, int) else list(value)], dtype=triton_to_np_dtype(data_type))


CANARIES: Mapping[str, Inputs | None] = {model.name: write_canary(model) for model in TRITON_MODELS}
"""The canary of each model of the project."""


class Health(Enum):
    """What a canary showed."""

    ANSWERED = "answered"
    OVERLOADED = "overloaded"  # the queue is full, or the model cannot answer in time: alive, and busy
    STUB_DEAD = "stub dead"
    UNLOADED = "unloaded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class CanaryResult:
    """The outcome of one canary.

    Attributes:
        health: what it showed.
        message: the server's words; empty for an answer.
    """

    health: Health
    message: str = ""


_OVERLOADED = re.compile(r"exceeds maximum queue size|request timeout expired|^overloaded: ", re.IGNORECASE)
_STUB_DEAD = re.compile(r"Stub process .* is not healthy|stub process has (died|exited)", re.IGNORECASE)
_UNLOADED = re.compile(r"Request for unknown model|has no available versions", re.IGNORECASE)


def classify_failure(message: str) -> Health:
    """Tell from a server's error message what is wrong with a model.

    Args:
        message: the error's words.

    Returns:
        OVERLOADED, STUB_DEAD, UNLOADED or FAILED.
    """
    if _UNLOADED.search(message):
        return Health.UNLOADED
    if _STUB_DEAD.search(message):
        return Health.STUB_DEAD
    if _OVERLOADED.search(message):
        return Health.OVERLOADED
    return Health.FAILED


def run_canary(client: Any, model: str, inputs: Inputs | None, timeout_s: float) -> CanaryResult:
    """Send a model its canary.

    Args:
        client: a ``tritonclient.grpc.InferenceServerClient``.
        model: the model's name.
        inputs: its inputs, batch dimension first; None for zeros of the shapes it declares.
        timeout_s: how long it may take, in seconds.

    Returns:
        What it showed; never raises for a model that fails.
    """
    try:
        given = zero_inputs(client.get_model_metadata(model, client_timeout=timeout_s)) if inputs is None else inputs
        client.infer(model, [_encode(name, value) for name, value in given.items()], client_timeout=timeout_s)
    except InferenceServerException as exc:
        message = str(exc.message())
        return CanaryResult(health=classify_failure(message), message=message)
    return CanaryResult(health=Health.ANSWERED)


def zero_inputs(metadata: Any) -> dict[str, npt.NDArray[Any]]:
    """Make the smallest input that a model's metadata allows: every free dimension 1, every value zero or empty.

    Args:
        metadata: a ``ModelMetadataResponse``.

    Returns:
        An array for each input.

    Raises:
        ValueError: a data type has no numpy counterpart.
    """
    made: dict[str, npt.NDArray[Any]] = {}
    for tensor in metadata.inputs:
        shape = [1 if extent < 0 else extent for extent in tensor.shape]
        if tensor.datatype == "BYTES":
            made[tensor.name] = np.full(shape, b"", dtype=object)
            continue
        dtype = triton_to_np_dtype(tensor.datatype)
        if dtype is None:
            raise ValueError(f"{tensor.name}: no numpy type for {tensor.datatype}")
        made[tensor.name] = np.zeros(shape, dtype=dtype)
    return made


def _encode(name: str, value: npt.NDArray[Any]) -> Any:
    tensor = triton.InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
    tensor.set_data_from_numpy(value)
    return tensor
