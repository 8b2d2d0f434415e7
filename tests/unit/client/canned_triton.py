"""A gRPC server in this process that speaks Triton's protocol and answers what a test tells it to."""

import itertools
import json
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

Reply = Callable[[Any, grpc.ServicerContext], Any]

LONG_S = 20.0  # longer than any deadline of a test that is meant to pass

PAGE = {
    "total": 2,
    "token": "t-1",
    "results": [
        {
            "id": "p1",
            "title": "Kettle",
            "price": 19.5,
            "currency": "EUR",
            "brand": "Acme",
            "categories": ["Home", "Kitchen"],
            "availability": "IN_STOCK",
            "attributes": {"litres": 1.7},
            "sources": ["words", "dense"],
            "reasons": ["matches your words"],
            "uri": "https://shop.example/p1",
        },
        {"id": "p2", "title": "Teapot", "price": None},
    ],
    "missing_ids": ["gone"],
    "degraded": ["ranker"],
    "timings": {"encode_us": 900, "total_us": 2100.5},
}
WRITTEN = {"accepted": 1, "rejected": [{"index": 1, "reason": "product: id is missing"}], "sequence": 7}


def answer(**outputs: tuple[str, Sequence[int], bytes]) -> Any:
    """A response with raw outputs: name -> (datatype, shape, content)."""
    response = service_pb2.ModelInferResponse()
    for name, (datatype, shape, content) in outputs.items():
        response.outputs.add(name=name, datatype=datatype, shape=list(shape))
        response.raw_output_contents.append(content)
    return response


def texts(*values: str | bytes) -> tuple[str, list[int], bytes]:
    """A BYTES output of shape [1, n]."""
    contents = [value if isinstance(value, bytes) else value.encode() for value in values]
    return "BYTES", [1, len(contents)], b"".join(struct.pack("<I", len(content)) + content for content in contents)


def floats(*values: float) -> tuple[str, list[int], bytes]:
    """An FP32 output of shape [1, n]."""
    return "FP32", [1, len(values)], np.array(values, dtype=np.float32).tobytes()


def page(details: Any = PAGE, ids: Sequence[str] = ("p1", "p2"), scores: Sequence[float] = (0.75, 0.5)) -> Any:
    """An answer of search or recommend."""
    return answer(PRODUCT_ID=texts(*ids), SCORE=floats(*scores), DETAILS=texts(json.dumps(details)))


def written(result: Any = WRITTEN) -> Any:
    """An answer of events or catalog."""
    return answer(RESULT=texts(json.dumps(result)))


def failing(code: grpc.StatusCode, message: str, times: int = -1) -> Reply:
    """A reply that ends with an error ``times`` times (-1: always), then with a page or the result of a write."""
    left = [times]

    def reply(request: Any, context: grpc.ServicerContext) -> Any:
        if left[0] != 0:
            left[0] -= 1
            context.abort(code, message)
        return written() if request.model_name in ("events", "catalog") else page()

    return reply


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request, decoded."""

    model: str
    values: dict[str, Any]
    shapes: dict[str, tuple[str, list[int]]]
    headers: dict[str, str]
    timeout_us: int | None
    remaining_s: float | None


_HOSTS = (f"127.0.{number // 250}.{number % 250 + 2}" for number in itertools.count())


@dataclass
class CannedTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The server. ``replies`` holds what each model answers; ``received`` what it was asked."""

    replies: dict[str, Reply] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    health_headers: list[dict[str, str]] = field(default_factory=list)
    ready: bool = True
    unready_models: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)
    host: str = ""
    port: int = 0

    def start(self, address: str = "", credentials: grpc.ServerCredentials | None = None) -> "CannedTriton":
        """Listen on loopback.

        Each server has an address of its own there: gRPC's channels of one process share what they know of an address,
        and one that a server of an earlier test had would be waited for before it is tried again.
        """
        address = address or ("127.0.0.1:0" if credentials else f"{next(_HOSTS)}:0")
        self.host = address.rpartition(":")[0]
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        self._server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self._server.start()
        return self

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"

    def stop(self) -> None:
        """Stop at once, and let go of handlers that wait."""
        self.released.set()
        self._server.stop(None).wait()

    def hang(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A reply that does not come before the test is over, or has failed to give up on it."""
        self.released.wait(LONG_S)
        return page()

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answer one inference request."""
        timeout = request.parameters["timeout"].int64_param if "timeout" in request.parameters else None
        self.received.append(
            Received(
                model=request.model_name,
                values={
                    tensor.name: _read(tensor.datatype, content)
                    for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True)
                },
                shapes={tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in request.inputs},
                headers=_headers(context),
                timeout_us=timeout,
                remaining_s=context.time_remaining(),
            )
        )
        reply = self.replies.get(request.model_name)
        if reply is not None:
            return reply(request, context)
        return written() if request.model_name in ("events", "catalog") else page()

    def ServerLive(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Say that the server lives."""
        self.health_headers.append(_headers(context))
        return service_pb2.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Say whether it is ready."""
        return service_pb2.ServerReadyResponse(ready=self.ready)

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Say whether a model is ready."""
        return service_pb2.ModelReadyResponse(ready=request.name not in self.unready_models)


def _headers(context: grpc.ServicerContext) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


def _read(datatype: str, content: bytes) -> Any:
    if datatype == "INT32":
        return int(np.frombuffer(content, dtype=np.int32)[0])
    (length,) = struct.unpack_from("<I", content)
    assert length == len(content) - 4  # one element a tensor
    return content[4:].decode()
