"""The queries that shoppers sent, read back from the log."""

from pathlib import Path

import pytest

from mercato.errors import InvalidInputError
from mercato.events.event import parse_event
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import SearchQuery

NOW = 1_700_000_000.0


def test_queries_come_with_their_shopper_and_place(tmp_path: Path) -> None:
    store = SqliteStateStore(str(tmp_path / "state.db"))
    assert store.search_queries() == []
    documents = [
        {"event_type": "search", "user_id": "u", "visitor_id": "v", "search_query": "oat milk"},
        {"event_type": "search", "visitor_id": "v", "context": {"query": "牛奶", "device": "phone"}},
        {"event_type": "search", "user_id": "u"},
        {"event_type": "search", "user_id": "w", "context": {"query": 5}},
        {"event_type": "detail-page-view", "user_id": "u", "product_id": "p", "context": {"query": "viewed"}},
        {"event_type": "search", "user_id": "u", "search_query": "tea", "context": {"query": "other"}},
    ]
    store.append_events([parse_event(document, now=NOW) for document in documents])
    found = store.search_queries()
    assert [(query.text, query.sequence) for query in found] == [("oat milk", 1), ("牛奶", 2), ("tea", 6)]
    assert found[0].shopper == found[2].shopper == found[1].shopper  # the visitor signed in as the user
    assert store.search_queries(2) == [SearchQuery("tea", found[0].shopper, 6, NOW)]
    store.close()


@pytest.mark.parametrize("query", [5, "q" * 1001, ["a"]])
def test_a_query_that_is_none_is_refused(query: object) -> None:
    with pytest.raises(InvalidInputError, match="search_query: must be a text of at most 1,000 characters"):
        parse_event({"event_type": "search", "user_id": "u", "search_query": query}, now=NOW)


def test_a_query_is_kept_in_the_context() -> None:
    event = parse_event({"event_type": "search", "user_id": "u", "search_query": "tea"}, now=NOW)
    assert event.context == {"search_query": "tea"}
