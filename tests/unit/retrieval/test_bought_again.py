"""What a shopper has is shown again where people buy it again, and when it is due."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mercato.features.inputs import Context, History
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement
from mercato.retrieval.histories import whole_history
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.repeat import rank_repeats, wait_until_due
from mercato.signals.history import PURCHASE
from tests import stores
from tests.unit.retrieval.asking import ask, ids_of

WEEKS = range(3, 60, 7)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Retriever]:
    """Milk (p00) is bought every week, a wardrobe (p39) once, by two hundred people each; u1 bought two wardrobes."""
    events = [stores.purchase(f"u{n}", "p00", days, order=f"{n}-{days}") for n in range(20) for days in WEEKS]
    events += [stores.purchase(f"u{n}", "p39", 100 + n % 50, order=f"w{n}") for n in range(300)]
    events.append(stores.purchase("u1", "p39", 40, order="again"))
    store = stores.open_store(tmp_path / "state.db", events)
    stores.build(tmp_path / "catalog", events=store.event_columns())
    yield Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), store), store)
    store.close()


@pytest.mark.parametrize("placement", [Placement.HOME_PAGE, Placement.CATEGORY])
def test_milk_again_and_no_second_wardrobe(shop: Retriever, placement: Placement) -> None:
    found = ids_of(shop, ask(shop, stores.request(placement, user_id="u0", depth=50)))
    assert found[0] == "p00"
    assert "p39" not in found


def test_who_bought_it_twice_is_shown_it(shop: Retriever) -> None:
    assert "p39" in ids_of(shop, ask(shop, stores.request(Placement.HOME_PAGE, user_id="u1", depth=50)))


def test_strangers_are_shown_everything(shop: Retriever) -> None:
    assert "p39" in ids_of(shop, ask(shop, stores.request(Placement.HOME_PAGE, depth=50)))


def test_a_list_is_ordered_whole(shop: Retriever) -> None:
    asked = stores.request(Placement.RANK, user_id="u0", seed_ids=("p39", "p00", "p05"), depth=50)
    assert sorted(ids_of(shop, ask(shop, asked))) == ["p00", "p05", "p39"]


def test_a_snapshot_from_before_leaves_nothing_out(shop: Retriever) -> None:
    learned = shop.catalog.snapshot.learned
    kept = {name: array for name, array in learned.arrays().items() if not name.startswith("again.")}
    shop.catalog.snapshot.learned = type(learned)(kept, until=learned.until, bought=learned.bought)
    assert "p39" in ids_of(shop, ask(shop, stores.request(Placement.HOME_PAGE, user_id="u0", depth=50)))


def history(rows: list[int], days_ago: list[float]) -> History:
    return History(
        rows=np.array(rows, np.int32),
        time=stores.NOW - np.array(days_ago) * stores.DAY,
        type=np.full(len(rows), PURCHASE, np.uint8),
        price=np.zeros(len(rows), np.float32),
    )


def test_what_is_not_due_waits() -> None:
    own = history([1, 0, 1, 0], [1.0, 8.0, 8.0, 15.0])
    ranked = rank_repeats(own, stores.NOW, 1.0)
    assert ranked.rows.tolist() == [1, 0], "bought lately"
    intervals = np.array([7.0, 7.0], np.float32)
    waiting = wait_until_due(ranked, own, stores.NOW, intervals, 1.0)
    assert waiting.rows.tolist() == [0, 1]
    assert waiting.scores.tolist() == pytest.approx([ranked.scores[1], ranked.scores[0] / 7])
    later = wait_until_due(ranked, own, stores.NOW + 6 * stores.DAY, intervals, 1.0)
    assert later.rows.tolist() == [1, 0], "a week has passed"


def test_nothing_waits_without_purchases() -> None:
    seen = replace(history([2, 3], [1.0, 2.0]), type=np.zeros(2, np.uint8))
    ranked = rank_repeats(seen, stores.NOW, 1.0)
    assert wait_until_due(ranked, seen, stores.NOW, np.ones(9, np.float32), 1.0) is ranked


def test_a_history_fades_by_its_products() -> None:
    own = history([5, 3, 5, 4], [1.0, 2.0, 3.0, 4.0])
    rows, weights = whole_history(own, 1.0)
    assert rows.tolist() == [3, 4, 5]
    assert weights.tolist() == pytest.approx([1 / 2, 1 / 3, 1.0]), "5 is the last one, 3 the second, 4 the third"
    assert whole_history(own)[1].tolist() == [1.0, 1.0, 1.0]
    assert len(whole_history(History.empty(), 1.0)[0]) == 0


def test_the_context_of_a_request_says_when_it_is(shop: Retriever) -> None:
    shop.catalog.snapshot.tuning = replace(shop.catalog.snapshot.tuning, due=1.0)
    asked = stores.request(Placement.HOME_PAGE, user_id="u0", depth=50)
    soon = replace(asked, context=Context(time=stores.NOW + 30 * stores.DAY))
    assert ids_of(shop, ask(shop, soon))[0] == "p00"
