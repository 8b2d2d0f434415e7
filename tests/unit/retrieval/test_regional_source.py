"""The source `regional`: what sells where the request comes from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.features.inputs import Context
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import WEIGHTS, change_weights
from mercato.retrieval.sources.registry import FLAGS, list_labels
from mercato.state.sqlite import SqliteStateStore
from tests.stores import NOW, build, delete, event, make_products, open_store, request, upsert
from tests.unit.retrieval.asking import all_pages, ask, ids_of

OLD = {item.id: item for item in make_products()}
HOME, CATEGORY, RANK = Placement.HOME_PAGE, Placement.CATEGORY, Placement.RANK


def bought(region: str, product_id: str, shoppers: range, days: float = 3.0) -> list[Any]:
    return [
        event("purchase-complete", product_id, days, user_id=f"{region}{number}", context={"region": region})
        for number in shoppers
    ]


@pytest.fixture
def regional_state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    """Thirty shoppers of the north buy p10; of twelve in the south all buy p32, six p36, three p34, two p38."""
    events = bought("North", "p10", range(30)) + bought("South", "p32", range(12)) + bought("South", "p36", range(6))
    events += bought("South", "p34", range(3)) + bought("South", "p38", range(2))
    store = open_store(tmp_path / "regional.db", events)
    yield store
    store.close()


@pytest.fixture
def here(regional_state: SqliteStateStore, tmp_path: Path) -> Retriever:
    build(tmp_path / "catalog", events=regional_state.event_columns())
    return Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), regional_state), regional_state)


def asked(region: str, placement: Placement = HOME, **fields: Any) -> RetrievalRequest:
    return request(placement, context=Context(time=NOW, region=region), depth=50, **fields)


def from_region(retriever: Retriever, answer: Retrieved) -> list[str]:
    """The products that the source brought."""
    held = (answer.sources & FLAGS["regional"]) > 0
    return [product_id for product_id, has in zip(ids_of(retriever, answer), held, strict=True) if has]


@pytest.mark.parametrize("placement", [HOME, CATEGORY])
def test_a_stranger_sees_first_what_sells_in_the_region(here: Retriever, placement: Placement) -> None:
    south = ask(here, asked("South", placement))
    assert from_region(here, south) == ["p32", "p36", "p34"]
    assert sorted(ids_of(here, south)) == sorted(OLD)

    # In the whole shop p10 sells best: 30 against 12 shoppers. The region weighs more.
    assert ids_of(here, ask(here, asked("", placement)))[0] == "p10"
    assert ids_of(here, south)[0] == "p32"
    assert ids_of(here, ask(here, asked("North", placement)))[0] == "p10"
    assert WEIGHTS[HOME]["regional"] > WEIGHTS[HOME]["popular"]


@pytest.mark.parametrize("region", ["", "West", "x" * 256])
def test_where_nothing_is_known_the_shop_answers(here: Retriever, region: str) -> None:
    answer = ask(here, asked(region))
    assert from_region(here, answer) == []
    assert ids_of(here, answer) == ids_of(here, ask(here, asked("")))


def test_names_are_compared_as_the_ranker_does(here: Retriever) -> None:
    assert ids_of(here, ask(here, asked(" sOUTH\t"))) == ids_of(here, ask(here, asked("South")))


def test_a_list_is_ordered_by_the_region_too(here: Retriever) -> None:
    listed = ("p10", "p34", "p32")
    assert ids_of(here, ask(here, asked("", RANK, seed_ids=listed))) == ["p10", "p32", "p34"]
    answer = ask(here, asked("South", RANK, seed_ids=listed))
    # p34 has 2 * 0.3 / 63 of the region besides its rank by popularity, p10 has 0.25 / 61 alone.
    assert ids_of(here, answer) == ["p32", "p34", "p10"]
    assert from_region(here, answer) == ["p32", "p34"]


@pytest.mark.parametrize("placement", [Placement.PRODUCT_PAGE, Placement.CART])
def test_around_a_product_the_region_is_not_asked(here: Retriever, placement: Placement) -> None:
    assert from_region(here, ask(here, asked("South", placement, seed_ids=("p32",)))) == []


def test_filters_blocked_deleted_and_changed_products(here: Retriever, regional_state: SqliteStateStore) -> None:
    drinks = ask(here, asked("South", CATEGORY, condition=parse_filter('categories: ANY("Drinks")')))
    assert from_region(here, drinks) == ["p36"]
    hidden = ask(here, asked("South", hidden_ids=("p36",)))
    assert from_region(here, hidden) == ["p32", "p34"]
    assert "p36" not in ids_of(here, hidden)

    regional_state.append_product_changes([delete("p32"), upsert(OLD["p34"].merged({"price": 1}))])
    changed = ask(here, asked("South"))
    assert from_region(here, changed) == ["p36", "p34"]
    assert "p32" not in ids_of(here, changed)


def test_what_was_bought_lately_is_left_out_where_that_is_asked_for(here: Retriever) -> None:
    answer = ask(here, asked("South", user_id="South0", exclude_purchased_days=30.0))
    assert not {"p32", "p36", "p34"} & set(ids_of(here, answer))


def test_it_is_switched_off_by_its_name(here: Retriever, regional_state: SqliteStateStore) -> None:
    quiet = Retriever(here.catalog, regional_state, change_weights({"regional": 0.0}))
    answer = ask(quiet, asked("South"))
    assert from_region(quiet, answer) == []
    assert ids_of(quiet, answer) == ids_of(quiet, ask(quiet, asked("")))
    assert list_labels(FLAGS["regional"]) == ["regional"]


def test_pages_are_the_same_at_any_size(here: Retriever) -> None:
    whole = all_pages(here, asked("South"), 40)
    assert whole == all_pages(here, asked("South"), 7)
    assert len(whole) == len(set(whole)) == 40


def test_it_weighs_double_where_nothing_else_is_known(here: Retriever) -> None:
    def weight(user_id: str) -> float:
        trace = ask(here, asked("South", explain=True, user_id=user_id)).stages
        assert trace is not None
        position = trace.position_of[here.catalog.row_of("p32")]
        return float(trace.shares[trace.sources.index("regional"), position]) * (60 + 1)

    assert weight("nobody") == pytest.approx(2 * 0.3)
    assert weight("North1") == pytest.approx(0.3)


def test_more_than_a_sources_candidates_are_never_brought(here: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercato.retrieval.sources.regional.CANDIDATES", 1)
    assert from_region(here, ask(here, asked("South"))) == ["p32"]
    # The limit counts what is allowed: the first one blocked, the second comes.
    assert from_region(here, ask(here, asked("South", hidden_ids=("p32",)))) == ["p36"]


def test_a_snapshot_without_regions_answers_as_before(retriever: Retriever) -> None:
    answer = ask(retriever, asked("South"))
    assert from_region(retriever, answer) == []
    np.testing.assert_array_equal(answer.rows, ask(retriever, asked("")).rows)
