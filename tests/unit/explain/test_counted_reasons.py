"""Reasons that are numbers of shoppers: each is counted again from the events, and without one of them it is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from mercato.catalog.product import Product
from mercato.events.event import Event
from mercato.index.learned import read_learned
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_recommend
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
        events: Sequence[Event],
        *,
        products: Sequence[Product] | None = None,
        region: str = "",
        days_later: float = 0.0,
        only: str = "",
        **fields: Any,
    ) -> dict[str, Any]:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        store = stores.open_store(folder / "state.db", events)
        opened.append(store)
        stores.build(folder / "catalog", products, events=store.event_columns())
        weights = change_weights({"popular": 1e-6, only: 99.0} if only else {})
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


def test_a_product_that_says_it_is_yet_to_come_is_new_since_no_day(explain: Explain) -> None:
    """The end of time stands for "not known yet" in many catalogues; in a country ahead of UTC it is in year 10000."""
    never = "9999-12-31T23:59:59Z"
    products = [
        product.merged({"available_time": never}) if product.id == "p12" else product
        for product in stores.make_products()
    ]
    context = {"time": stores.NOW, "utc_offset_s": 3600}

    found = explain(rising_events(), products=products, only="trending", CONTEXT=orjson.dumps(context))

    assert found["p12"]["text"] == "bought more than usual this week: by 9 shoppers, by 10 in four weeks"


# -- Together: the purchases of two products


def together_events() -> list[Event]:
    """Seven orders have p04 and p12, of five shoppers: one of them bought thrice; two more bought both, apart.

    Many others buy something else, so that the two stand out.
    """
    shoppers = ["a", "a", "a", "b", "c", "d", "e"]
    events = [
        stores.purchase(shopper, product_id, 50 - 2 * n if shopper != "e" else 5, order=f"o{n}")
        for n, shopper in enumerate(shoppers)
        for product_id in ("p04", "p12")
    ]
    events += [stores.purchase(s, "p04", 60, order=f"x{s}") for s in "fg"]
    events += [stores.purchase(s, "p12", 3, order=f"y{s}") for s in "fg"]
    events += [stores.purchase(f"z{n}", f"p{20 + n % 12}", 9, order=f"z{n}") for n in range(60)]
    return [*events, stores.purchase("me", "p04", 4, order="mine")]


def baskets(events: Sequence[Event]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for event in events:
        held.setdefault(event.order_id, set()).add(event.product_id)
    return held


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ("cooccurrence", "often bought with Small frozen pizza, which you bought on 10 Nov: in 7 orders"),
        ("also_bought", "bought by 7 who bought Small frozen pizza, which you bought on 10 Nov"),
        ("lately", "bought in the last five weeks by 3 who bought Small frozen pizza, which you bought on 10 Nov"),
    ],
)
def test_what_was_bought_together_is_said_with_how_often(explain: Explain, only: str, says: str) -> None:
    events = together_events()
    pairs = {"p04", "p12"}
    assert sum(pairs <= basket for basket in baskets(events).values()) == 7
    ever = {event.user_id for event in events if event.product_id == "p04"}
    assert len(ever & {event.user_id for event in events if event.product_id == "p12"}) == 7
    lately = {e.user_id for e in events if e.product_id == "p12" and stores.NOW - e.time <= 35 * stores.DAY}
    assert len(ever & lately) == 3  # e, f, g: the others bought it 38 days ago and before

    found = explain(events, only=only, USER_ID=b"me")

    assert found["p12"]["text"] == says
    assert found["p12"]["because"]["product_id"] == "p04"
    assert found["p12"]["because"].get("orders", found["p12"]["because"].get("buyers")) in (7, 3)


@pytest.mark.parametrize("only", ["cooccurrence", "also_bought", "lately"])
def test_without_my_purchase_none_of_these_is_a_reason(explain: Explain, only: str) -> None:
    events = [event for event in together_events() if event.user_id != "me"]
    found = explain([*events, stores.purchase("me", "p39", 4)], only=only, USER_ID=b"me")
    assert only not in found["p12"]["stages"]
    assert found["p12"]["because"].get("product_id") != "p04"


def test_a_seed_is_said_with_its_orders(explain: Explain) -> None:
    found = explain(
        together_events(), only="cooccurrence", PLACEMENT=b"cart", SEED_PRODUCT_IDS=b'["p04"]', USER_ID=b"me"
    )
    assert found["p12"]["text"] == "often bought with Small frozen pizza: in 7 orders"
    assert found["p12"]["because"] == {"source": "cooccurrence", "product_id": "p04", "orders": 7}


def test_where_nothing_was_bought_nothing_is_said_to_be(explain: Explain) -> None:
    """A shop that sends views alone learns from these."""
    views = [
        stores.event(
            "detail-page-view",
            event.product_id,
            (stores.NOW - event.time) / stores.DAY,
            user_id=event.user_id,
            order_id=event.order_id,
            context={"region": "Lyon"},
        )
        for event in [*together_events(), *rising_events()]
    ]
    found = explain(views, region="Lyon", USER_ID=b"me")
    assert any(explanation["because"]["source"] == "also_bought" for explanation in found.values()) or any(
        explanation["because"]["source"] == "lately" for explanation in found.values()
    )
    assert not any("bought" in explanation["text"].replace("bought often", "") for explanation in found.values())


def test_a_catalogue_that_did_not_count_says_less(tmp_path: Path) -> None:
    store = stores.open_store(tmp_path / "state.db", together_events())
    stores.build(tmp_path / "catalog", events=store.event_columns())
    snapshot = Snapshot(tmp_path / "catalog")
    assert snapshot.learned.bought
    (snapshot.folder / "together.safetensors").rename(tmp_path / "gone")
    assert not read_learned(snapshot.folder).bought
    snapshot.learned = read_learned(snapshot.folder)
    retriever = Retriever(LiveCatalog(snapshot, store), store)
    given = {"PLACEMENT": b"cart", "SEED_PRODUCT_IDS": b'["p04"]', "OPTIONS": b'{"explain": true}'}
    [answer] = Pipeline(retriever.catalog, stores.HashEncoder(), retriever, None).answer([parse_recommend(given)])
    assert isinstance(answer, Answer), answer
    texts = {result["id"]: result["explanation"]["text"] for result in orjson.loads(answer.details)["results"]}
    assert texts["p12"] == "goes with Small frozen pizza"
    store.close()
