"""Requests that share a batch: each gets what it gets alone."""

import numpy as np
import numpy.typing as npt
import pytest

from mercato.errors import InvalidInputError
from mercato.filters import parse_filter
from mercato.requests.retrieval import Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from tests.stores import request, search_request
from tests.unit.retrieval.asking import ask, ask_all


def test_a_batch_answers_like_one_by_one(retriever: Retriever) -> None:
    requests = [
        search_request("milk"),
        request(Placement.HOME_PAGE, user_id="u0"),
        search_request("dog food", condition=parse_filter("price < 30"), user_id="u1"),
        request(Placement.PRODUCT_PAGE, seed_ids=("p04",)),
        search_request("something for the baby"),
    ]

    together = ask_all(retriever, requests)

    for one, answer in zip(requests, together, strict=True):
        alone = ask(retriever, one)
        assert isinstance(answer, Retrieved)
        for name in ("rows", "tail", "sources", "fused", "features", "history_vector"):
            np.testing.assert_array_equal(getattr(answer, name), getattr(alone, name), err_msg=name)
        assert answer.total == alone.total


def test_the_index_is_walked_as_far_for_a_request_in_company_as_alone(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: set[tuple[int, int]] = set()
    index = retriever.catalog.snapshot.dense
    search = index.search

    def record(probes: npt.NDArray[np.float32], k: int, *, ef_search: int) -> object:
        walks.add((k, ef_search))
        return search(probes, k, ef_search=ef_search)

    monkeypatch.setattr(index, "search", record)
    requests = [search_request("milk"), request(Placement.PRODUCT_PAGE, seed_ids=("p04",))]
    for one in requests:
        ask(retriever, one)
    alone = walks.copy()
    walks.clear()
    ask_all(retriever, requests)

    assert len(alone) == len(requests), "a search wants more"
    assert walks == alone


def test_a_bad_request_leaves_its_neighbours_alone(retriever: Retriever) -> None:
    good = search_request("milk")
    answers = ask_all(retriever, [good, search_request("milk", condition=parse_filter("colour > 3")), good])

    assert isinstance(answers[1], InvalidInputError)
    assert "unknown field 'colour'" in str(answers[1])
    for answer in (answers[0], answers[2]):
        assert isinstance(answer, Retrieved)
        np.testing.assert_array_equal(answer.rows, ask(retriever, good).rows)


def test_an_empty_batch(retriever: Retriever) -> None:
    assert ask_all(retriever, [search_request("x", condition=parse_filter("colour > 3"))])[0] is not None
    assert retriever.retrieve([], None) == []
