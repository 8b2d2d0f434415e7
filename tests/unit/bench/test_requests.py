"""Requests as they travel: what the client of ours would send, byte by byte."""

import json

import numpy as np
import pytest
from mercato_client.contract import EVENTS, MODELS, SEARCH
from tritonclient.grpc import service_pb2
from tritonclient.utils import deserialize_bytes_tensor

from mercato.bench.requests import (
    VISITOR,
    WORKLOADS,
    RequestSettings,
    Shop,
    decode_details,
    encode_request,
    find_workload,
    list_writing_visitors,
)
from mercato.errors import InvalidInputError
from mercato.events.event_type import EVENT_TYPES

SHOP = Shop(queries=("grüner tee",), product_ids=("p1",), users=("u1",))


def decode(message: bytes) -> tuple[service_pb2.ModelInferRequest, dict[str, str | int]]:
    request = service_pb2.ModelInferRequest.FromString(message)
    values: dict[str, str | int] = {}
    for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True):
        assert list(tensor.shape) == [1, 1]
        if tensor.datatype == "BYTES":
            (text,) = deserialize_bytes_tensor(content)
            values[tensor.name] = text.decode()
        else:
            values[tensor.name] = int(np.frombuffer(content, "<i4")[0])
    return request, values


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_sends_every_input_of_its_model(name: str) -> None:
    workload = WORKLOADS[name]
    (subject,) = workload.subjects(SHOP)
    model = MODELS[workload.model]
    request, values = decode(encode_request(model, workload.make(RequestSettings(), subject, 3), timeout_s=2.5))
    assert request.model_name == workload.model
    assert list(values) == [spec.name for spec in model.inputs]
    assert request.parameters["timeout"].int64_param == 2_500_000
    assert subject in "".join(map(str, values.values()))


def test_a_search_is_sent_as_it_is_meant() -> None:
    settings = RequestSettings(page_size=24, options={"facets": ["brand"]})
    plain = WORKLOADS["search"].make(settings, "grüner tee", 0)
    _, values = decode(encode_request(SEARCH, plain, timeout_s=1))
    assert (values["QUERY"], values["PAGE_SIZE"], values["OFFSET"], values["USER_ID"]) == ("grüner tee", 24, 0, "")
    assert json.loads(str(values["OPTIONS"])) == {"rerank": False, "facets": ["brand"]}
    assert json.loads(str(WORKLOADS["rerank"].make(settings, "x", 0)["OPTIONS"])) == {"facets": ["brand"]}


def test_events_are_of_made_up_visitors_that_can_be_named_again() -> None:
    workload, settings = WORKLOADS["events"], RequestSettings(run="abc")
    events = [json.loads(str(workload.make(settings, "p1", number)["EVENTS"]))[0] for number in range(12)]
    assert {event["visitor_id"] for event in events} == set(list_writing_visitors("abc"))
    assert len({event["event_id"] for event in events}) == 12
    assert all(event["visitor_id"].startswith(f"{VISITOR}-abc") for event in events)
    assert {event["event_type"] for event in events} <= set(EVENT_TYPES)
    assert [name for name, one in WORKLOADS.items() if one.writes] == ["events"]


def test_shoppers_are_strangers_where_no_users_are_given() -> None:
    recommend = WORKLOADS["recommend"]
    stranger = recommend.subjects(Shop())[0]
    assert recommend.make(RequestSettings(), stranger, 0)["VISITOR_ID"] == stranger
    assert recommend.make(RequestSettings(), "u1", 0)["USER_ID"] == "u1"


def test_details_of_answers_are_read() -> None:
    answer = service_pb2.ModelInferResponse(model_name="events")
    answer.outputs.add(name="RESULT", datatype="BYTES", shape=[1, 1])
    text = b'{"accepted":1}'
    answer.raw_output_contents.append(len(text).to_bytes(4, "little") + text)
    assert decode_details(answer.SerializeToString()) == {"accepted": 1}
    assert decode_details(b"") == {}


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(InvalidInputError, match="must be one of search, .*, got 'seach'"):
        find_workload("seach")
    with pytest.raises(InvalidInputError, match="EVENTS: must be given to events"):
        encode_request(EVENTS, {}, timeout_s=1)
    with pytest.raises(InvalidInputError, match="NOTHING: is no input of search"):
        encode_request(SEARCH, {"QUERY": "a", "NOTHING": 1}, timeout_s=1)
