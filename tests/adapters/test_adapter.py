"""The adapter that every model shares: requests in, one piece of work, responses out, no neighbour harmed."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mercato.errors import DataError, InvalidInputError, MercatoError, ModelError, StateError
from mercato.pipeline.answer import Answer
from mercato.serving import adapter
from mercato.serving.admission import Admission
from tests.adapters import fake_pb_utils as pb
from tests.adapters.fake_pb_utils import InferenceRequest, InferenceResponse, Tensor, make_request, number, text

HIDDEN = "the request could not be answered; the server's log says why"


class Upper:
    """Work for tests: words in, capitals out."""

    def __init__(self, poison: str = "", failure: Exception | None = None) -> None:
        self.batches: list[int] = []
        self.poison = poison
        self.failure = failure

    def __call__(self, items: Sequence[str | MercatoError]) -> list[str | MercatoError]:
        self.batches.append(len(items))
        if self.failure is not None and self.poison in items:
            raise self.failure
        return [item if isinstance(item, MercatoError) else item.upper() for item in items]


def read_word(request: InferenceRequest) -> str:
    word = adapter.read_fields(pb, request, ("WORD",))["WORD"]
    if not isinstance(word, bytes):
        raise InvalidInputError("WORD", "must be given")
    if word == b"crash":
        raise ZeroDivisionError("a bug while reading")
    return word.decode()


def write_word(word: str) -> list[Tensor]:
    if word == "UNWRITABLE":
        raise ZeroDivisionError("a bug while writing")
    return [adapter.write_strings(pb, "WORD", [word])]


def serve(work: Upper, *words: str | None) -> list[InferenceResponse]:
    requests = [make_request({} if word is None else {"WORD": text(word)}) for word in words]
    responses: list[InferenceResponse] = adapter.serve(pb, requests, read_word, work, write_word)
    return responses


def told(response: InferenceResponse) -> tuple[str, str]:
    """What a response says: its one word, or code and message of its error."""
    if response.has_error():
        return response.error().code(), response.error().message()
    [tensor] = response.output_tensors()
    return "word", tensor.as_numpy()[0, 0].decode()


def test_batch_is_worked_on_once() -> None:
    work = Upper()
    assert [told(response) for response in serve(work, "a", "b", "c")] == [("word", "A"), ("word", "B"), ("word", "C")]
    assert work.batches == [3]


def test_bad_request_is_refused_among_good_ones() -> None:
    work = Upper()
    responses = serve(work, "a", None, "c")
    assert [told(response) for response in responses] == [
        ("word", "A"),
        ("INVALID_ARG", "WORD: must be given"),
        ("word", "C"),
    ]
    assert work.batches == [3], "the error goes along, so that positions stay"


def test_exception_while_reading_is_hidden_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert [told(response) for response in serve(Upper(), "a", "crash")] == [("word", "A"), ("INTERNAL", HIDDEN)]
    assert "a bug while reading" in caplog.text


def test_exception_while_writing_is_hidden_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert [told(response) for response in serve(Upper(), "unwritable", "b")] == [("INTERNAL", HIDDEN), ("word", "B")]
    assert "a bug while writing" in caplog.text


def test_unexpected_exception_costs_only_its_culprit(caplog: pytest.LogCaptureFixture) -> None:
    work = Upper("b", ZeroDivisionError("a bug with b"))
    responses = serve(work, "a", "b", None, "c")
    assert [told(response) for response in responses] == [
        ("word", "A"),
        ("INTERNAL", HIDDEN),
        ("INVALID_ARG", "WORD: must be given"),
        ("word", "C"),
    ]
    assert work.batches == [4, 1, 1, 1, 1]
    assert "a bug with b" in caplog.text


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StateError("state: the disk is full"), "UNAVAILABLE"),
        (ModelError("model encoder: gone"), "UNAVAILABLE"),
        (DataError("documents: damaged"), "INTERNAL"),
        (MercatoError("something else"), "INTERNAL"),
    ],
)
def test_failure_of_all_is_told_to_all_but_those_refused_before(failure: MercatoError, code: str) -> None:
    work = Upper("a", failure)
    assert [told(response) for response in serve(work, "a", None, "c")] == [
        (code, str(failure)),
        ("INVALID_ARG", "WORD: must be given"),
        (code, str(failure)),
    ]
    assert work.batches == [3], "a store that refuses is not asked again for each caller"


def test_errors_of_single_outcomes_have_their_codes() -> None:
    outcomes: list[str | MercatoError] = [
        "fine",
        InvalidInputError("FILTER", "is wrong", "mend it"),
        StateError("gone"),
    ]
    responses = adapter.serve(pb, [make_request({"WORD": text("x")})] * 3, read_word, lambda _: outcomes, write_word)
    assert [told(response) for response in responses] == [
        ("word", "fine"),
        ("INVALID_ARG", "FILTER: is wrong; mend it"),
        ("UNAVAILABLE", "gone"),
    ]


def test_fields_are_bytes_numbers_or_nothing() -> None:
    request = make_request({"QUERY": text("ü"), "PAGE_SIZE": number(7)})
    fields = adapter.read_fields(pb, request, ("QUERY", "PAGE_SIZE", "OFFSET"))
    assert fields == {"QUERY": "ü".encode(), "PAGE_SIZE": 7, "OFFSET": None}
    assert type(fields["PAGE_SIZE"]) is int


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (np.array([[b"a", b"b"]], dtype=object), "[1, 2]"),
        (np.array([[b"a"], [b"b"]], dtype=object), "[2, 1]"),
        (np.zeros((1, 0), dtype=object), "[1, 0]"),
    ],
)
def test_input_of_another_shape_is_refused(array: npt.NDArray[np.object_], shape: str) -> None:
    [response] = adapter.serve(pb, [make_request({"WORD": array})], read_word, Upper(), write_word)
    assert told(response) == (
        "INVALID_ARG",
        f"WORD: must have shape [1, 1], got {shape}; send one query a request; the server batches",
    )


def test_document_must_be_given_as_text() -> None:
    assert adapter.read_document(pb, make_request({"EVENTS": text("[]")}), "EVENTS") == b"[]"
    for request in (make_request({}), make_request({"EVENTS": number(1)})):
        with pytest.raises(InvalidInputError, match="EVENTS: must be given; send one JSON document"):
            adapter.read_document(pb, request, "EVENTS")


def test_page_has_three_tensors_of_one_row() -> None:
    answer = Answer(product_ids=["p1", "ü"], scores=np.array([2.0, 1.0], np.float32), details=b'{"total": 2}')
    ids, scores, details = adapter.write_page(pb, answer)
    assert (ids.name(), ids.as_numpy().tolist()) == ("PRODUCT_ID", [[b"p1", "ü".encode()]])
    assert (scores.name(), scores.as_numpy().dtype, scores.as_numpy().tolist()) == ("SCORE", np.float32, [[2.0, 1.0]])
    assert (details.name(), details.as_numpy().tolist()) == ("DETAILS", [[b'{"total": 2}']])


def test_empty_page_has_empty_tensors() -> None:
    answer = Answer(product_ids=[], scores=np.zeros(0, np.float32), details=b"{}")
    assert [tensor.as_numpy().shape for tensor in adapter.write_page(pb, answer)] == [(1, 0), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("parameters", "value"),
    [({}, "remote"), ({"stages": {"string_value": "in_process"}}, "in_process"), ({"other": {}}, "remote")],
)
def test_parameter_of_the_configuration_or_its_default(parameters: dict[str, Any], value: str) -> None:
    args = {"model_config": json.dumps({"parameters": parameters})}
    assert adapter.read_parameter(args, "stages", "remote") == value
    assert adapter.read_parameter({"model_config": "{}"}, "stages", "remote") == "remote"


def test_log_records_reach_the_servers_log_once_each() -> None:
    pb.Logger.lines.clear()
    root = logging.getLogger("mercato")
    handlers, level = list(root.handlers), root.level
    try:
        adapter.configure_logging(pb)
        adapter.configure_logging(pb)
        logger = logging.getLogger("mercato.test")
        logger.info("one")
        logger.warning("two %d", 2)
        logger.error("three")
        logger.debug("hidden")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    expected = [("info", "mercato.test: one"), ("warn", "mercato.test: two 2"), ("error", "mercato.test: three")]
    assert pb.Logger.lines == expected


class Scaling:
    """Stacked work for tests: rows times the optional factor of the row, or 1."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.batches: list[int] = []
        self.failure = failure

    def __call__(self, rows: npt.NDArray[Any], factor: npt.NDArray[Any] | None) -> dict[str, npt.NDArray[Any]]:
        self.batches.append(len(rows))
        if self.failure is not None and (rows == 13).any():
            raise self.failure
        return {"PRODUCT": rows * (1 if factor is None else factor), "SIZE": np.full((len(rows), 1), len(rows))}


