"""What every Triton python model does: read requests, call the logic once for the batch, write responses.

``pb_utils`` (Triton's module, which exists only inside a stub) is given by each ``model.py``, so that this file is
tested with a stand-in and imports nothing of Triton.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mercato.errors import (
    AbandonedError,
    InvalidInputError,
    MercatoError,
    ModelError,
    OverloadedError,
    StateError,
)
from mercato.pipeline.answer import Answer
from mercato.pipeline.remote import Arrays, Call
from mercato.query.suggest.suggester import SuggestAnswer
from mercato.serving.admission import Admission
from mercato.settings import read_settings
from mercato.triton_models.declaration import OpenedT, TritonModel

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
_Tensors = list[npt.NDArray[Any] | None]


def read_parameter(args: Mapping[str, str], name: str, default: str) -> str:
    """Read a parameter of the model's configuration.

    Args:
        args: what Triton gives to ``initialize``.
        name: the parameter.
        default: its value where the configuration does not have it.
    """
    parameters = json.loads(args["model_config"]).get("parameters", {})
    value: str = parameters.get(name, {}).get("string_value", default)
    return value


def configure_logging(pb_utils: Any) -> None:
    """Send Python's log records to the server's log."""
    root = logging.getLogger("mercato")
    if not any(isinstance(handler, _TritonHandler) for handler in root.handlers):
        root.addHandler(_TritonHandler(pb_utils.Logger))
        root.setLevel(logging.INFO)


class _TritonHandler(logging.Handler):
    def __init__(self, target: Any) -> None:
        super().__init__()
        self._target = target
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record at the server's level for it."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._target.log_error(text)
        elif record.levelno >= logging.WARNING:
            self._target.log_warn(text)
        else:
            self._target.log_info(text)


def open_model(pb_utils: Any, args: Mapping[str, str], model: TritonModel[OpenedT]) -> OpenedT:
    """Open what a model calls, for ``initialize``.

    Args:
        pb_utils: Triton's module.
        args: what Triton gives to ``initialize``; the configuration says where the stages live.
        model: the model's declaration.

    Returns:
        What the declaration opens.

    Raises:
        MercatoError: it cannot be opened, or the server's settings cannot be read.
    """
    configure_logging(pb_utils)
    remote = read_parameter(args, "stages", "remote") == "remote"
    return model.open(read_settings(), make_call(pb_utils) if remote else None)


def make_call(pb_utils: Any) -> Call:
    """Return what runs an inference on another model of this server (BLS)."""

    def call(model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        try:
            request = pb_utils.InferenceRequest(
                model_name=model,
                requested_output_names=list(outputs),
                inputs=[pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in inputs.items()],
                preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
            )
            response = request.exec()
        except Exception as exc:  # Triton's exceptions have no common base
            raise ModelError(f"model {model}: the call failed ({exc})") from exc
        if response.has_error():
            raise ModelError(f"model {model}: {response.error().message()}")
        tensors = {name: pb_utils.get_output_tensor_by_name(response, name) for name in outputs}
        missing = [name for name, tensor in tensors.items() if tensor is None]
        if missing:
            raise ModelError(f"model {model}: the answer lacks {', '.join(missing)}")
        return {name: tensor.as_numpy() for name, tensor in tensors.items()}

    return call


def read_fields(pb_utils: Any, request: Any, names: Sequence[str]) -> dict[str, bytes | int | None]:
    """Read the single-element inputs of a request.

    Args:
        pb_utils: Triton's module.
        request: the request.
        names: the inputs to read.

    Returns:
        bytes for strings, int for numbers, None for what was not given.

    Raises:
        InvalidInputError: an input has more than one element.
    """
    fields: dict[str, bytes | int | None] = {}
    for name in names:
        tensor = pb_utils.get_input_tensor_by_name(request, name)
        if tensor is None:
            fields[name] = None
            continue
        array = tensor.as_numpy()
        if array.size != 1:
            raise InvalidInputError(
                name, f"must have shape [1, 1], got {list(array.shape)}", "send one query a request; the server batches"
            )
        value = array.reshape(-1)[0]
        fields[name] = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else int(value)
    return fields


def serve(
    pb_utils: Any,
    requests: Sequence[Any],
    read: Callable[[Any], Item],
    work: Callable[[list[Item | MercatoError]], Sequence[Outcome | MercatoError]],
    write: Callable[[Outcome], list[Any]],
    admission: Admission | None = None,
) -> list[Any]:
    """Answer a Triton batch: read each request, work once for all, write each response.

    A request that cannot be read becomes an error of its own. If the work itself fails, each request is tried alone,
    so that the one that makes it fail does not take the others with it.

    Args:
        pb_utils: Triton's module.
        requests: the batch.
        read: turns a request into an item; raises MercatoError for a bad one.
        work: items (or the errors of bad ones) to outcomes, in order.
        write: turns an outcome into output tensors.
        admission: says which requests are worked on; None for all of them.

    Returns:
        One response for each request.
    """
    if admission is None:
        items = [_read(read, request) for request in requests]
        return [_respond(pb_utils, write, outcome) for outcome in _work(work, items)]
    refused = admission.refuse(requests)
    with admission.measure(len(requests) - len(refused)):
        items = [refused[index] if index in refused else _read(read, request) for index, request in enumerate(requests)]
        return [_respond(pb_utils, write, outcome) for outcome in _work(work, items)]


def _hide_failure() -> MercatoError:
    """What a client is told of an exception that nobody raised on purpose; the log has the traceback."""
    return MercatoError("the request could not be answered; the server's log says why")


def _read(read: Callable[[Any], Item], request: Any) -> Item | MercatoError:
    try:
        return read(request)
    except MercatoError as exc:
        return exc
    except Exception:
        logger.exception("a request could not be read")
        return _hide_failure()


def _work(
    work: Callable[[list[Item | MercatoError]], Sequence[Outcome | MercatoError]], items: list[Item | MercatoError]
) -> Sequence[Outcome | MercatoError]:
    try:
        return work(items)
    except MercatoError as exc:
        logger.exception("a batch of %d failed", len(items))
        return [item if isinstance(item, MercatoError) else exc for item in items]
    except Exception:
        logger.exception("a batch of %d failed", len(items))
        if len(items) == 1:
            return [_hide_failure()]
        return [_work(work, [item])[0] for item in items]


def _respond(pb_utils: Any, write: Callable[[Outcome], list[Any]], outcome: Outcome | MercatoError) -> Any:
    if not isinstance(outcome, MercatoError):
        try:
            return pb_utils.InferenceResponse(output_tensors=write(outcome))
        except Exception:
            logger.exception("an answer could not be written")
            outcome = _hide_failure()
    error = pb_utils.TritonError(str(outcome), _error_code(pb_utils, outcome))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)


def _error_code(pb_utils: Any, error: MercatoError) -> Any:
    """Return Triton's code: the caller's fault, what may pass when tried later, or a fault of ours."""
    if isinstance(error, InvalidInputError):
        return pb_utils.TritonError.INVALID_ARG
    if isinstance(error, AbandonedError):
        return pb_utils.TritonError.CANCELLED
    if isinstance(error, StateError | ModelError | OverloadedError):
        return pb_utils.TritonError.UNAVAILABLE
    return pb_utils.TritonError.INTERNAL


def write_strings(pb_utils: Any, name: str, values: Sequence[str | bytes]) -> Any:
    """Return a string tensor of shape [1, n]."""
    array = np.empty((1, len(values)), dtype=object)
    array[0, :] = [value if isinstance(value, bytes) else value.encode() for value in values]
    return pb_utils.Tensor(name, array)


def write_page(pb_utils: Any, answer: Answer) -> list[Any]:
    """Return the output tensors of one page: PRODUCT_ID [1, n], SCORE [1, n], DETAILS [1, 1]."""
    return [
        write_strings(pb_utils, "PRODUCT_ID", answer.product_ids),
        pb_utils.Tensor("SCORE", np.ascontiguousarray(answer.scores[None], np.float32)),
        write_strings(pb_utils, "DETAILS", [answer.details]),
    ]


def write_suggestions(pb_utils: Any, answer: SuggestAnswer) -> list[Any]:
    """Return the output tensors of suggestions: SUGGESTION [1, n], SCORE [1, n], DETAILS [1, 1]."""
    return [
        write_strings(pb_utils, "SUGGESTION", answer.texts),
        pb_utils.Tensor("SCORE", np.ascontiguousarray(answer.scores[None], np.float32)),
        write_strings(pb_utils, "DETAILS", [answer.details]),
    ]


def read_document(pb_utils: Any, request: Any, name: str) -> bytes:
    """Read an input that holds one document.

    Raises:
        InvalidInputError: it is missing or not one.
    """
    value = read_fields(pb_utils, request, (name,))[name]
    if not isinstance(value, bytes):
        raise InvalidInputError(name, "must be given", "send one JSON document")
    return value


def serve_arrays(
    pb_utils: Any,
    requests: Sequence[Any],
    names: Sequence[str],
    work: Callable[..., Arrays],
    optional: Sequence[str] = (),
) -> list[Any]:
    """Answer a Triton batch whose inputs are stacked, worked on once, and cut again.

    Requests that give other optional inputs or other shapes than their neighbours are stacked apart. Where a stack
    fails, each of its requests is tried alone, so that the one that makes it fail does not take the others with it.

    Args:
        pb_utils: Triton's module.
        requests: the batch; each request may hold several rows.
        names: the inputs, in the order that ``work`` takes them.
        work: stacked inputs to stacked outputs by name; an optional input that is missing is None.
        optional: inputs that may be missing.

    Returns:
        One response for each request.
    """

    def read(request: Any) -> _Tensors:
        tensors = [pb_utils.get_input_tensor_by_name(request, name) for name in names]
        for name, tensor in zip(names, tensors, strict=True):
            if tensor is None and name not in optional:
                raise InvalidInputError(name, "must be given")
        return [None if tensor is None else tensor.as_numpy() for tensor in tensors]

    def work_all(items: list[_Tensors | MercatoError]) -> list[Arrays | MercatoError]:
        outcomes: dict[int, Arrays | MercatoError] = {}
        stacks: dict[tuple[Any, ...], dict[int, _Tensors]] = {}
        for index, item in enumerate(items):
            if isinstance(item, MercatoError):
                outcomes[index] = item
            else:
                shapes = tuple(None if array is None else array.shape[1:] for array in item)
                stacks.setdefault(shapes, {})[index] = item
        for stack in stacks.values():
            outcomes.update(zip(stack, _work_stacked(work, list(stack.values())), strict=True))
        return [outcomes[index] for index in range(len(items))]

    def write(outputs: Arrays) -> list[Any]:
        return [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in outputs.items()]

    return serve(pb_utils, requests, read, work_all, write)


def _work_stacked(work: Callable[..., Arrays], items: list[_Tensors]) -> list[Arrays | MercatoError]:
    """Stack inputs of one shape, work once, and cut the outputs."""
    rows = [next(array.shape[0] for array in item if array is not None) for item in items]
    stacked = [None if column[0] is None else np.concatenate(column) for column in zip(*items, strict=True)]
    try:
        outputs = work(*stacked)
    except MercatoError as exc:
        if len(items) == 1:
            return [exc]
        return [_work_stacked(work, [item])[0] for item in items]
    parts = {name: np.split(array, np.cumsum(rows)[:-1]) for name, array in outputs.items()}
    return [{name: arrays[index] for name, arrays in parts.items()} for index in range(len(items))]
