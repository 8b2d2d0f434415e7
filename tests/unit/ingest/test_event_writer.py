"""Events in: the good ones durable, the bad ones named, nothing acknowledged that is not written."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from mercato.errors import InvalidInputError, MercatoError, ModelError, StateError
from mercato.events.event import Event
from mercato.incoming import Rejected, WriteResult
from mercato.ingest.events import EventWriter
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import Actor, AppendResult


def purchase(**fields: Any) -> dict[str, Any]:
    return {"event_type": "purchase-complete", "user_id": "u1", "product_id": "p1", **fields}


def document(*events: object) -> bytes:
    return orjson.dumps(list(events))


def products_of(state: SqliteStateStore, user: str) -> list[str]:
    return state.recent_events([Actor(user_id=user)], 100)[0].product_id


def test_good_events_are_durable_when_the_answer_comes(state: SqliteStateStore, tmp_path: Path) -> None:
    [result] = EventWriter(state).write([document(purchase(), purchase(product_id="p2", time=1.0))])
    assert result == WriteResult(accepted=2, rejected=[], sequence=2)
    other_process = SqliteStateStore(str(tmp_path / "state.db"))
    assert products_of(other_process, "u1") == ["p1", "p2"]
    other_process.close()


def test_bad_events_are_named_and_their_neighbours_taken(state: SqliteStateStore) -> None:
    bad = [purchase(product_id=None), purchase(quantity=0), {"event_type": "wink", "user_id": "u1"}]
    [result] = EventWriter(state).write([document(bad[0], purchase(), bad[1], bad[2])])
    assert isinstance(result, WriteResult)
    assert (result.accepted, result.sequence) == (1, 1)
    assert [item.position for item in result.rejected] == [0, 2, 3]
    assert result.rejected[0].reason.startswith("product_id: must be given for purchase-complete")
    assert result.rejected[1].reason.startswith("quantity: must be a whole number in 1..")
    assert result.rejected[2].reason.startswith("event_type: must be one of")
    assert products_of(state, "u1") == ["p1"]


def test_callers_of_a_batch_get_their_own_results_in_one_transaction(state: SqliteStateStore) -> None:
    refused = InvalidInputError("EVENTS", "must be given")
    answers = EventWriter(state).write(
        [
            document(purchase(user_id="a"), purchase(user_id="a", product_id="p2")),
            refused,
            b"{not json",
            document(purchase(user_id="b"), {"event_type": "wink"}),
            document(),
        ]
    )
    first, second, third, fourth, fifth = answers
    assert second is refused
    assert isinstance(third, InvalidInputError)
    assert str(third).startswith("EVENTS: must be valid JSON in UTF-8")
    assert [r.accepted for r in (first, fourth, fifth) if isinstance(r, WriteResult)] == [2, 1, 0]
    assert isinstance(fourth, WriteResult)
    assert [item.position for item in fourth.rejected] == [1], "indices count within the caller's own array"
    sequences = {r.sequence for r in (first, fourth, fifth) if isinstance(r, WriteResult)}
    assert sequences == {2 + 1}, "one write for all: each may rely on its own events being at or below it"


def test_event_sent_twice_is_written_once_and_accepted_twice(state: SqliteStateStore) -> None:
    writer = EventWriter(state)
    once = document(purchase(event_id="e1"))
    assert writer.write([once]) == [WriteResult(accepted=1, rejected=[], sequence=1)]
    assert writer.write([once, once]) == [WriteResult(accepted=1, rejected=[], sequence=1)] * 2
    assert products_of(state, "u1") == ["p1"]


def test_event_without_a_time_happens_now(state: SqliteStateStore) -> None:
    before = time.time()
    EventWriter(state).write([document(purchase())])
    assert before <= state.recent_events([Actor(user_id="u1")], 1)[0].time[0] <= time.time()


def test_nothing_to_write_reports_where_the_log_is(state: SqliteStateStore) -> None:
    EventWriter(state).write([document(purchase(), purchase(product_id="p2"))])
    assert EventWriter(state).write([b"[]"]) == [WriteResult(accepted=0, rejected=[], sequence=2)]


class RefusingStore:
    """A store whose disk is full."""

    def append_events(self, events: Sequence[Event]) -> AppendResult:
        raise StateError("state: the disk is full")

    def event_sequence(self) -> int:
        raise StateError("state: the disk is full")


@pytest.mark.parametrize("documents", [[document(purchase())], [b"[]"], [b"{", document(purchase())]])
def test_nothing_is_acknowledged_when_state_refuses(documents: list[bytes | MercatoError]) -> None:
    state: Any = RefusingStore()
    with pytest.raises(StateError, match="the disk is full"):
        EventWriter(state).write(documents)


def test_error_of_another_kind_is_passed_on(state: SqliteStateStore) -> None:
    error = ModelError("could not be read")
    assert EventWriter(state).write([error]) == [error]


def test_result_is_json_even_where_a_reason_quotes_half_a_character() -> None:
    result = WriteResult(accepted=1, rejected=[Rejected(position=3, reason="got \ud800")], sequence=9)
    assert orjson.loads(result.document()) == {
        "accepted": 1,
        "rejected": [{"index": 3, "reason": "got ?"}],
        "sequence": 9,
    }
