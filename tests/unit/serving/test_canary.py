from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from mercato.errors import OverloadedError
from mercato.requests.page import parse_search
from mercato.requests.written import read_request
from mercato.serving.canary import CANARIES, Health, classify_failure, run_canary, zero_inputs
from mercato.serving.repository import list_models, project_repository, read_config


def metadata(*inputs: tuple[str, str, list[int]]) -> Any:
    return SimpleNamespace(inputs=[SimpleNamespace(name=n, datatype=d, shape=s) for n, d, s in inputs])


class OneAnswer:
    """Stands in for tritonclient at its boundary: answers, or fails with one message."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure
        self.asked: list[str] = []

    def infer(self, model: str, inputs: list[Any], client_timeout: float) -> None:
        self.asked.append(model)
        if self.failure:
            raise InferenceServerException(self.failure)

    def get_model_metadata(self, model: str, client_timeout: float) -> Any:
        return metadata(("query", "FP32", [-1, 384]))


@pytest.mark.parametrize("model", sorted(CANARIES))
def test_canary_fits_the_models_configuration(model: str) -> None:
    config = read_config(project_repository() / model, "cpu")
    declared = {tensor.name: tensor for tensor in config.input}
    given = CANARIES[model]
    if given is None:
        return
    assert {name for name, tensor in declared.items() if not tensor.optional} <= set(given) <= set(declared)
    for name, value in given.items():
        # TYPE_STRING is BYTES on the wire.
        wire = np_to_triton_dtype(value.dtype).replace("BYTES", "STRING")
        assert config.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_name[f"TYPE_{wire}"].number == (
            declared[name].data_type
        )
        dims = list(declared[name].dims)
        assert len(value.shape) == 1 + len(dims)
        assert all(free in (-1, given_extent) for free, given_extent in zip(dims, value.shape[1:], strict=True))


def test_every_model_of_the_project_has_a_canary() -> None:
    assert set(list_models(project_repository(), "cpu")) <= set(CANARIES)


def test_the_canary_of_a_search_is_answered_anew_each_time() -> None:
    fields = {
        name: str(value[0, 0]).encode() for name, value in (CANARIES["search"] or {}).items() if name != "PAGE_SIZE"
    }
    fields = {name: value for name, value in fields.items() if value}
    assert parse_search({"QUERY": fields["QUERY"]}).answer_key
    assert not parse_search(fields).answer_key


def test_retriever_canary_is_a_request_that_the_retriever_reads() -> None:
    given = CANARIES["retriever"]
    assert given is not None
    request = read_request(given["REQUEST"][0, 0])
    assert (request.placement.label, request.depth) == ("home-page", 1)


def test_zeros_have_one_for_every_free_dimension() -> None:
    made = zero_inputs(
        metadata(("query", "FP32", [-1, 384]), ("features", "FP32", [-1, -1, 28]), ("text", "BYTES", [-1, 1]))
    )
    assert {name: (value.shape, value.dtype) for name, value in made.items()} == {
        "query": ((1, 384), np.dtype(np.float32)),
        "features": ((1, 1, 28), np.dtype(np.float32)),
        "text": ((1, 1), np.dtype(object)),
    }
    assert made["text"][0, 0] == b""
    assert not made["query"].any()


@pytest.mark.parametrize(
    ("message", "health"),
    [
        ("Stub process 'search_0_1' is not healthy.", Health.STUB_DEAD),
        ("[request id: <id_unknown>] Exceeds maximum queue size", Health.OVERLOADED),
        ("Request timeout expired", Health.OVERLOADED),
        (str(OverloadedError("too much", retry_after_s=1.0)), Health.OVERLOADED),
        ("Deadline Exceeded", Health.FAILED),
        ("QUERY: must not be empty", Health.FAILED),
    ],
)
def test_failures_are_told_apart(message: str, health: Health) -> None:
    assert classify_failure(message) is health
    result = run_canary(OneAnswer(message), "search", CANARIES["search"], 1.0)
    assert (result.health, result.message) == (health, message)


def test_answered_canary() -> None:
    client = OneAnswer()
    assert run_canary(client, "ranker", None, 1.0).health is Health.ANSWERED
    assert client.asked == ["ranker"]
