"""Every reason of real purchases holds: what it names happened, and as often as it says; pandas counts in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from mercato.events.event import Event
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_recommend
from mercato.retrieval.retriever import Retriever
from tests import stores

CUT = pd.Timestamp("2011-10-01")
CUSTOMERS = 300
ASKED = 25

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def sales(shared_data: Path) -> pd.DataFrame:
    """A summer of three hundred customers, a third of them of Germany and France: what, who, when, in which order."""
    lines = pd.read_parquet(shared_data / "online_retail" / "transactions.parquet")
    lines = lines[lines["CustomerID"].notna() & (lines["Quantity"] > 0) & lines["StockCode"].str.match(r"^\d{5}")]
    lines = lines[(lines["InvoiceDate"] < CUT) & (lines["InvoiceDate"] >= CUT - pd.Timedelta(days=90))]
    lines = lines.assign(abroad=lines["Country"].isin(["Germany", "France"]))
    countries = lines.groupby("CustomerID")["abroad"].any()
    abroad = countries[countries].index[: CUSTOMERS // 3]
    home = countries[~countries].index[: CUSTOMERS - len(abroad)]
    kept = lines[lines["CustomerID"].isin([*abroad, *home])]
    return pd.DataFrame(
        {
            "user": kept["CustomerID"].astype(str),
            "product": kept["StockCode"],
            "time": kept["InvoiceDate"].to_numpy("datetime64[us]").astype("int64") / 1e6,
            "order": kept["InvoiceNo"],
            "region": kept["Country"],
            "title": kept["Description"].fillna("").str.strip(),
        }
    )


@pytest.fixture(scope="module")
def pipeline(sales: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("summer")
    events = [
        Event(
            event_type="purchase-complete",
            user_id=line.user,
            product_id=line.product,
            time=line.time,
            order_id=line.order,
            context={"region": line.region},
        )
        for line in sales.itertuples()
    ]
    store = stores.open_store(folder / "state.db", events)
    titles = sales.groupby("product")["title"].first()
    products = [stores.product(product, title or product) for product, title in titles.items()]
    stores.build(folder / "catalog", products, store.event_columns(), until=CUT.timestamp())
    catalog = LiveCatalog(Snapshot(folder / "catalog"), store)
    yield Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, store), None)
    store.close()


class Log:
    """The purchases, asked as a person would."""

    def __init__(self, sales: pd.DataFrame) -> None:
        self._of = dict(tuple(sales.groupby("product")))

    def users(self, product: str, *, days: float | None = None, region: str = "") -> set[str]:
        lines = self._of[product]
        if days is not None:
            lines = lines[lines["time"] >= CUT.timestamp() - days * stores.DAY]
        if region:
            lines = lines[lines["region"].str.lower() == region.lower()]
        return set(lines["user"])

    def orders(self, product: str) -> set[str]:
        return set(self._of[product]["order"])

    def bought(self, user: str, product: str, time: str) -> bool:
        lines = self._of[product]
        moment = pd.Timestamp(time).timestamp()
        return bool(((lines["user"] == user) & ((lines["time"] - moment).abs() < 1)).any())


def check(log: Log, user: str, product: str, because: dict[str, Any]) -> bool:
    """Tell whether a reason holds, and a product of the history that it names was bought then."""
    named = because.get("product_id", "")
    happened = "time" not in because or log.bought(user, named, because["time"])
    source = because["source"]
    if source == "regional":
        counted = log.users(product, days=because["days"], region=because["region"])
        return len(counted) == int(because["buyers"])
    if source == "trending":
        week, month = (len(log.users(product, days=days)) for days in (7, 28))
        return week == int(because["buyers"]) and week > (month + 3) / 4
    if source == "cooccurrence":
        return happened and len(log.orders(named) & log.orders(product)) == int(because["orders"])
    if source == "also_bought":
        return happened and len(log.users(named) & log.users(product)) == int(because["buyers"])
    if source == "lately":
        return happened and len(log.users(named) & log.users(product, days=35)) == int(because["buyers"])
    if source == "repeat":
        return happened and bool(named == product)
    return happened


def test_every_reason_holds(pipeline: Pipeline, sales: pd.DataFrame) -> None:
    log = Log(sales)
    shoppers = ["", *sorted(sales["user"].unique())[:: CUSTOMERS // ASKED]]
    checked: Counter[str] = Counter()
    for number, user in enumerate(shoppers):
        options = {"explain": True, "exclude_purchased_days": 36_500 if number % 2 else 0}
        placement, seeds = ("cart", [sales["product"].iloc[number]]) if number % 5 == 4 else ("home-page", [])
        given = {
            "PLACEMENT": placement.encode(),
            "USER_ID": user.encode(),
            "SEED_PRODUCT_IDS": orjson.dumps(seeds),
            "PAGE_SIZE": 128,
            "CONTEXT": orjson.dumps({"time": CUT.timestamp() + 60, "region": "germany"}),
            "OPTIONS": orjson.dumps(options),
        }
        [answer] = pipeline.answer([parse_recommend(given)])
        assert isinstance(answer, Answer), answer
        for result in orjson.loads(answer.details)["results"]:
            because = result["explanation"]["because"]
            assert check(log, user, result["id"], because), (user, result["id"], because)
            checked[because["source"]] += 1
    enough = {"repeat": 20, "lately": 100, "also_bought": 100, "cooccurrence": 10, "similar": 10, "regional": 10}
    assert all(checked[source] >= count for source, count in enough.items()), checked
