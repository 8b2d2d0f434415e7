"""The one place where errors of tritonclient become errors of this package."""

import re

from tritonclient.utils import InferenceServerException

from mercato_client.contract import MODELS, QUEUE_FULL_RETRY_AFTER_S
from mercato_client.errors import (
    ClientClosedError,
    DeadlineExceededError,
    InvalidArgumentError,
    MercatoClientError,
    ServerError,
    UnauthenticatedError,
    UnavailableError,
)

_PARAMETERS = {tensor.name for model in MODELS.values() for tensor in model.inputs}
_LEADING_PARAMETER = re.compile(r"([A-Z][A-Z_]*)\b")

# Triton answers both of these with UNAVAILABLE (grpc/infer_handler.cc; core: dynamic batcher's queue policy).
_RESTRICTED = "protocol is restricted"
_QUEUED_TOO_LONG = "timeout expired"
_QUEUE_FULL = "Exceeds maximum queue size"
_COME_BACK = re.compile(r"overloaded: .*; come back in ([0-9.]+) s")


def translate_error(error: InferenceServerException) -> MercatoClientError:
    """Return the error of this package that says what ``error`` means.

    Args:
        error: what tritonclient raised, with a status such as ``StatusCode.UNAVAILABLE``, or none.

    Returns:
        An error to be raised ``from error``.
    """
    status = (error.status() or "").removeprefix("StatusCode.") or None
    text = error.message() or "no message"
    if status == "INVALID_ARGUMENT":
        return InvalidArgumentError(text, parameter=_find_parameter(text), status=status)
    if status == "DEADLINE_EXCEEDED" or (status == "UNAVAILABLE" and _QUEUED_TOO_LONG in text):
        message = f"no answer within the time allowed ({text}); allow more with timeout_s, or look at the server's load"
        return DeadlineExceededError(message, status=status)
    if status in ("UNAUTHENTICATED", "PERMISSION_DENIED") or (status == "UNAVAILABLE" and _RESTRICTED in text):
        message = f"the server refused the credentials ({text}); give them in headers, or a certificate in tls"
        return UnauthenticatedError(message, status=status)
    retry_after_s = _find_retry_after(text) if status == "UNAVAILABLE" else None
    if retry_after_s is not None:
        message = f"the server sheds load ({text}); try again in {retry_after_s:g} s, or add servers"
        return UnavailableError(message, retry_after_s=retry_after_s, status=status)
    if status == "UNAVAILABLE":
        message = f"no server takes the call ({text}); check the address and that the server is ready"
        return UnavailableError(message, status=status)
    if status == "CANCELLED":
        return ClientClosedError(f"the call was cancelled ({text}); was the client closed meanwhile?", status=status)
    if status in ("NOT_FOUND", "UNIMPLEMENTED"):
        message = f"the server does not serve this ({text}); is it a Mercato server, with all its models loaded?"
        return ServerError(message, status=status)
    return ServerError(f"the server failed ({text}); its log says more", status=status)


def _find_retry_after(text: str) -> float | None:
    """When to come back, in seconds, from the words of a server that sheds load; None from other words.

    Triton refuses what finds a queue full by itself, in words that name no time.
    """
    match = _COME_BACK.search(text)
    if match:
        return float(match[1])
    return QUEUE_FULL_RETRY_AFTER_S if _QUEUE_FULL in text else None


def _find_parameter(text: str) -> str | None:
    """The input that a message of the server begins with, in lower case."""
    match = _LEADING_PARAMETER.match(text)
    return match[1].lower() if match and match[1] in _PARAMETERS else None
