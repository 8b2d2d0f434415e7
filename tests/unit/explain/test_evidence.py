"""What speaks for a candidate: taking the named event or seed away takes its part from the score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mercato.events.event import Event
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.requests.trace import NO_EVENT, StageTrace
from mercato.retrieval.context import prepare_context
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.base import SourceRequest
from mercato.retrieval.sources.registry import BY_LABEL
from tests import stores

MakeRetriever = Callable[[list[Event]], Retriever]
HOME, PAGE, CART = Placement.HOME_PAGE, Placement.PRODUCT_PAGE, Placement.CART
PURCHASE, VIEW = EVENT_TYPE_CODES["purchase-complete"], EVENT_TYPE_CODES["detail-page-view"]


def trace_of(retriever: Retriever, request: RetrievalRequest) -> StageTrace:
    [answer] = retriever.retrieve([request], None)
    assert isinstance(answer, Retrieved)
    assert answer.stages is not None
    return answer.stages


def home(placement: Placement = HOME, **fields: Any) -> RetrievalRequest:
    return stores.request(placement, **{"user_id": "me", "explain": True, "depth": 40, **fields})


def score(retriever: Retriever, request: RetrievalRequest, source: str, product_id: str) -> float:
    trace = trace_of(retriever, request)
    if source not in trace.sources:
        return 0.0
    position = trace.position_of[retriever.catalog.row_of(product_id)]
    return float(trace.scores[trace.sources.index(source), position])


def evidence_of(retriever: Retriever, source: str, product_id: str, **fields: Any) -> tuple[str, float, int]:
    """Name the evidence of one product: id, days ago, event type."""
    request = home(**fields)
    [(history, _)] = retriever._read_state([request], [])
    context = prepare_context(retriever.catalog, request, history, None)
    rows = np.array([retriever.catalog.row_of(product_id)], np.int32)
    asked = SourceRequest(catalog=retriever.catalog, context=context, weights={})
    found = BY_LABEL[source].find_evidence(asked, rows)
    if found is None or found.rows[0] < 0:
        return ("", 0.0, NO_EVENT)
    days = (stores.NOW - found.time[0]) / stores.DAY if found.type[0] != NO_EVENT else 0.0
    return retriever.catalog.id_of(int(found.rows[0])), days, int(found.type[0])


def bought(product_id: str, days_ago: float) -> Event:
    return stores.purchase("me", product_id, days_ago)


def viewed(product_id: str, days_ago: float) -> Event:
    return stores.event("detail-page-view", product_id, days_ago, user_id="me")


# -- Repeats: the user's own event with the product


def test_the_newest_purchase_speaks_for_a_repeat(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([bought("p20", 30), bought("p20", 5), bought("p08", 2)])
    assert evidence_of(retriever, "repeat", "p20") == ("p20", 5.0, PURCHASE)


def test_an_old_purchase_speaks_before_a_fresh_view_and_not_before_a_fresher_one(retriever_with: MakeRetriever) -> None:
    # A view counts 0.3, a purchase halves in 60 days: 0.5 ** (60 / 60) > 0.3 > 0.5 ** (120 / 60).
    assert evidence_of(retriever_with([bought("p20", 60), viewed("p20", 0)]), "repeat", "p20") == (
        "p20",
        60.0,
        PURCHASE,
    )
    assert evidence_of(retriever_with([bought("p20", 120), viewed("p20", 0)]), "repeat", "p20") == ("p20", 0.0, VIEW)


def test_without_the_named_purchase_the_repeat_score_falls_by_its_part(retriever_with: MakeRetriever) -> None:
    kept = [bought("p20", 60)]
    whole = score(retriever_with([*kept, bought("p20", 30)]), home(), "repeat", "p20")
    assert whole == pytest.approx(0.5 ** (30 / 60) + 0.5 ** (60 / 60))
    assert score(retriever_with(kept), home(), "repeat", "p20") == pytest.approx(0.5 ** (60 / 60))


# -- Bought together: the product of the history, or the seed


def test_what_was_bought_with_it_speaks_for_a_cooccurrence(retriever_with: MakeRetriever) -> None:
    events = [bought("p20", 1), bought("p04", 7), bought("p04", 3), viewed("p08", 0)]
    assert evidence_of(retriever_with(events), "cooccurrence", "p12") == ("p04", 3.0, PURCHASE)


def test_without_the_named_product_nothing_is_bought_together(retriever_with: MakeRetriever) -> None:
    others = [bought("p20", 1), viewed("p08", 0)]
    assert score(retriever_with([*others, bought("p04", 3)]), home(), "cooccurrence", "p12") > 0
    assert score(retriever_with(others), home(), "cooccurrence", "p12") == 0


def test_a_seed_speaks_without_an_event(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([bought("p04", 3)])
    found = evidence_of(retriever, "cooccurrence", "p12", placement=CART, seed_ids=("p20", "p04"))
    assert found == ("p04", 0.0, NO_EVENT)


def test_what_was_never_bought_together_has_no_evidence(retriever_with: MakeRetriever) -> None:
    assert evidence_of(retriever_with([bought("p04", 3)]), "cooccurrence", "p33") == ("", 0.0, NO_EVENT)
    assert evidence_of(retriever_with([]), "cooccurrence", "p12") == ("", 0.0, NO_EVENT)


@pytest.mark.parametrize("source", ["also_bought", "lately"])
def test_who_speaks_in_a_whole_history_is_named_with_the_most_weighted_event(
    retriever_with: MakeRetriever, source: str
) -> None:
    events = [bought("p20", 1), bought("p04", 7), viewed("p04", 3), bought("p04", 9)]
    assert evidence_of(retriever_with(events), source, "p12") == ("p04", 7.0, PURCHASE)
    assert evidence_of(retriever_with([bought("p20", 1)]), source, "p12") == ("", 0.0, NO_EVENT)
    seeds = evidence_of(retriever_with(events), source, "p12", placement=CART, seed_ids=("p20", "p04"))
    assert seeds == ("p04", 0.0, NO_EVENT)


# -- Similar: the product of the history, or the seed, nearest after weighing


def test_the_nearest_product_of_the_history_speaks_for_a_similar_one(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([bought("p00", 4), bought("p16", 4)])  # milk and tomato soup
    assert evidence_of(retriever, "similar", "p01") == ("p00", 4.0, PURCHASE)
    assert evidence_of(retriever, "similar", "p17") == ("p16", 4.0, PURCHASE)


def test_without_the_named_product_a_similar_one_is_less_similar(retriever_with: MakeRetriever) -> None:
    both, other = [bought("p00", 4), bought("p16", 4)], [bought("p16", 4)]
    assert score(retriever_with(both), home(), "similar", "p01") > score(
        retriever_with(other), home(), "similar", "p01"
    )


def test_the_event_that_weighs_most_is_named_for_a_similar_product(retriever_with: MakeRetriever) -> None:
    # Bought 40 days ago: 0.5 ** (40 / 30) = 0.40; seen 10 days ago: 0.3 * 0.5 ** (10 / 30) = 0.24.
    assert evidence_of(retriever_with([viewed("p00", 10), bought("p00", 40)]), "similar", "p01")[1:] == (
        40.0,
        PURCHASE,
    )
    assert evidence_of(retriever_with([viewed("p00", 10), bought("p00", 90)]), "similar", "p01")[1:] == (10.0, VIEW)


def test_the_nearest_seed_speaks_for_a_similar_product(retriever_with: MakeRetriever) -> None:
    found = evidence_of(retriever_with([]), "similar", "p01", placement=PAGE, seed_ids=("p16", "p00"))
    assert found == ("p00", 0.0, NO_EVENT)


# -- Category: the event that gave the category most of its share


def test_the_event_that_counts_most_in_a_category_speaks_for_its_popular_ones(retriever_with: MakeRetriever) -> None:
    # Sweets are p08 to p11, pets p28 to p31. A view of today counts 0.3, a purchase of 60 days ago half.
    events = [bought("p08", 60), viewed("p09", 0), bought("p10", 130), viewed("p28", 1)]
    retriever = retriever_with(events)
    assert evidence_of(retriever, "category", "p11") == ("p08", 60.0, PURCHASE)
    assert evidence_of(retriever, "category", "p30") == ("p28", 1.0, VIEW)
    assert evidence_of(retriever, "category", "p00") == ("", 0.0, NO_EVENT)
    assert evidence_of(retriever_with([]), "category", "p11") == ("", 0.0, NO_EVENT)


def test_without_the_named_event_its_category_has_a_smaller_share_or_none(retriever_with: MakeRetriever) -> None:
    category = home(placement=Placement.CATEGORY)
    both, one = [bought("p08", 0), bought("p28", 0)], [bought("p08", 0)]
    # p30 is the first of pets by popularity: share / 1.
    assert score(retriever_with(both), category, "category", "p30") == pytest.approx(1 / 2)
    assert score(retriever_with(one), category, "category", "p30") == 0.0
    more = [*both, bought("p29", 0)]
    assert score(retriever_with(more), category, "category", "p30") == pytest.approx(2 / 3)


# -- What a trace keeps


def test_a_trace_names_the_source_that_gave_most(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([bought("p20", 5), bought("p04", 3)])
    trace = trace_of(retriever, home())
    largest = {
        product_id: trace.largest_source(trace.position_of[retriever.catalog.row_of(product_id)])
        for product_id in ("p20", "p04", "p12", "p30")
    }
    assert largest == {"p20": "repeat", "p04": "repeat", "p12": "lately", "p30": "popular"}
    np.testing.assert_allclose(trace.shares.sum(axis=0), trace.fused, rtol=1e-6)


def test_a_trace_names_no_evidence_of_sources_that_gave_less(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([bought("p20", 5), bought("p04", 3)])
    trace = trace_of(retriever, home())
    named = trace.evidence["lately"].rows >= 0
    assert [retriever.catalog.id_of(row) for row in trace.rows[named].tolist()] == ["p12"]


def test_a_changed_product_still_speaks(retriever_with: MakeRetriever) -> None:
    """The history's product was given a new price since: its row is another, what was learned is the same."""
    retriever = retriever_with([bought("p04", 3)])
    catalog: LiveCatalog = retriever.catalog
    assert retriever._state is not None
    old = catalog.product("p04")
    assert old is not None
    retriever._state.append_product_changes([stores.upsert(old.merged({"price": 99.0}))])
    catalog.refresh()
    assert catalog.row_of("p04") >= catalog.base
    assert evidence_of(retriever, "cooccurrence", "p12") == ("p04", 3.0, PURCHASE)
