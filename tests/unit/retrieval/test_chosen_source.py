"""What people chose after a query moves its products up: as far as people say so, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.events.event import parse_event
from mercato.features.features import COLUMN
from mercato.filters import parse_filter
from mercato.index.learned import Learned, read_learned
from mercato.index.live import LiveCatalog
from mercato.index.query_signals import PAST_QUERIES, QUERY_USE, count_word_categories
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Retrieved
from mercato.retrieval.fusion import RRF_K
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.registry import FLAGS
from mercato.signals.query_use import PRIOR_PEOPLE, QueryUse
from mercato.text.query_key import hash_query
from tests.stores import DAY, NOW, build, delete, open_store, product, search_request, upsert
from tests.unit.retrieval.asking import ask, ids_of

MUGS = [product(f"m{n:02d}", f"Red mug number {n:02d} for coffee", categories=["Kitchen", "Mugs"]) for n in range(30)]
POTS = [product(f"t{n:02d}", f"Blue tea pot {n:02d}", categories=["Kitchen", "Pots"]) for n in range(10)]
LIKED, PUSHED = "m23", "m29"


def choose(shopper: str, product_id: str, query: str = "red mug", days_ago: float = 1.0) -> list[dict[str, Any]]:
    """Search, then buy."""
    time = NOW - days_ago * DAY
    return [
        {"event_type": "search", "user_id": shopper, "search_query": query, "time": time},
        {"event_type": "purchase-complete", "user_id": shopper, "product_id": product_id, "time": time + 60},
    ]


def open_shop(folder: Path, history: list[dict[str, Any]]) -> Retriever:
    """Index the shop with a history, popularity aside: what is bought most is no part of this."""
    store = open_store(folder / "state.db", [parse_event(document, now=NOW) for document in history])
    build(folder / "catalog", [*MUGS, *POTS], events=store.event_columns())
    return Retriever(LiveCatalog(Snapshot(folder / "catalog"), store), store)


def rank_of(retriever: Retriever, query: str, product_id: str) -> int:
    """Return the product's place in the order of retrieval, from 1."""
    return ids_of(retriever, ask(retriever, search_request(query))).index(product_id) + 1


def share_of(retriever: Retriever, query: str, product_id: str) -> float:
    """Return what use says of a product for a query, as the ranker is told it."""
    answer: Retrieved = ask(retriever, search_request(query))
    position = ids_of(retriever, answer).index(product_id)
    return float(answer.features[position, COLUMN["chosen"]])


HONEST = [one for n in range(40) for one in choose(f"c{n}", LIKED, ("red mug", "Mugs, red", "red mugs")[n % 3])]


@pytest.mark.parametrize("shoppers", [1, 3])
def test_one_shopper_with_hundreds_of_events_moves_nothing_nor_do_three(tmp_path: Path, shoppers: int) -> None:
    history = [one for n in range(600) for one in choose(f"x{n % shoppers}", PUSHED, days_ago=1 + n % 50)]
    retriever = open_shop(tmp_path, history)

    assert len(retriever.catalog.snapshot.learned.get(QUERY_USE).products) == 0
    answer = ask(retriever, search_request("red mug"))
    assert not (answer.sources & FLAGS["chosen"]).any()
    assert not answer.features[:, COLUMN["chosen"]].any()
    assert not answer.features[:, COLUMN["chosen_category"]].any()


def test_what_forty_people_chose_leads_the_query_and_those_of_the_same_words(tmp_path: Path) -> None:
    retriever = open_shop(tmp_path, HONEST)

    assert rank_of(retriever, "red mug", LIKED) == 1
    assert rank_of(retriever, "MUGS  red", LIKED) == 1
    answer = ask(retriever, search_request("red mug"))
    assert answer.sources[0] & FLAGS["chosen"]
    assert share_of(retriever, "red mugs", LIKED) == pytest.approx(40 / (40 + PRIOR_PEOPLE), rel=0.02)  # a day old
    mugs = [retriever.catalog.id_of(row).startswith("m") for row in answer.rows.tolist()]
    assert answer.features[:, COLUMN["chosen_category"]].tolist() == [float(mug) for mug in mugs]


def test_queries_of_other_words_are_as_they_were(tmp_path: Path) -> None:
    without, retriever = open_shop(tmp_path / "a", []), open_shop(tmp_path / "b", HONEST)
    for query in ("mug", "red", "tea pot", "red mug number 05"):
        answer = ask(retriever, search_request(query))
        assert not (answer.sources & FLAGS["chosen"]).any()
        assert share_of(retriever, query, LIKED if "mug" in query or query == "red" else "t03") == 0.0
        before = ids_of(without, ask(without, search_request(query)))
        assert sorted(ids_of(retriever, answer)) == sorted(before)  # rows differ by popularity, which breaks ties


