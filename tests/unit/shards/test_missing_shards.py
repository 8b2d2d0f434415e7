"""A shard that does not answer is refused, or what is missing is said; and rounds that are done again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import MercatoError, ModelError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.requests.page import parse_search
from mercato.retrieval.whole import Figures, join_figures
from mercato.shards import products
from mercato.shards.messages import answer_message, ask_search
from mercato.shards.shard import Shard, ShardFound, ShardSearch
from tests.stores import HashEncoder, search_request
from tests.unit.shards.conftest import OpenRouter, open_router

LAMP = parse_search({"QUERY": b"red lamp"})


def test_it_is_refused_by_name_unless_answers_in_part_are_wanted(open_routed: OpenRouter) -> None:
    [answer] = open_routed(lasting={2: 0}).answer([LAMP])
    assert isinstance(answer, MercatoError)
    assert str(answer).startswith("shard 2 of 3 (shard-2): cannot be reached (refused); start what is down")


def test_the_others_answer_and_say_what_is_missing(open_routed: OpenRouter, cut: Path) -> None:
    [answer] = open_routed(answers_in_part=True, lasting={2: 0}).answer([LAMP])
    assert isinstance(answer, Answer)
    details = json.loads(answer.details)
    lost = Snapshot(cut / "2")
    assert details["degraded"] == ["shards"]
    assert details["missing_share"] == round(lost.count / lost.part.products, 4)
    assert answer.product_ids
    assert not {lost.documents.id(row) for row in range(lost.count)} & set(answer.product_ids)


@pytest.mark.parametrize("rounds", [1, 2])
def test_one_that_goes_between_two_rounds_is_missing_too(open_routed: OpenRouter, cut: Path, rounds: int) -> None:
    [answer] = open_routed(answers_in_part=True, lasting={2: rounds}).answer([LAMP])
    assert isinstance(answer, Answer)
    details = json.loads(answer.details)
    lost = Snapshot(cut / "2")
    assert details["degraded"] == ["shards"]
    assert details["missing_share"] == round(lost.count / lost.part.products, 4)
    assert not {lost.documents.id(row) for row in range(lost.count)} & set(answer.product_ids)


def test_where_none_answers_it_is_refused_in_any_case(open_routed: OpenRouter) -> None:
    [answer] = open_routed(answers_in_part=True, lasting={1: 0, 2: 0, 3: 0}).answer([LAMP])
    assert isinstance(answer, MercatoError)


def test_a_process_that_was_not_asked_before_does_the_rounds_again(cut: Path) -> None:
    shards = [Shard(LiveCatalog(Snapshot(cut / str(number)), None)) for number in (1, 2, 3)]
    [vector] = HashEncoder().encode(["red lamp"])
    none = Snapshot(cut / "1").part.find_rows(shards[0].catalog.current_row[:0])
    search = ShardSearch(key="a", request=search_request("red lamp"), vector=vector, exact=none)
    told: list[Figures] = []
    while True:
        asked = [ShardSearch(key="a", request=search.request, vector=vector, exact=none, told=told)]
        said = [shard.search(asked)[0] for shard in shards]
        figures = [one for one in said if isinstance(one, Figures)]
        if not figures:
            break
        told = [*told, join_figures(figures)]
    fresh = Shard(LiveCatalog(Snapshot(cut / "1"), None))
    [again] = fresh.search([ShardSearch(key="b", request=search.request, vector=vector, exact=none, told=told)])
    assert isinstance(again, ShardFound)
    assert isinstance(said[0], ShardFound)
    assert again.part.rows.tolist() == said[0].part.rows.tolist()
    assert again.part.total == said[0].part.total


def test_a_message_for_another_shard_is_refused(cut: Path) -> None:
    shard = Shard(LiveCatalog(Snapshot(cut / "1"), None))
    message = ask_search(Snapshot(cut / "2").part, 2, [])
    with pytest.raises(ModelError, match="serve shards and router of one `mercato shard`"):
        answer_message(shard, message)
    with pytest.raises(ModelError, match="a message cannot be read"):
        answer_message(shard, b"nonsense")


def test_products_that_were_fetched_stay_true_however_few_are_kept(
    cut: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "KEPT", 5)
    catalog, whole = open_router(cut).catalog, Snapshot(shop)
    for rows in (np.arange(4), np.arange(3, 12), np.arange(20)[::-1], np.array([0, 0, 19])):
        np.testing.assert_array_equal(catalog.vectors(rows), whole.vectors(rows))
        assert [catalog.document(row) for row in rows.tolist()] == [whole.documents.document(r) for r in rows.tolist()]