def serve_arrays(work: Scaling, *inputs: dict[str, npt.NDArray[Any]]) -> list[InferenceResponse]:
    requests = [make_request(one) for one in inputs]
    responses: list[InferenceResponse] = adapter.serve_arrays(
        pb, requests, ("ROWS", "FACTOR"), work, optional=("FACTOR",)
    )
    return responses


def rows(*values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def product(response: InferenceResponse) -> list[list[int]]:
    tensor = response.get("PRODUCT")
    assert tensor is not None, told(response)
    listed: list[list[int]] = tensor.as_numpy().tolist()
    return listed


def test_stacked_requests_are_cut_where_they_were_joined() -> None:
    work = Scaling()
    responses = serve_arrays(work, {"ROWS": rows([1, 2])}, {"ROWS": rows([3, 4], [5, 6])}, {"ROWS": rows([7, 8])})
    assert [product(response) for response in responses] == [[[1, 2]], [[3, 4], [5, 6]], [[7, 8]]]
    assert work.batches == [1 + 2 + 1]


def test_requests_with_and_without_an_optional_input_are_stacked_apart() -> None:
    work = Scaling()
    with_factor = {"ROWS": rows([1, 2]), "FACTOR": rows([10])}
    responses = serve_arrays(work, with_factor, {"ROWS": rows([3, 4])}, with_factor, {"ROWS": rows([5, 6])})
    assert [product(response) for response in responses] == [[[10, 20]], [[3, 4]], [[10, 20]], [[5, 6]]]
    assert work.batches == [2, 2]


def test_requests_of_other_shapes_are_stacked_apart() -> None:
    work = Scaling()
    responses = serve_arrays(work, {"ROWS": rows([1, 2])}, {"ROWS": rows([3, 4, 5])}, {"ROWS": rows([6, 7])})
    assert [product(response) for response in responses] == [[[1, 2]], [[3, 4, 5]], [[6, 7]]]
    assert work.batches == [2, 1]


def test_missing_input_is_its_own_requests_error() -> None:
    work = Scaling()
    responses = serve_arrays(work, {"ROWS": rows([1, 2])}, {"FACTOR": rows([10])}, {"ROWS": rows([3, 4])})
    assert [product(responses[index]) for index in (0, 2)] == [[[1, 2]], [[3, 4]]]
    assert told(responses[1]) == ("INVALID_ARG", "ROWS: must be given")
    assert work.batches == [2]


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (ModelError("encoder: refused"), "UNAVAILABLE", "encoder: refused"),
        (InvalidInputError("ROWS", "must not be 13"), "INVALID_ARG", "ROWS: must not be 13"),
        (ZeroDivisionError("a bug"), "INTERNAL", HIDDEN),
    ],
)
def test_stack_that_fails_costs_only_its_culprit(failure: Exception, code: str, message: str) -> None:
    work = Scaling(failure)
    responses = serve_arrays(work, {"ROWS": rows([1, 2])}, {"ROWS": rows([13, 0])}, {"ROWS": rows([3, 4])})
    assert [product(responses[index]) for index in (0, 2)] == [[[1, 2]], [[3, 4]]]
    assert told(responses[1]) == (code, message)