def test_what_does_not_match_the_words_does_not_come_by_having_been_bought(tmp_path: Path) -> None:
    """Forty people searched for pots and bought a mug: in a query that it does not match it has no place."""
    many = [product(f"n{n:03d}", f"Blue tea pot of kind {n:03d}") for n in range(250)]
    store = open_store(tmp_path / "state.db", [
        parse_event(document, now=NOW) for n in range(40) for document in choose(f"c{n}", LIKED, "tea pot")
    ])  # fmt: skip
    build(tmp_path / "catalog", [*MUGS, *POTS, *many], events=store.event_columns())
    retriever = Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), store), store)
    use = retriever.catalog.snapshot.learned.get(QUERY_USE)
    assert len(use.products[use.find(hash_query("tea pot", retriever.catalog.analyzer))]) == 1

    answer = ask(retriever, search_request("tea pot"))
    assert LIKED not in ids_of(retriever, answer)[:200]
    assert not (answer.sources & FLAGS["chosen"]).any()


def test_fifty_who_push_get_what_fifty_who_like_would_get_and_no_more(tmp_path: Path) -> None:
    """What the caps allow: strength 50 / 60 in place of 40 / 60, so much of one list's weight, whoever they are."""
    pushers = [one for n in range(50) for day in range(1, 13) for one in choose(f"x{n}", PUSHED, days_ago=day)]
    retriever = open_shop(tmp_path, [*HONEST, *pushers])

    # Twelve days of each pusher are worth what one day is.
    assert share_of(retriever, "red mug", PUSHED) == pytest.approx(50 / (50 + PRIOR_PEOPLE), rel=0.02)
    assert share_of(retriever, "red mug", LIKED) == pytest.approx(40 / (50 + PRIOR_PEOPLE), rel=0.02)
    answer = ask(retriever, search_request("red mug"))
    assert set(ids_of(retriever, answer)[:2]) == {PUSHED, LIKED}
    weight = retriever.catalog.fusion.chosen
    plain = ask(open_shop(tmp_path / "plain", []), search_request("red mug"))
    gained = answer.fused[ids_of(retriever, answer).index(PUSHED)]
    most = weight / (RRF_K + 1) + retriever.catalog.fusion.popular / (RRF_K + 1) + plain.fused[0]
    assert gained <= most
    assert rank_of(retriever, "mug", PUSHED) > 0  # other queries: popularity alone
    assert not (ask(retriever, search_request("mug")).sources & FLAGS["chosen"]).any()


def test_products_that_changed_or_went_are_followed(tmp_path: Path) -> None:
    retriever = open_shop(tmp_path, HONEST)
    store = open_store(tmp_path / "state.db")
    store.append_product_changes([upsert(product(LIKED, "Red mug number 23, now larger"))])
    assert rank_of(retriever, "red mug", LIKED) == 1
    assert share_of(retriever, "red mug", LIKED) > 0.7
    store.append_product_changes([delete(LIKED)])
    answer = ask(retriever, search_request("red mug"))
    assert LIKED not in ids_of(retriever, answer)
    assert not (answer.sources & FLAGS["chosen"]).any()
    store.close()


def test_a_filter_holds_for_it_too(tmp_path: Path) -> None:
    retriever = open_shop(tmp_path, HONEST)
    answer = ask(retriever, search_request("red mug", condition=parse_filter('id: ANY("m01", "m02")', "FILTER")))
    assert sorted(ids_of(retriever, answer)) == ["m01", "m02"]
    assert not (answer.sources & FLAGS["chosen"]).any()


def test_a_snapshot_from_before_knows_nothing_and_answers(tmp_path: Path) -> None:
    retriever = open_shop(tmp_path, [])
    snapshot = retriever.catalog.snapshot
    learned = read_learned(snapshot.folder)
    kept = {name: array for name, array in learned.arrays().items() if not name.startswith(("query_", "past_"))}
    learned = snapshot.learned = Learned(kept, until=learned.until, bought=learned.bought)
    assert len(learned.get(QUERY_USE)) == len(learned.get(PAST_QUERIES)) == 0
    assert len(ask(retriever, search_request("red mug")).rows) == len(MUGS)


def test_categories_of_words_that_were_searched_alone_are_counted(tmp_path: Path) -> None:
    history = [one for n in range(30) for one in choose(f"c{n}", f"m{n:02d}", "mugs")]
    history += [one for n in range(30) for one in choose(f"d{n}", f"t{n % 10:02d}", "blue kitchen")]
    few = [one for n in range(4) for one in choose(f"e{n}", "t01", "coffee")]
    retriever = open_shop(tmp_path, [*history, *few])
    snapshot = retriever.catalog.snapshot
    counts = count_word_categories(snapshot.learned.get(QUERY_USE), snapshot.words.terms)
    names = {code: name for name, code in snapshot.settings["leaf_categories"].items()}
    assert {term: {names[code]: people for code, people in of.items()} for term, of in counts.items()} == {
        "mug": {"Mugs": 30.0}
    }
    assert count_word_categories(QueryUse(), snapshot.words.terms) == {}


def test_what_is_learned_is_stored_and_read_back(tmp_path: Path) -> None:
    retriever = open_shop(tmp_path, HONEST)
    learned = retriever.catalog.snapshot.learned
    use, past = learned.get(QUERY_USE), learned.get(PAST_QUERIES)
    assert use.people.tolist() == [40]
    assert use.strengths.dtype == np.float32
    assert past.count_people() == {"red mug": 14, "mugs, red": 13, "red mugs": 13}
    assert past.choosers.tolist() == past.people.tolist()
