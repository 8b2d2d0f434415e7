"""Reasons of what the sequence model predicted: the event without which the shopper would not have seen it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mercato.errors import ModelError
from mercato.events.event import Event
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.explain.phrases import ENGLISH
from mercato.explain.sentence import Because, write_recommendation_line
from mercato.features.inputs import Context
from mercato.models.sequence import NextProducts, SequenceModel
from mercato.requests.retrieval import Placement, Retrieved
from mercato.requests.trace import StageTrace
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from tests import stores
from tests.adapters.tiny_models import write_sequence

MakeRetriever = Callable[[list[Event]], Retriever]
PURCHASE = EVENT_TYPE_CODES["purchase-complete"]


@pytest.fixture
def predicting(retriever_with: MakeRetriever, tmp_path: Path) -> MakeRetriever:
    """Retrievers that hear the model above all."""
    model = SequenceModel(write_sequence(tmp_path / "sequence", {"p33": "p36", "p34": "p37"}))

    def make(events: list[Event]) -> Retriever:
        plain = retriever_with(events)
        following = NextProducts(model, plain.catalog.snapshot.row_by_id, plain.catalog.base)
        return Retriever(plain.catalog, plain._state, change_weights({"sequence": 100.0}), following)

    return make


def trace_of(retriever: Retriever) -> StageTrace:
    request = stores.request(Placement.HOME_PAGE, user_id="me", explain=True, depth=40)
    [answer] = retriever.retrieve([request], None)
    assert isinstance(answer, Retrieved) and answer.stages is not None
    return answer.stages


def bought(product_id: str, days_ago: float) -> Event:
    return stores.purchase("me", product_id, days_ago)


def test_the_event_that_predicted_it_is_named(predicting: MakeRetriever) -> None:
    retriever = predicting([bought("p34", 1), bought("p33", 6), bought("p20", 2)])
    trace = trace_of(retriever)
    for product, evidence, days in (("p36", "p33", 6.0), ("p37", "p34", 1.0)):
        position = trace.position_of[retriever.catalog.row_of(product)]
        assert trace.largest_source(position) == "sequence"
        found = trace.evidence["sequence"]
        assert retriever.catalog.id_of(int(found.rows[position])) == evidence
        assert (stores.NOW - found.time[position]) / stores.DAY == days
        assert found.type[position] == PURCHASE


def test_without_the_named_event_the_score_falls(predicting: MakeRetriever) -> None:
    events = {"p33": bought("p33", 6), "p34": bought("p34", 1), "p20": bought("p20", 2)}

    def score(kept: list[Event]) -> float:
        retriever = predicting(kept)
        trace = trace_of(retriever)
        position = trace.position_of[retriever.catalog.row_of("p36")]
        return float(trace.scores[trace.sources.index("sequence"), position])

    whole = score(list(events.values()))
    falls = {name: whole - score([event for other, event in events.items() if other != name]) for name in events}
    assert falls == {"p33": 1.0, "p34": 0.0, "p20": 0.0}


def test_a_model_that_fails_names_nobody(predicting: MakeRetriever, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = predicting([bought("p33", 6)])

    def fail(self: NextProducts, *arguments: object) -> None:
        raise ModelError("sequence: out of order")

    monkeypatch.setattr(NextProducts, "find_evidence", fail)
    trace = trace_of(retriever)
    assert (trace.evidence["sequence"].rows == -1).all()


def test_the_line_says_who_and_when() -> None:
    because = Because(
        source="sequence", product_id="p33", title="Dark Chocolate", event_type=PURCHASE, time=stores.NOW - stores.DAY
    )
    line = write_recommendation_line(ENGLISH, [], because, [], Context(time=stores.NOW))
    date = ENGLISH.date(stores.NOW - stores.DAY, now=stores.NOW, utc_offset_s=0.0)
    assert line == f"likely next, above all because of Dark Chocolate, which you bought on {date}"
    assert write_recommendation_line(ENGLISH, [], Because(source="sequence"), [], Context(time=stores.NOW)) == (
        "what often follows what you chose last"
    )
