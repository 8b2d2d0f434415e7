"""Deadlines, errors, repeats, several servers, headers and size limits, over real connections."""

import math

import grpc
import mercato_client
import pytest
from mercato_client import (
    ClientClosedError,
    DeadlineExceededError,
    InvalidArgumentError,
    Retries,
    ServerError,
    Timeouts,
    UnauthenticatedError,
    UnavailableError,
)
from tritonclient.utils import InferenceServerException

from tests.unit.client.canned_triton import PAGE, failing, page

Code = grpc.StatusCode
ENOUGH_CALLS = 500  # far more than two connections on loopback take to be made


def test_deadline_is_kept_here_and_carried_to_the_server(triton, connect):
    triton.replies["search"] = triton.hang
    with pytest.raises(DeadlineExceededError, match="no answer within the time allowed .* allow more with timeout_s"):
        connect(triton.address).search("kettle", timeout_s=0.75)
    (request,) = triton.received
    assert request.timeout_us == 750_000
    assert 0 < request.remaining_s < Timeouts().read_s


def test_a_deadline_of_a_millisecond(triton, connect):
    triton.replies["search"] = triton.hang
    with pytest.raises(DeadlineExceededError):
        connect(triton.address).search("kettle", timeout_s=0.001)


def test_timeouts_are_on_by_default(triton, connect):
    client = connect(triton.address)
    client.search("kettle")
    client.recommend("home-page")
    client.write_events([])
    client.delete_products([])
    assert [request.timeout_us for request in triton.received] == [2_000_000, 2_000_000, 30_000_000, 30_000_000]
    assert all(request.remaining_s is not None for request in triton.received)


def test_timeouts_can_be_set_and_turned_off(triton, connect):
    client = connect(triton.address, timeouts=Timeouts(read_s=7, write_s=math.inf))
    client.search("kettle")
    client.write_events([])
    read, write = triton.received
    assert (read.timeout_us, write.timeout_us) == (7_000_000, None)
    assert write.remaining_s is None or write.remaining_s > 365 * 24 * 3600


@pytest.mark.parametrize(
    ("code", "message", "expected", "says"),
    [
        (Code.INVALID_ARGUMENT, "FILTER: no field 'brnd' at 1", InvalidArgumentError, "FILTER: no field 'brnd' at 1"),
        (Code.DEADLINE_EXCEEDED, "late", DeadlineExceededError, "late"),
        (Code.UNAVAILABLE, "Request timeout expired", DeadlineExceededError, "Request timeout expired"),
        (Code.UNAVAILABLE, "Exceeds maximum queue size", UnavailableError, "sheds load .*; try again in 1 s"),
        (Code.UNAVAILABLE, "overloaded: too much; come back in 0.4 s", UnavailableError, "try again in 0.4 s"),
        (
            Code.UNAVAILABLE,
            "This protocol is restricted, expecting header 'triton-grpc-protocol-key'",
            UnauthenticatedError,
            "expecting header 'triton-grpc-protocol-key'",
        ),
        (Code.UNAUTHENTICATED, "who are you", UnauthenticatedError, "give them in headers"),
        (Code.PERMISSION_DENIED, "not you", UnauthenticatedError, "not you"),
        (Code.INTERNAL, "Stub process 'search_0_0' is not healthy.", ServerError, "is not healthy"),
        (Code.UNKNOWN, "hm", ServerError, "the server failed"),
        (Code.DATA_LOSS, "hm", ServerError, "the server failed"),
        (Code.NOT_FOUND, "Request for unknown model: 'search'", ServerError, "is it a Mercato server"),
        (Code.UNIMPLEMENTED, "", ServerError, "is it a Mercato server"),
        (Code.CANCELLED, "stopped", ClientClosedError, "stopped"),
    ],
)
def test_errors_are_translated(triton, connect, code, message, expected, says):
    triton.replies["search"] = failing(code, message)
    with pytest.raises(mercato_client.MercatoClientError, match=says) as caught:
        connect(triton.address, retries=Retries(attempts=1)).search("kettle")
    assert type(caught.value) is expected
    assert caught.value.status == code.name
    assert isinstance(caught.value.__cause__, InferenceServerException)


@pytest.mark.parametrize(
    ("message", "parameter"),
    [("PAGE_SIZE: must be 1 to 500, is 0", "page_size"), ("unexpected inference input", None), ("BRAND is odd", None)],
)
def test_an_invalid_argument_names_its_parameter(triton, connect, message, parameter):
    triton.replies["search"] = failing(Code.INVALID_ARGUMENT, message)
    with pytest.raises(InvalidArgumentError) as caught:
        connect(triton.address).search("kettle", page_size=0)
    assert caught.value.parameter == parameter


def test_no_server(connect, start_triton):
    gone = start_triton()
    gone.stop()
    with pytest.raises(UnavailableError, match="no server takes the call"):
        connect(gone.address).search("kettle")


