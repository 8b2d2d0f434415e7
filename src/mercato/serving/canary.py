"""Canary inferences: the one small request per model that shows it works.

Triton's ready endpoints answer 200 while a model's stub process is dead, so health here means an answered inference.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

Inputs = Mapping[str, npt.NDArray[Any]]


def _text(value: str) -> npt.NDArray[np.object_]:
    return np.array([[value.encode()]], dtype=object)


def _number(value: int) -> npt.NDArray[np.int32]:
    return np.array([[value]], dtype=np.int32)


# What `search` and `recommend` ask the retriever, for one popular product.
_RETRIEVAL_REQUEST = {
    "placement": "home-page",
    "text": "",
    "user_id": "",
    "visitor_id": "",
    "seed_ids": [],
    "filter": "",
    "strict_filtering": True,
    "context": {"time": 0.0},
    "depth": 1,
}

# Inputs of each model's canary, batch dimension first. None: zeros of the shapes the model declares.
CANARIES: Mapping[str, Inputs | None] = {
    "search": {"QUERY": _text("canary"), "PAGE_SIZE": _number(1)},
    "recommend": {"PLACEMENT": _text("home-page"), "PAGE_SIZE": _number(1)},
    "suggest": {"PREFIX": _text("a"), "LIMIT": _number(1)},
    "events": {"EVENTS": _text("[]")},
    "catalog": {"OPERATIONS": _text("[]")},
    "encoder": {
        # [CLS] [SEP]: an empty text.
        "input_ids": np.array([[101, 102]], dtype=np.int64),
        "attention_mask": np.array([[1, 1]], dtype=np.int64),
    },
    "retriever": {"REQUEST": _text(json.dumps(_RETRIEVAL_REQUEST))},
    "ranker": None,
    "reranker": {
        # Token 0, which every vocabulary has.
        "input_ids": np.zeros((1, 3), dtype=np.int64),
        "attention_mask": np.array([[1, 1, 1]], dtype=np.int64),
        "token_type_ids": np.array([[0, 0, 1]], dtype=np.int64),
    },
    "sequence": None,
}


class Health(Enum):
    """What a canary showed."""

    ANSWERED = "answered"
    OVERLOADED = "overloaded"  # the queue is full: alive, and busy
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


_QUEUE_FULL = re.compile(r"exceeds maximum queue size|request timeout expired", re.IGNORECASE)
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
    if _QUEUE_FULL.search(message):
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
