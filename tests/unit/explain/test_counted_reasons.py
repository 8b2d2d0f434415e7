"""Reasons that are numbers of shoppers: each is counted again from the events, and without one of them it is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from mercato.catalog.live import LiveCatalog
from mercato.catalog.snapshot import Snapshot
from mercato.events.event import Event
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.pipeline.request import parse_recommend
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.signals.regional import MIN_BUYERS
from mercato.state.sqlite import SqliteStateStore
from tests import stores

Explain = Callable[..., dict[str, Any]]


@pytest.fixture
def explain(tmp_path: Path) -> Iterator[Explain]:
    """Build a shop of events and explain a stranger's home page; ``only`` names a source that outweighs the others."""
    opened: list[SqliteStateStore] = []

    def ask(
        events: Sequence[Event], *, region: str = "", days_later: float = 0.0, only: str = "", **fields: Any
    ) -> dict[str, Any]:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        store = stores.open_store(folder / "state.db", events)
        opened.append(store)
        stores.build(folder / "catalog", events=store.event_columns())
        weights = change_weights({"popular": 1e-6, f"home-page.{only}": 1.0} if only else {})
        retriever = Retriever(LiveCatalog(Snapshot(folder / "catalog"), store), store, weights)
        context = {"time": stores.NOW + days_later * stores.DAY, "region": region}
        given: dict[str, Any] = {
            "PLACEMENT": b"home-page",
            "CONTEXT": orjson.dumps(context),
            "OPTIONS": b'{"explain": true}',
            "PAGE_SIZE": 40,
            **fields,
        }
        [answer] = Pipeline(retriever.catalog, stores.HashEncoder(), retriever, None).answer([parse_recommend(given)])
        assert isinstance(answer, Answer), answer
        return {result["id"]: result["explanation"] for result in orjson.loads(answer.details)["results"]}

    yield ask
    for store in opened:
        store.close()


def bought(user: str, product_id: str, days_ago: float, region: str = "") -> Event:
    context = {"region": region} if region else {}
    return stores.event("purchase-complete", product_id, days_ago, user_id=user, context=context)


def count_shoppers(events: Sequence[Event], product_id: str, days: float, region: str | None = None) -> int:
    """Count as a person with the log would."""
    return len(
        {
            event.user_id
            for event in events
            if event.product_id == product_id
            and 0 < stores.NOW - event.time <= days * stores.DAY
            and (region is None or (event.context or {}).get("region") == region)
        }
    )


def regional_events() -> list[Event]:
    """Twelve of Lyon buy p30 (four this week) and three p33, weeks ago; forty elsewhere buy p04, two also p33."""
    events = [bought(f"l{n}", "p30", 2 if n < 4 else 15, "Lyon") for n in range(12)]
    events += [bought(f"l{n}", "p33", 20, " lyon") for n in range(3)]
    events += [bought(f"m{n}", "p04", 3 + n % 9, "Metz") for n in range(40)]
    return events + [bought(f"m{n}", "p33", 3, "Metz") for n in range(2)]


def folded(events: Sequence[Event]) -> list[Event]:
    """The same events with one spelling of the region."""
    return [
        bought(event.user_id, event.product_id, (stores.NOW - event.time) / stores.DAY, str(region).strip().title())
        for event in events
        for region in [(event.context or {}).get("region", "")]
    ]


def test_popular_in_a_region_is_said_with_its_shoppers(explain: Explain) -> None:
    events = regional_events()
    found = explain(events, region="LYON")

    assert found["p30"]["text"] == "popular in LYON this week: 4 bought it"
    assert count_shoppers(folded(events), "p30", 7, "Lyon") == 4
    assert found["p30"]["because"] == {
        "source": "regional", "buyers": 4, "days": 7, "region": "LYON", "until": "2023-11-14T22:13:20Z",
    }  # fmt: skip
    assert found["p33"]["text"] == "popular in LYON in the last four weeks: 3 bought it"
    assert count_shoppers(folded(events), "p33", 28, "Lyon") == 3
    assert found["p04"]["because"]["source"] != "regional"
    assert "popular in Metz" in explain(events, region="Metz")["p04"]["text"]


def test_it_is_not_of_this_week_once_the_week_is_over(explain: Explain) -> None:
    found = explain(regional_events(), region="Lyon", days_later=10)
    assert found["p30"]["text"] == "popular in Lyon in the week to 14 Nov: 4 bought it"


@pytest.mark.parametrize(("gone", "says"), [(0, True), (1, False)])
def test_without_one_shopper_a_product_is_popular_there_no_more(explain: Explain, gone: int, says: bool) -> None:
    events = regional_events()
    named = [event for event in events if event.product_id == "p33" and event.user_id.startswith("l")]
    assert len(named) == MIN_BUYERS
    left = [event for event in events if event not in named[:gone]]

    found = explain(left, region="Lyon")

    assert ("regional" in found["p33"]["stages"]) is says
    assert (found["p33"]["because"]["source"] == "regional") is says


def rising_events() -> list[Event]:
    """p12 sold to one in three weeks and to nine this week; p20 to four each week."""
    events = [bought(f"a{n}", "p12", 1 + n % 6) for n in range(9)] + [bought("b", "p12", 20)]
    return events + [bought(f"c{n}", "p20", 1 + 7 * (n % 4)) for n in range(16)]


def test_what_rises_is_said_with_its_week_and_its_month(explain: Explain) -> None:
    events = rising_events()
    found = explain(events, only="trending")

    assert found["p12"]["text"] == "bought more than usual this week: by 9 shoppers, by 10 in four weeks"
    week, month = count_shoppers(events, "p12", 7), count_shoppers(events, "p12", 28)
    assert (week, month) == (9, 10)
    assert week > (month + 3) / 4
    assert "trending" not in found["p20"]["stages"], "four of sixteen is a quarter: as usual"
    before = [event for event in events if event.product_id != "p12" or event.time < stores.NOW - 7 * stores.DAY]
    assert "trending" not in explain(before, only="trending")["p12"]["stages"]
