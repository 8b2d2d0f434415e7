"""What is answered while the state or the encoder is missing."""

from pathlib import Path

import numpy as np
import pytest

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests.stores import BreakableStore, delete, make_products, product, request, search_request, upsert
from tests.unit.retrieval.asking import ask, ask_all, ids_of

HOME = Placement.HOME_PAGE
BY_ID = [item.id for item in make_products()]
# What shoppers bought (`make_purchases`), most first; then what was never bought.
BY_POPULARITY = sorted(BY_ID, key=lambda product_id: {"p04": -4, "p12": -3, "p30": -2, "p20": -1}.get(product_id, 0))


@pytest.fixture
def breakable(shop_folder: Path, store: SqliteStateStore) -> tuple[Retriever, BreakableStore]:
    state = BreakableStore(store)
    return Retriever(LiveCatalog(Snapshot(shop_folder), state), state), state


def test_a_state_that_fails_leaves_anonymous_answers(breakable: tuple[Retriever, BreakableStore]) -> None:
    retriever, state = breakable
    asked = [request(HOME, user_id="u0", depth=50), search_request("milk"), request(HOME, depth=50)]
    healthy = ask_all(retriever, asked)

    state.broken = True
    answers = ask_all(retriever, asked)

    for answer in answers:
        assert isinstance(answer, Retrieved)
        assert answer.degraded == ["state"]
    assert isinstance(answers[0], Retrieved) and isinstance(answers[1], Retrieved) and isinstance(healthy[1], Retrieved)
    assert ids_of(retriever, answers[0]) == BY_POPULARITY
    np.testing.assert_array_equal(answers[1].rows, healthy[1].rows)


def test_a_state_that_comes_back_is_used_again(breakable: tuple[Retriever, BreakableStore]) -> None:
    retriever, state = breakable
    asked = request(HOME, user_id="u0", depth=50)
    healthy = ids_of(retriever, ask(retriever, asked))
    state.broken = True
    assert ids_of(retriever, ask(retriever, asked)) != healthy

    state.broken = False
    answer = ask(retriever, asked)

    assert ids_of(retriever, answer) == healthy
    assert answer.degraded == []


def test_changes_known_before_a_state_failed_still_hold(
    breakable: tuple[Retriever, BreakableStore], store: SqliteStateStore
) -> None:
    retriever, state = breakable
    store.append_product_changes([delete("p04"), upsert(product("new", "Sparkling water"))])
    ask(retriever, request(HOME))

    state.broken = True
    answer = ask(retriever, request(HOME, depth=50))

    assert "p04" not in ids_of(retriever, answer)
    assert ids_of(retriever, answer)[-1] == "new"


def test_both_failures_are_named(breakable: tuple[Retriever, BreakableStore]) -> None:
    retriever, state = breakable
    state.broken = True

    search, recommended = ask_all(retriever, [search_request("milk"), request(HOME)], encoder=False)

    assert isinstance(search, Retrieved) and isinstance(recommended, Retrieved)
    assert search.degraded == ["state", "encoder"]
    assert recommended.degraded == ["state"]


def test_a_shop_without_a_state_answers(shop_folder: Path) -> None:
    retriever = Retriever(LiveCatalog(Snapshot(shop_folder), None), None)

    answer = ask(retriever, request(HOME, user_id="u0", depth=50))

    assert ids_of(retriever, answer) == BY_POPULARITY
    assert answer.degraded == []
