from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mercato.errors import InvalidInputError, ServerError
from mercato.requests.retrieval import Kind, Placement
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import KIND_SOURCES, WEIGHTS, change_weights, choose_sources, read_changes
from tests.stores import request
from tests.unit.retrieval.asking import ask

HOME, CART, PAGE = Placement.HOME_PAGE, Placement.CART, Placement.PRODUCT_PAGE


def test_every_placement_weighs_its_sources() -> None:
    assert WEIGHTS.keys() == set(Placement) - {Placement.SEARCH}  # a search's weights are the snapshot's
    silent = {label for weights in WEIGHTS.values() for label, weight in weights.items() if weight == 0}
    assert silent == {"item_knn"}, "it waits for what the log says"
    assert "item_knn" not in choose_sources(WEIGHTS, HOME)
    assert "similar" in WEIGHTS[Placement.CART]


def test_without_changes_the_weights_stay() -> None:
    assert change_weights({}) == WEIGHTS


def test_a_source_is_weighed_wherever_it_is_asked() -> None:
    weights = change_weights({"also_bought": 3.0})
    assert [weights[placement]["also_bought"] for placement in (HOME, CART, PAGE)] == [3.0, 3.0, 3.0]
    assert weights[HOME]["lately"] == WEIGHTS[HOME]["lately"]


def test_a_source_that_a_placement_does_not_ask_is_not_added_by_its_name_alone() -> None:
    assert "lately" not in change_weights({"lately": 2.0})[CART]
    assert change_weights({"cart.lately": 2.0})[CART]["lately"] == 2.0


def test_zero_switches_off_and_the_placement_goes_before_the_source() -> None:
    weights = change_weights({"home-page.repeat": 2.0, "repeat": 0.0})
    assert weights[HOME]["repeat"] == 2.0
    assert "repeat" not in weights[Placement.CATEGORY]


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ServerError) as caught:
        change_weights({"astrology": 1.0, "shelf.lately": 1.0, "lately": -1.0, "repeat": float("nan")})
    message = str(caught.value)
    for part in ("'astrology' is no source", "'shelf.lately' is no source", "lately must weigh 0 or more, given -1.0"):
        assert part in message
    assert "repeat must weigh 0 or more, given nan" in message
    assert "also_bought" in message
    assert "home-page" in message


def test_changes_are_read_from_pairs_and_files(tmp_path: Path) -> None:
    file = tmp_path / "of=shop.json"
    file.write_text('{"lately": 2, "cart.also_bought": 0, "repeat": 4}')

    assert read_changes(["lately=1.5", str(file), "repeat = 0"]) == {"lately": 2, "cart.also_bought": 0, "repeat": 0}
    assert read_changes([]) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "must hold a JSON object"),
        ('{"lately": true}', "must hold a JSON object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "sources.json"
    file.write_text(content)
    with pytest.raises(InvalidInputError, match=f"sources.json {message}"):
        read_changes([str(file)])


@pytest.mark.parametrize("item", ["lately=much", "lately=", "=1", "nothing.json", "lately"])
def test_what_is_neither_a_pair_nor_a_file_is_refused(item: str) -> None:
    with pytest.raises((InvalidInputError, ServerError), match=r"--sources|no source"):
        read_changes([item])


def test_a_kind_takes_its_sources_alone() -> None:
    assert choose_sources(WEIGHTS, PAGE) == WEIGHTS[PAGE]
    assert choose_sources(WEIGHTS, PAGE, Kind.SIMILAR) == {
        label: WEIGHTS[PAGE][label] for label in ("similar", "session")
    }
    assert "similar" not in choose_sources(WEIGHTS, PAGE, Kind.COMPLEMENTARY)
    assert WEIGHTS[PAGE].keys() <= frozenset.union(*KIND_SOURCES.values())


def test_what_is_near_is_not_looked_for_where_nobody_asks_for_it(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []
    index = retriever.catalog.snapshot.dense
    search = index.search

    def count(probes: npt.NDArray[np.float32], *rest: int, **more: int) -> object:
        searched.append(len(probes))
        return search(probes, *rest, **more)

    monkeypatch.setattr(index, "search", count)

    ask(Retriever(retriever.catalog, None, change_weights({"similar": 0.0})), request(PAGE, seed_ids=("p04",)))
    assert searched == []
    ask(Retriever(retriever.catalog, None), request(PAGE, seed_ids=("p04",)))
    assert searched == [1]