def test_call_returns_the_outputs_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubling:
        def execute(self, requests: list[InferenceRequest]) -> list[InferenceResponse]:
            return [
                InferenceResponse([Tensor("TWICE", 2 * r.inputs[0].as_numpy()), Tensor("OTHER", rows([0]))])
                for r in requests
            ]

    monkeypatch.setitem(pb.MODELS, "doubling", Doubling())
    columns = np.arange(6, dtype=np.int64).reshape(2, 3).T
    answer = adapter.make_call(pb)("doubling", {"ROWS": columns}, ["TWICE"])
    assert list(answer) == ["TWICE"]
    assert answer["TWICE"].tolist() == [[0, 6], [2, 8], [4, 10]], "an array of any layout is sent"
    with pytest.raises(ModelError, match="model doubling: the answer lacks THRICE"):
        adapter.make_call(pb)("doubling", {"ROWS": columns}, ["TWICE", "THRICE"])


def test_call_that_fails_is_an_error_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def execute(self, requests: list[InferenceRequest]) -> list[InferenceResponse]:
            return [InferenceResponse([], pb.TritonError("out of memory"))]

    monkeypatch.setitem(pb.MODELS, "refusing", Refusing())
    with pytest.raises(ModelError, match="model refusing: out of memory"):
        adapter.make_call(pb)("refusing", {"ROWS": rows([1])}, ["TWICE"])
    with pytest.raises(ModelError, match="model absent: the call failed .*'absent' is not found"):
        adapter.make_call(pb)("absent", {"ROWS": rows([1])}, ["TWICE"])


def admit(*requests: InferenceRequest, work: Upper | None = None) -> tuple[list[InferenceResponse], Upper]:
    """Serve requests after a batch in which each took 10 ms, which has just ended."""
    upper = work or Upper()
    now = [100.0]
    admission = Admission(lambda: now[0])
    admission.refuse([])
    with admission.measure(10):
        now[0] += 0.1
    return adapter.serve(pb, list(requests), read_word, upper, write_word, admission), upper


def ask(word: str, *, timeout_us: int = 0, cancelled: bool = False) -> InferenceRequest:
    request = make_request({"WORD": text(word)})
    request.timeout_us, request.cancelled = timeout_us, cancelled
    return request


def test_what_cannot_be_answered_in_time_says_when_to_come_back_and_harms_no_neighbour() -> None:
    responses, work = admit(ask("a", timeout_us=10_000_000), ask("b", timeout_us=1_000), ask("c"))
    assert [told(response) for response in responses] == [
        ("word", "A"),
        ("UNAVAILABLE", "overloaded: 2 of 3 requests can be answered in time; come back in 0.1 s"),
        ("word", "C"),
    ]
    assert work.batches == [3], "the error goes along, so that positions stay"


def test_a_cancelled_request_is_never_read() -> None:
    responses, _ = admit(ask("a"), ask("crash", cancelled=True), ask("c"))
    assert [told(response)[0] for response in responses] == ["word", "CANCELLED", "word"]


def test_a_batch_of_refused_requests_alone_needs_no_work() -> None:
    responses, _ = admit(ask("a", cancelled=True))
    assert told(responses[0])[0] == "CANCELLED"
