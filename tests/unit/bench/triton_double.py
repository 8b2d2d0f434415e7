"""A small real gRPC server of the inference protocol, for tests of what asks one: answers, counters, refusals."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

STAGES_US = {"encode_us": 100, "retrieve_us": 300, "rank_us": 200, "total_us": 600}


@dataclass
class TritonDouble(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers like a server of Mercato with two products.

    Attributes:
        ready: what it says of itself.
        refuse: models whose requests it refuses as invalid.
        reject_events: whether it rejects what is written.
        timings: of every answer.
        asked: requests by model.
    """

    ready: bool = True
    refuse: frozenset[str] = frozenset()
    reject_events: bool = False
    timings: dict[str, int] = field(default_factory=lambda: dict(STAGES_US))
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ServerReady(self, request: object, context: object) -> object:  # noqa: N802
        return service_pb2.ServerReadyResponse(ready=self.ready)

    def ServerMetadata(self, request: object, context: object) -> object:  # noqa: N802
        return service_pb2.ServerMetadataResponse(name="double", version="1")

    def ModelStatistics(self, request: object, context: object) -> object:  # noqa: N802
        answer = service_pb2.ModelStatisticsResponse()
        with self.lock:
            for model, count in self.asked.items():
                one = answer.model_stats.add(name=model, version="1", execution_count=count)
                statistics = one.inference_stats
                statistics.success.count = count
                for part, ns in (("queue", 100_000), ("compute_input", 1000), ("compute_infer", 700_000)):
                    getattr(statistics, part).count = count
                    getattr(statistics, part).ns = ns * count
        return answer

    def ModelInfer(self, request: service_pb2.ModelInferRequest, context: grpc.ServicerContext) -> object:  # noqa: N802
        model = request.model_name
        if model in self.refuse:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{model}: state is not kept")
        with self.lock:
            self.asked[model] += 1
        answer = service_pb2.ModelInferResponse(model_name=model, model_version="1")
        if model == "events":
            rejected = [{"index": 0, "message": "product_id: unknown"}] if self.reject_events else []
            _add_text(answer, "RESULT", json.dumps({"accepted": 1, "duplicates": 0, "rejected": rejected}))
            return answer
        ids, titles = ["p1", "p2"], ["Green tea with mint", "Coffee beans dark roast"]
        answer.outputs.add(name="PRODUCT_ID", datatype="BYTES", shape=[1, 2])
        answer.raw_output_contents.append(b"".join(len(one).to_bytes(4, "little") + one.encode() for one in ids))
        answer.outputs.add(name="SCORE", datatype="FP32", shape=[1, 2])
        answer.raw_output_contents.append(bytes(8))
        results = [{"id": id_, "title": title} for id_, title in zip(ids, titles, strict=True)]
        details = {"total": 2, "token": "t", "missing_ids": [], "degraded": [], "results": results}
        _add_text(answer, "DETAILS", json.dumps({**details, "timings": self.timings}))
        return answer


def _add_text(answer: service_pb2.ModelInferResponse, name: str, text: str) -> None:
    answer.outputs.add(name=name, datatype="BYTES", shape=[1, 1])
    answer.raw_output_contents.append(len(text.encode()).to_bytes(4, "little") + text.encode())


@contextmanager
def serve_double(double: TritonDouble) -> Iterator[str]:
    """Serve it in this process; gives its address."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(double, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)
