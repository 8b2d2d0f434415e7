"""A server that learned from events of the holdout's time is refused, one that does not say it is warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from mercato_client import Client, ResultPage

from mercato.errors import DataError
from mercato.evaluation.asking import read_learned
from mercato.evaluation.holdout import Split, divide
from mercato.evaluation.learned import LearnedFrom, refuse_late_learning
from mercato.evaluation.measures import plan_measures
from mercato.evaluation.recommend import RecommendSettings, evaluate_recommend
from mercato.text.timestamps import parse_timestamp

NOVEMBER = parse_timestamp("2011-11-01T00:00:00Z")
BEFORE = {"last_event_time": "2011-10-31T23:59:59Z"}
LATE = {"last_event_time": "2011-12-09T12:50:00Z"}


class TellingClient:
    """A server that says how late its events are, to who asks for explanations; it has one product."""

    def __init__(self, **learned_from: object) -> None:
        self.learned_from = learned_from

    def recommend(self, placement: str, *, explain: bool = False, **_: Any) -> ResultPage:
        return ResultPage(results=(), total=1, details={"learned_from": self.learned_from} if explain else {})


def open_stub(**learned_from: object) -> Client:
    return cast("Client", TellingClient(**learned_from))


@pytest.fixture
def split(tmp_path: Path) -> Split:
    return divide(write(tmp_path, "u1,a,2011-10-01\nu1,b,2011-11-01\nu2,c,2011-11-03\n"), {}, NOVEMBER, False, None)


def write(folder: Path, rows: str) -> Path:
    path = folder / "h.csv"
    path.write_text(f"user_id,product_id,time\n{rows}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("ranker", "the ranker that is served .*mercato train ranker"),
        ("sequence", "the sequence model that is served .*mercato train sequence"),
        ("catalog", "the catalogue that is served .*mercato index --until 2011-11-01T00:00:00Z"),
        ("oracle", "the oracle that is served .*train it on what came before it alone"),
    ],
)
def test_a_part_that_has_learned_the_holdout_is_refused_with_both_dates(split: Split, part: str, message: str) -> None:
    assert refuse_late_learning(split, {"catalog": BEFORE, part: BEFORE}) == []
    for last in ("2011-11-01T00:00:00Z", "2011-12-09T12:50:00Z"):  # the moment itself is not before it
        with pytest.raises(DataError, match=message) as caught:
            refuse_late_learning(split, {"catalog": BEFORE, part: {"last_event_time": last}})
        assert f"events up to {last}, the holdout starts at 2011-11-01T00:00:00Z" in str(caught.value)


def test_an_evaluation_refuses_before_it_asks_for_anybody(split: Split) -> None:
    client = open_stub(catalog=BEFORE, ranker=LATE)
    with pytest.raises(DataError, match="the ranker that is served has learned from events up to 2011-12-09T12:50:00Z"):
        evaluate_recommend(client, split, plan_measures([1], cutoffs=(5,)), RecommendSettings())


def test_who_learned_from_no_events_knows_nothing(split: Split) -> None:
    assert (
        refuse_late_learning(split, {"catalog": {"last_event_time": None}, "ranker": {"last_event_time": None}}) == []
    )


@pytest.mark.parametrize("facts", [{}, {"last_event_time": "soon"}, {"last_event_time": 3}, None])
def test_a_part_that_does_not_say_it_is_warned_of(split: Split, facts: Any) -> None:
    [warning] = refuse_late_learning(split, {"catalog": BEFORE, "ranker": facts})
    assert "the ranker that is served" in warning
    assert "train and export it again" in warning
    [warning] = refuse_late_learning(split, {"catalog": facts, "ranker": BEFORE})
    assert "the catalogue that is served" in warning
    assert "index it again" in warning


def test_an_older_server_says_nothing(split: Split) -> None:
    [warning] = refuse_late_learning(split, {})
    assert "nobody checked that the server has learned from nothing of the holdout's time" in warning


def test_where_each_user_has_a_moment_the_latest_counts_and_the_others_are_warned_of(tmp_path: Path) -> None:
    rows = "u1,a,2011-10-01\nu1,b,2011-11-02\nu2,c,2011-11-03\nu2,d,2011-11-04\n"
    split = divide(write(tmp_path, rows), {}, None, True, None)
    learned_from: LearnedFrom = {"ranker": {"last_event_time": "2011-11-03T00:00:00Z"}}
    [warning] = refuse_late_learning(split, learned_from)
    assert "up to 2011-11-03T00:00:00Z: 1 users are asked for as of an earlier moment" in warning  # u1
    with pytest.raises(DataError, match="the holdout starts at 2011-11-04T00:00:00Z"):
        refuse_late_learning(split, {"ranker": {"last_event_time": "2011-11-04T00:00:00Z"}})


def test_without_times_nothing_is_late(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("user_id,product_id\nu1,a\nu1,b\n", encoding="utf-8")
    assert refuse_late_learning(divide(path, {}, None, True, None), {"ranker": LATE}) == []


def test_what_the_server_says_is_read_from_an_explained_page() -> None:
    assert read_learned(open_stub(ranker=LATE)) == {"ranker": LATE}
    assert read_learned(open_stub()) == {}
