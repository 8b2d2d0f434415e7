"""When a call is made again: after the time that a server names, within the caller's own, and not while most fail."""

import asyncio
import math

import pytest
from grpc import StatusCode as Code
from mercato_client import (
    AsyncClient,
    InvalidArgumentError,
    MercatoClientError,
    Retries,
    Timeouts,
    UnavailableError,
)
from mercato_client._calls import Call, call_suggest, call_write_catalog
from mercato_client._repeats import JITTER, MAX_TOKENS, Attempts, Throttle
from mercato_client.contract import QUEUE_FULL_RETRY_AFTER_S

from tests.unit.client.canned_triton import failing

BUSY = "overloaded: 3 of 40 requests can be answered in time; come back in {} s"
RETRIES = Retries(attempts=4, initial_backoff_s=0.05, max_backoff_s=0.08)


def begin(timeout_s: float = math.inf, call: Call | None = None, throttle: Throttle | None = None) -> Attempts:
    attempts = Attempts(call or call_suggest("te", limit=None, timeout_s=timeout_s), RETRIES, throttle or Throttle())
    attempts.to_infer_arguments()
    return attempts


def test_the_wait_doubles_up_to_the_longest():
    attempts = begin()
    for backoff_s in (0.05, 0.08, 0.08):
        wait_s = attempts.wait_s(UnavailableError("nobody there"))
        assert wait_s == pytest.approx(backoff_s, rel=JITTER)
        attempts.to_infer_arguments()
    assert attempts.wait_s(UnavailableError("nobody there")) is None, "four attempts were made"


def test_nobody_comes_back_earlier_than_told():
    waits_s = [begin().wait_s(UnavailableError("busy", retry_after_s=3.0)) for _ in range(50)]
    assert all(wait_s is not None and 3.0 <= wait_s <= 3.0 * (1 + JITTER) for wait_s in waits_s)
    assert len(set(waits_s)) > 1, "those who were refused together do not come back together"


def test_a_repeat_that_would_come_too_late_is_not_made():
    assert begin(timeout_s=60.0).wait_s(UnavailableError("busy", retry_after_s=90.0)) is None
    assert begin(timeout_s=60.0).wait_s(UnavailableError("busy", retry_after_s=1.0)) is not None


def test_only_what_no_server_took_is_repeated():
    assert begin().wait_s(InvalidArgumentError("QUERY: must be given")) is None
    assert begin(call=call_write_catalog([], timeout_s=9.0)).wait_s(UnavailableError("busy")) is None


def test_each_attempt_tells_the_server_what_is_left_of_the_time():
    attempts = begin(timeout_s=60.0)
    first = Attempts(call_suggest("te", limit=None, timeout_s=60.0), RETRIES, Throttle()).to_infer_arguments()
    second = attempts.to_infer_arguments()
    assert first["timeout"] == 60_000_000
    assert 0 < second["timeout"] < 60_000_000
    assert 0 < second["client_timeout"] < 60


def test_repeats_begin_again_when_calls_are_answered():
    throttle = Throttle()
    allowed = [throttle.note_failure() for _ in range(MAX_TOKENS)]
    assert allowed == [True] * 4 + [False] * 6  # more than half of the tokens are left, or not
    for _ in range(70):  # a tenth of a token each
        throttle.note_success()
    assert throttle.note_failure()


def test_a_client_waits_as_long_as_a_server_says(triton, connect):
    triton.replies["search"] = failing(Code.UNAVAILABLE, BUSY.format("0.1"), times=1)
    assert connect(triton.address).search("kettle").total == 2
    first, second = triton.received
    assert second.timeout_us <= first.timeout_us - 100_000


def test_a_client_that_has_no_time_to_come_back_is_told_when(triton, connect):
    triton.replies["search"] = failing(Code.UNAVAILABLE, BUSY.format("4.5"))
    with pytest.raises(UnavailableError, match=r"sheds load .*; try again in 4.5 s, or add servers") as caught:
        connect(triton.address, timeouts=Timeouts(read_s=2.0)).search("kettle")
    assert caught.value.retry_after_s == 4.5
    assert len(triton.received) == 1


def test_a_full_queue_names_no_time_and_the_contract_does(triton, connect):
    triton.replies["search"] = failing(Code.UNAVAILABLE, "[request id: <id_unknown>] Exceeds maximum queue size")
    with pytest.raises(UnavailableError) as caught:
        connect(triton.address, retries=Retries(attempts=1)).search("kettle")
    assert caught.value.retry_after_s == QUEUE_FULL_RETRY_AFTER_S


async def ask(address: str) -> int:
    async with AsyncClient(address) as client:
        return (await client.search("kettle")).total


def test_the_asyncio_client_waits_likewise(triton):
    triton.replies["search"] = failing(Code.UNAVAILABLE, BUSY.format("0.1"), times=1)
    assert asyncio.run(ask(triton.address)) == 2
    first, second = triton.received
    assert second.timeout_us <= first.timeout_us - 100_000


def test_an_error_of_no_server_names_no_time(start_triton, connect):
    gone = start_triton()
    gone.stop()
    with pytest.raises(MercatoClientError) as caught:
        connect(gone.address).search("kettle")
    assert isinstance(caught.value, UnavailableError)
    assert caught.value.retry_after_s is None
