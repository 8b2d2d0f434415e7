"""Odd logs: nothing fails, weights are learned or the defaults are said with the reason, and answers are sensible."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from benchmarks.recommendation.odd_logs import BASKET, DAY, LAST_DAY, LOGS, Recipe, make_log, make_products
from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import OCCASIONS
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.retrieval.asking import ask

END = LAST_DAY * DAY
SMALL = {name: recipe for name, recipe in LOGS.items() if recipe.events <= 10_000}
REASONS = (
    "shoppers came back, too few to learn from",
    "gains nothing certain",
    "sources of recommendations weighed on",
)


@dataclass(frozen=True)
class Shop:
    name: str
    recipe: Recipe
    retriever: Retriever
    store: SqliteStateStore

    def ask(self, placement: Placement, *seeds: str, user: str = "") -> list[str]:
        request = RetrievalRequest(
            placement=placement, seed_ids=seeds, user_id=user, context=Context(time=END + 60), bundles=bool(seeds) * 3
        )
        answer = ask(self.retriever, request)
        assert isinstance(answer, Retrieved)
        for bundle in answer.bundles:
            assert bundle.people >= 5
        return [self.retriever.catalog.id_of(row) for row in answer.rows.tolist()]


@pytest.fixture(scope="module", params=list(SMALL), ids=[name.replace(" ", "-") for name in SMALL])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    recipe = SMALL[request.param]
    folder = tmp_path_factory.mktemp("odd")
    events = [
        stores.event(
            row["event_type"],
            row["product_id"],
            0.0,
            now=row["time"],
            user_id=row["user_id"],
            **({"order_id": row["order_id"]} if row["order_id"] else {}),
        )
        for row in make_log(recipe).to_pylist()
    ]
    store = stores.open_store(folder / "state.db", events)
    products = [stores.product(one["id"], one["title"], price=one["price"]) for one in make_products(recipe)]
    stores.build(folder / "catalog", products, store.event_columns(), until=END + 1)
    yield Shop(request.param, recipe, Retriever(LiveCatalog(Snapshot(folder / "catalog"), store), store), store)
    store.close()


def test_weights_are_learned_or_the_defaults_are_said(shop: Shop) -> None:
    tuning = shop.retriever.catalog.snapshot.tuning
    assert any(reason in tuning.say() for reason in REASONS), tuning.say()
    assert set(tuning.weights) <= set(OCCASIONS)
    assert bool(tuning.weights) != bool(tuning.note)
    assert all(tuning.gains[kind].low > 0 for kind in tuning.weights)


def test_pages_are_full_and_repeat_nothing(shop: Shop) -> None:
    for seeds in ((), ("p0",), ("p8", "p9"), ("p399",)):
        for placement in (Placement.PRODUCT_PAGE, Placement.CART) if seeds else (Placement.HOME_PAGE,):
            for user in ("", "u0", "nobody"):
                found = shop.ask(placement, *seeds, user=user)
                assert len(found) >= 20
                assert len(set(found)) == len(found)
                assert not set(found) & set(seeds)


def test_what_is_bought_together_stands_first(shop: Shop) -> None:
    if shop.recipe.only_product or shop.recipe.users < 100:
        return  # nobody, or one alone, says what goes together
    first = [int(found[1:]) // BASKET for found in shop.ask(Placement.CART, "p8")[:2]]
    assert first == [8 // BASKET] * 2, "what everybody is shown goes with nothing more than with all else"


def test_strangers_are_shown_what_sells(shop: Shop) -> None:
    if shop.recipe.events > 500 and shop.recipe.users > 1:
        assert "p0" in shop.ask(Placement.HOME_PAGE)[:10]


def test_the_same_seed_makes_the_same_log() -> None:
    recipe = SMALL["a hundred events"]
    assert make_log(recipe).equals(make_log(recipe))
    assert not make_log(recipe).equals(make_log(recipe, seed=12))
    assert 100 <= make_log(recipe).num_rows < 105
