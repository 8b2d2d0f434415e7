"""Calls with a time limit: what is late is given up, what hangs is left alone, what comes back is used again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mercato.errors import InvalidInputError, ModelError
from mercato.pipeline import call_timeout
from mercato.pipeline.call_timeout import (
    CALLS_AT_ONCE,
    DEFAULT_TIMEOUTS_MS,
    CallTimeout,
    check_timeouts,
    parse_timeouts,
)
from mercato.pipeline.remote import Arrays

PATIENCE_S = 30.0
SHORT = {"encoder": 20}
LONG = {"encoder": 30_000}


class Gate:
    """A model that answers its input once it is let through."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.threads: list[str] = []

    def __call__(self, model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        self.threads.append(threading.current_thread().name)
        self.entered.release()
        assert self.open.wait(PATIENCE_S)
        return {name: inputs["x"] for name in outputs}


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def ask(call: CallTimeout, value: float = 1.0, model: str = "encoder") -> float:
    return float(call(model, {"x": np.array([value])}, ["y"])["y"][0])


def test_an_answer_in_time_is_the_answer(gate: Gate) -> None:
    gate.open.set()
    call = CallTimeout(gate, LONG)
    assert [ask(call, 1.0), ask(call, 2.0)] == [1.0, 2.0]
    assert set(gate.threads) == {"call of model encoder"}


def test_an_error_in_time_is_the_error() -> None:
    def refuse(*_: object) -> dict[str, npt.NDArray[Any]]:
        raise ModelError("model encoder: gone")

    call = CallTimeout(refuse, LONG)
    for _ in range(2 * CALLS_AT_ONCE):  # an error frees its place
        with pytest.raises(ModelError, match="encoder: gone"):
            ask(call)


def test_a_late_answer_is_given_up(gate: Gate) -> None:
    with pytest.raises(ModelError, match=r"model encoder: no answer within 0\.02 s"):
        ask(CallTimeout(gate, SHORT))


def test_what_hangs_is_asked_no_more_until_it_answers(gate: Gate) -> None:
    call = CallTimeout(gate, SHORT)
    for _ in range(CALLS_AT_ONCE):
        with pytest.raises(ModelError, match="no answer"):
            ask(call)
    for _ in range(3):
        with pytest.raises(ModelError, match="2 late calls are still under way; none was made"):
            ask(call)
    for _ in range(CALLS_AT_ONCE):
        assert gate.entered.acquire(timeout=PATIENCE_S)
    assert not gate.entered.acquire(blocking=False), "the refused calls were not made"


def test_what_answers_again_is_asked_again(gate: Gate) -> None:
    call = CallTimeout(gate, SHORT)
    for _ in range(CALLS_AT_ONCE):
        with pytest.raises(ModelError, match="no answer"):
            ask(call)
    gate.open.set()
    answer = None
    for _ in range(1000):  # the late calls end in threads of their own
        try:
            answer = ask(call, 7.0)
            break
        except ModelError:
            threading.Event().wait(0.01)
    assert answer == 7.0


def test_a_call_that_never_ends_is_forgotten(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    call = CallTimeout(gate, SHORT)
    monkeypatch.setattr(call_timeout, "FORGOTTEN_S", -1.0)  # at once
    for _ in range(3 * CALLS_AT_ONCE):
        with pytest.raises(ModelError, match="no answer"):
            ask(call)


def test_models_do_not_wait_for_each_other(gate: Gate) -> None:
    def work(model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        return gate(model, inputs, outputs) if model == "encoder" else {name: inputs["x"] for name in outputs}

    call = CallTimeout(work, {"encoder": 20, "ranker": 30_000})
    with pytest.raises(ModelError):
        ask(call)
    assert ask(call, 3.0, "ranker") == 3.0
    assert ask(call, 4.0, "model without a budget") == 4.0


def test_a_late_call_keeps_what_it_was_given(gate: Gate) -> None:
    seen: list[float] = []

    def note(model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        gate(model, inputs, outputs)
        seen.append(float(inputs["x"][0]))
        gate.entered.release()
        return {}

    given = np.array([1.0])
    with pytest.raises(ModelError):
        CallTimeout(note, SHORT)("encoder", {"x": given}, ["y"])
    given[0] = 2.0
    gate.open.set()
    for _ in range(2):
        assert gate.entered.acquire(timeout=PATIENCE_S)
    assert seen == [1.0]


def test_budgets_are_read_and_checked() -> None:
    assert parse_timeouts([]) == {}
    assert parse_timeouts(["encoder=200", " ranker = 50"]) == {"encoder": 200, "ranker": 50}
    check_timeouts(DEFAULT_TIMEOUTS_MS)
    for wrong in ("encoder", "encoder=", "encoder=fast", "encoder=-5", "encoder=1.5"):
        with pytest.raises(InvalidInputError, match="--stage-budget: must be STAGE=MILLISECONDS"):
            parse_timeouts([wrong])
    with pytest.raises(InvalidInputError, match="must name one of encoder, retriever, ranker, got 'oven'"):
        parse_timeouts(["oven=200"])
    with pytest.raises(InvalidInputError, match="of encoder must be above 0 milliseconds, got 0"):
        parse_timeouts(["encoder=0"])
