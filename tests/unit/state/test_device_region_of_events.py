"""Device and region of events, read back as codes beside the other columns."""

from pathlib import Path
from typing import Any

from mercato.events.event import parse_event
from mercato.state.sqlite import SqliteStateStore

NOW = 1_700_000_000.0


def purchase(product: str, context: dict[str, Any] | None, time: float = NOW - 10) -> dict[str, Any]:
    event = {"event_type": "purchase-complete", "user_id": "u", "product_id": product, "time": time}
    return event if context is None else {**event, "context": context}


def test_each_event_has_the_device_and_region_that_its_context_names(tmp_path: Path) -> None:
    store = SqliteStateStore(str(tmp_path / "state.db"))
    documents = [
        purchase("p1", {"device": "phone", "region": "north"}),
        purchase("p2", None),
        purchase("p3", {"device": "phone", "region": "north"}, time=NOW - 99),
        purchase("p4", {"region": "south"}),
        purchase("p5", {"device": 5, "page": 3}),
    ]
    store.append_events([parse_event(document, now=NOW) for document in documents])
    table = store.event_columns()
    assert table.device_region is not None
    assert table.device_region.tolist() == [0, -1, 0, 1, -1]
    assert table.device_regions == [("phone", "north"), ("", "south")]
    later = store.event_columns(since=NOW - 20)
    assert later.device_region is not None
    assert later.sequence.tolist() == [1, 2, 4, 5]
    assert [later.device_regions[code] if code >= 0 else None for code in later.device_region] == [
        ("phone", "north"),
        None,
        ("", "south"),
        None,
    ]
    store.close()


def test_events_without_device_and_region_have_no_column(tmp_path: Path) -> None:
    store = SqliteStateStore(str(tmp_path / "state.db"))
    store.append_events([parse_event(purchase("p1", {"page": 3}), now=NOW)])
    table = store.event_columns()
    assert (table.device_region, table.device_regions) == (None, [])
    store.close()
