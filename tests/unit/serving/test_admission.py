"""What is worked on: what somebody waits for and what can be answered in time; the others learn when to come back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.errors import AbandonedError, OverloadedError
from mercato.serving import admission
from mercato.serving.admission import Admission, select_in_time

CUT, WHOLE = admission.CUT_SHARE, admission.WHOLE_SHARE


@dataclass
class Request:
    """A request as Triton hands it over."""

    timeout_us: int = 0
    cancelled: bool = False
    asked: int = 0

    def timeout(self) -> int:
        return self.timeout_us

    def is_cancelled(self) -> bool:
        self.asked += 1
        return self.cancelled


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def make(seconds: float = 0.0, requests: int = 0) -> tuple[Admission, Clock]:
    """Make an admission that has measured one batch, which ended just now."""
    clock = Clock()
    made = Admission(clock)
    if requests:
        work(made, clock, seconds, requests)
    return made, clock


def work(made: Admission, clock: Clock, seconds: float, requests: int) -> None:
    made.refuse([])
    with made.measure(requests):
        clock.now += seconds


def requests_of(deadline_s: float, count: int) -> list[Request]:
    return [Request(timeout_us=round(deadline_s * 1e6)) for _ in range(count)]


def test_before_anything_was_measured_all_are_admitted() -> None:
    made, _ = make()
    assert made.request_s == 0
    assert made.refuse(requests_of(0.001, 64)) == {}


def test_the_time_of_a_request_is_that_of_all_batches_over_their_requests() -> None:
    made, clock = make(seconds=0.06, requests=1)
    work(made, clock, 0.2, 10)
    assert made.request_s == pytest.approx((admission.DECAY * 0.06 + 0.2) / (admission.DECAY * 1 + 10))


def test_a_batch_without_work_measures_nothing() -> None:
    made, clock = make(seconds=0.06, requests=1)
    work(made, clock, 5.0, 0)
    assert made.request_s == pytest.approx(0.06)


def test_a_batch_is_cut_to_what_its_deadlines_leave_time_for() -> None:
    made, _ = make(seconds=0.1, requests=10)  # 10 ms each
    in_time = round((CUT * 1.0 - 0.1) / 0.01)  # they may have waited for the batch before
    refused = made.refuse(requests_of(1.0, 60))
    assert sorted(refused) == list(range(in_time, 60)), "those that came first stay"
    [error] = {str(error) for error in refused.values()}
    assert error == f"overloaded: {in_time} of 60 requests can be answered in time; come back in 0.6 s"  # 60 * 10 ms
    assert isinstance(refused[30], OverloadedError)
    assert refused[30].retry_after_s == pytest.approx(60 * 0.01)


def test_a_batch_that_nobody_waited_for_may_take_longer() -> None:
    made, clock = make(seconds=0.1, requests=10)
    clock.now += 10 * admission.IDLE_S
    assert sorted(made.refuse(requests_of(1.0, 64))) == list(range(round(CUT * 1.0 / 0.01), 64))


def test_a_burst_that_is_in_time_as_a_whole_is_taken_whole() -> None:
    made, clock = make(seconds=0.1, requests=10)
    clock.now += 10 * admission.IDLE_S
    assert made.refuse(requests_of(1.0, round(WHOLE * 1.0 / 0.01))) == {}


def test_when_to_come_back_is_bounded() -> None:
    quick, _ = make(seconds=0.001, requests=1)
    [error, *_] = quick.refuse(requests_of(0.001, 3)).values()
    assert isinstance(error, OverloadedError)
    assert error.retry_after_s == admission.MIN_RETRY_AFTER_S
    slow, _ = make(seconds=9.0, requests=1)
    [error, *_] = slow.refuse(requests_of(1.0, 3)).values()
    assert isinstance(error, OverloadedError)
    assert error.retry_after_s == admission.MAX_RETRY_AFTER_S


def test_a_request_alone_is_admitted_however_short_its_deadline() -> None:
    made, _ = make(seconds=9.0, requests=1)
    assert made.refuse(requests_of(0.001, 1)) == {}


def test_a_caller_that_names_no_deadline_is_taken_to_be_patient() -> None:
    made, _ = make(seconds=0.7, requests=10)
    assert made.refuse([Request() for _ in range(64)]) == {}
    assert 64 * 0.07 < WHOLE * admission.PATIENCE_S


def give_up(made: Admission, clock: Clock, batch: list[Request], going: int) -> None:
    """Work a second on a batch, while some of its callers go."""
    made.refuse(batch)
    with made.measure(len(batch)):
        clock.now += 1.0
        for request in batch[:going]:
            request.cancelled = True


def test_callers_that_give_up_without_having_said_so_are_learned_from() -> None:
    made, clock = make(seconds=0.5, requests=10)
    give_up(made, clock, [Request() for _ in range(20)], going=5)
    clock.now += 10 * admission.IDLE_S
    allowed = CUT * 2 * 1.0  # they waited for a batch as long as theirs, and for theirs
    refused = made.refuse([Request() for _ in range(64)])
    assert 64 - len(refused) == int(allowed / made.request_s)
    for _ in range(200):
        work(made, clock, 0.01, 1)
    assert made.refuse([Request() for _ in range(64)]) == {}, "and forgotten again"


@pytest.mark.parametrize("timeout_us", [0, 60_000_000])
def test_one_that_goes_and_those_that_said_how_long_teach_nothing(timeout_us: int) -> None:
    made, clock = make(seconds=0.5, requests=10)
    give_up(made, clock, [Request(timeout_us=timeout_us) for _ in range(20)], going=20 if timeout_us else 1)
    assert made.refuse([Request() for _ in range(64)]) == {}


def test_an_impatient_neighbour_neither_cuts_the_batch_nor_takes_part_in_vain() -> None:
    made, _ = make(seconds=0.1, requests=10)
    batch = [*requests_of(10.0, 20), *requests_of(0.2, 1), *requests_of(10.0, 20)]
    assert list(made.refuse(batch)) == [20]


def test_the_request_of_a_caller_that_has_gone_is_not_worked_on() -> None:
    made, _ = make(seconds=0.1, requests=10)
    batch = [Request(), Request(cancelled=True), Request()]
    refused = made.refuse(batch)
    assert list(refused) == [1]
    assert isinstance(refused[1], AbandonedError)


def test_those_that_have_gone_take_no_place_of_those_that_wait() -> None:
    made, _ = make(seconds=0.1, requests=10)
    gone = [Request(timeout_us=1_000_000, cancelled=True) for _ in range(30)]
    refused = made.refuse([*gone, *requests_of(1.0, 15)])
    assert sorted(refused) == list(range(30))


def test_nobody_is_asked_where_nobody_waited() -> None:
    made, clock = make(seconds=0.1, requests=10)
    clock.now += 10 * admission.IDLE_S
    request = Request(cancelled=True)
    assert made.refuse([request]) == {}
    assert request.asked == 0, "asking costs more than it is worth"


def test_between_two_stages_those_are_found_that_went_meanwhile() -> None:
    made, clock = make(seconds=0.1, requests=10)
    batch = [Request(), Request()]
    assert made.refuse(batch) == {}
    watch = made.watch(batch)
    assert watch is not None
    batch[1].cancelled = True
    assert watch() == {}, "asked a moment ago"
    clock.now += 2 * admission.ASK_AGAIN_S
    assert list(watch()) == [1]


def test_between_two_stages_a_deadline_that_is_over_ends_the_work() -> None:
    made, clock = make()
    batch = [*requests_of(0.5, 1), *requests_of(5.0, 1), Request()]
    made.refuse(batch)
    watch = made.watch(batch)
    assert watch is not None
    clock.now += 1.0
    assert list(watch()) == [0]


def test_of_a_part_of_the_batch_nobody_knows_the_positions() -> None:
    made, _ = make()
    batch = [Request(), Request()]
    made.refuse(batch)
    assert made.watch(batch[:1]) is None


@given(st.lists(st.floats(0.001, 100), max_size=64), st.floats(0, 1), st.floats(0, 1))
def test_as_many_as_possible_are_in_time(deadlines_s: list[float], request_s: float, waited_s: float) -> None:
    chosen = select_in_time(deadlines_s, request_s, waited_s)
    assert len(set(chosen)) == len(chosen) >= min(1, len(deadlines_s))
    longest_first = sorted(deadlines_s, reverse=True)
    assert sorted((deadlines_s[index] for index in chosen), reverse=True) == longest_first[: len(chosen)]

    def fits(count: int, share: float) -> bool:
        return waited_s + count * request_s <= share * longest_first[count - 1]

    if len(chosen) < len(deadlines_s):
        assert not fits(len(deadlines_s), WHOLE)
        assert len(chosen) == 1 or fits(len(chosen), CUT)
        assert not any(fits(count, CUT) for count in range(len(chosen) + 1, len(deadlines_s) + 1))
    else:
        assert len(chosen) <= 1 or fits(len(chosen), WHOLE)