@pytest.mark.parametrize("call", ["search", "recommend", "write_events"])
def test_what_may_be_repeated_is(triton, connect, call):
    argument, model = {
        "search": ("kettle", "search"),
        "recommend": ("cart", "recommend"),
        "write_events": ([{"event_type": "search"}], "events"),
    }[call]
    triton.replies[model] = failing(Code.UNAVAILABLE, "busy", times=2)
    getattr(connect(triton.address), call)(argument)
    assert len(triton.received) == 2 + 1
    assert len({str(request.values) for request in triton.received}) == 1  # generated event ids are repeated, too


def test_catalogue_changes_are_not_repeated(triton, connect):
    triton.replies["catalog"] = failing(Code.UNAVAILABLE, "busy", times=1)
    client = connect(triton.address)
    with pytest.raises(UnavailableError, match="busy"):
        client.delete_products(["p1"])
    assert len(triton.received) == 1
    assert client.delete_products(["p1"]).accepted == 1


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.INVALID_ARGUMENT, Code.DEADLINE_EXCEEDED])
def test_other_errors_are_not_repeated(triton, connect, code):
    triton.replies["search"] = failing(code, "no", times=1)
    with pytest.raises(mercato_client.MercatoClientError):
        connect(triton.address).search("kettle")
    assert len(triton.received) == 1


@pytest.mark.parametrize("attempts", [1, 2])
def test_attempts_are_limited(triton, connect, attempts):
    triton.replies["search"] = failing(Code.UNAVAILABLE, "busy")
    with pytest.raises(UnavailableError):
        connect(triton.address, retries=Retries(attempts=attempts)).search("kettle")
    assert len(triton.received) == attempts


def test_repeats_stop_while_most_calls_fail(triton, connect):
    triton.replies["search"] = failing(Code.UNAVAILABLE, "busy")
    client = connect(triton.address, retries=Retries(initial_backoff_s=0.01, max_backoff_s=0.01))
    for _ in range(20):
        with pytest.raises(UnavailableError):
            client.search("kettle")
    # 10 tokens, one lost with each failure, repeats only above 5: the first call makes 3 attempts and the second 2 ...
    assert len(triton.received) == 3 + 2 + 18


def test_calls_go_to_all_servers_in_turn(start_triton, connect):
    servers = [start_triton(), start_triton()]
    client = connect([server.address for server in servers])
    assert client.target == f"ipv4:{servers[0].address},{servers[1].address}"
    _call_until_all_answer(client, servers)
    before = [len(server.received) for server in servers]
    for _ in range(10):
        client.search("kettle")
    assert [len(server.received) - n for server, n in zip(servers, before, strict=True)] == [10 / 2, 10 / 2]


def test_a_dead_server_is_left_out(start_triton, connect):
    dying, living = servers = [start_triton(), start_triton()]
    client = connect([server.address for server in servers])
    _call_until_all_answer(client, servers)
    dying.stop()
    before = len(living.received)
    for _ in range(10):
        client.search("kettle")
    assert len(living.received) - before == 10


def _call_until_all_answer(client, servers):
    for _ in range(ENOUGH_CALLS):
        client.search("kettle")
        if all(server.received for server in servers):
            return
    pytest.fail(f"one of two servers got none of {ENOUGH_CALLS} calls")


def test_a_name_that_stands_for_servers(triton, connect):
    client = connect(f"dns:///{triton.address}")
    assert client.search("kettle").total == 2


def test_headers_go_with_every_call(triton, connect):
    client = connect(triton.address, headers={"Authorization": "Bearer s3cret", "triton-grpc-protocol-key": "k"})
    client.search("kettle")
    client.write_events([])
    client.delete_products([])
    client.health(canary=False)
    seen = [request.headers for request in triton.received] + triton.health_headers
    assert len(seen) == 3 + 1
    assert {(headers["authorization"], headers["triton-grpc-protocol-key"]) for headers in seen} == {
        ("Bearer s3cret", "k")
    }
    assert "s3cret" not in repr(client)


def test_answers_and_questions_above_grpcs_default_limit(triton, connect):
    title = "x" * (5 * 2**20)  # gRPC's default is 4 MB
    triton.replies["search"] = lambda request, context: page({**PAGE, "results": [{"title": title}, {}]})
    client = connect(triton.address)
    assert client.search("kettle").results[0].title == title
    client.upsert_products([{"id": "p1", "title": title}])
    assert len(triton.received[-1].values["OPERATIONS"]) > len(title)


def test_a_client_is_used_up_when_closed(triton, connect):
    client = connect(triton.address)
    client.search("kettle")
    client.close()
    client.close()
    for call in (lambda: client.search("kettle"), lambda: client.delete_products([]), lambda: client.health()):
        with pytest.raises(ClientClosedError, match="is closed; make a new one"):
            call()
    assert len(triton.received) == 1


def test_nothing_is_connected_before_the_first_call(start_triton, connect):
    early = start_triton()
    early.stop()
    client = connect(early.address)
    late = start_triton(address=early.address)
    assert client.search("kettle").total == 2
    assert len(late.received) == 1
