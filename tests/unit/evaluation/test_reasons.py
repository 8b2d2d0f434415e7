"""Explanations against the purchases that are known, and sources against what was bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from mercato.errors import DataError
from mercato.evaluation.asking import Answer, ReturnedProduct
from mercato.evaluation.holdout import Interactions
from mercato.evaluation.reasons import check_reasons, refuse_memory
from mercato.evaluation.shoppers import Shopper
from mercato.evaluation.stages import measure_sources, order_by_stage
from mercato.text.timestamps import parse_timestamp

BOUGHT_AT = "2011-10-03T09:30:00Z"
NOVEMBER = parse_timestamp("2011-11-01T00:00:00Z")


def past(*purchases: tuple[str, str, str | None]) -> Interactions:
    time = np.array([np.nan if at is None else parse_timestamp(at) for _, _, at in purchases])
    return Interactions(
        users=[user for user, _, _ in purchases],
        products=[product for _, product, _ in purchases],
        position=time,
        time=time,
        rating=np.full(len(purchases), np.nan),
    )


def shopper(user: str = "u", moment: float | None = NOVEMBER) -> Shopper:
    return Shopper(user=user, bought={"x": 1}, ratings={}, before=frozenset("a"), moment=moment)


def explained(product: str, **because: str) -> ReturnedProduct:
    return ReturnedProduct(id=product, title=f"the {product}", text="a sentence" if because else "", because=because)


def bought(product: str, at: str = BOUGHT_AT) -> Mapping[str, str]:
    return {"source": "repeat", "product_id": product, "event_type": "purchase-complete", "time": at}


def check(*found: ReturnedProduct, known: Interactions, k: int = 20) -> dict[str, Any]:
    return check_reasons([Answer(results=found)], [shopper()], known, k)


def test_an_explanation_is_true_where_that_purchase_is_known() -> None:
    known = past(("u", "a", BOUGHT_AT), ("v", "b", BOUGHT_AT))
    checked = check(
        explained("x", **bought("a")),
        explained("y", **bought("b")),  # somebody else's
        explained("z", **bought("a", at="2011-10-04T09:30:00Z")),  # another day
        explained("popular", source="popular"),
        explained("silent"),
        known=known,
    )
    assert (checked["results"], checked["checked"]) == (5, 3)
    assert checked["sentence_share"] == 4 / 5
    assert checked["event_share"] == 3 / 5
    assert checked["true_share"] == pytest.approx(1 / 3, abs=1e-6)
    assert checked["by_source"] == {"repeat": 3 / 5, "popular": 1 / 5}
    assert [one["product_id"] for one in checked["untrue"]] == ["y", "z"]


def test_without_times_the_product_decides() -> None:
    checked = check(explained("x", **bought("a")), explained("y", **bought("b")), known=past(("u", "a", None)))
    assert checked["true_share"] == 1 / 2


def test_views_and_unknown_pasts_are_not_judged() -> None:
    view = {**bought("a"), "event_type": "detail-page-view"}
    assert check(explained("x", **view), known=past(("u", "a", BOUGHT_AT)))["true_share"] is None
    assert check(explained("x", **bought("a")), known=Interactions())["checked"] == 0
    assert check(explained("x"), known=past(("u", "a", BOUGHT_AT))) == {}


def test_only_the_first_products_are_looked_at_and_the_samples_are_of_different_users() -> None:
    answers = [Answer(results=(explained("x", **bought("a")), explained("y", **bought("a")))) for _ in range(3)]
    checked = check_reasons(answers, [shopper("u"), shopper("v"), shopper("w")], Interactions(), 2)
    assert [(one["user"], one["product_id"]) for one in checked["samples"]] == [("u", "x"), ("v", "y"), ("w", "x")]
    assert check_reasons(answers, [shopper("u")] * 3, Interactions(), 1)["results"] == 3


def test_a_server_that_names_the_holdouts_time_is_refused_with_both_dates() -> None:
    early = Answer(results=(explained("x", **bought("a")),))
    late = Answer(results=(explained("x", **bought("a", at="2011-11-05T10:00:00Z")),))
    refuse_memory([early, Answer()], [shopper(), shopper("v")])
    refuse_memory([late], [shopper(moment=None)])  # without times nothing is late
    with pytest.raises(DataError, match="up to 2011-11-05T10:00:00Z, user 'v' is asked for as of 2011-11-01T00:00:00Z"):
        refuse_memory([early, late], [shopper(), shopper("v")])


def test_a_server_that_names_what_is_to_be_foretold_is_refused_where_there_are_no_times() -> None:
    told = Answer(results=(explained("y", **bought("x")),))  # x is what the shopper is to be recommended
    with pytest.raises(DataError, match="says that user 'u' bought 'x', which is to be foretold"):
        refuse_memory([told], [shopper(moment=None)])
    refuse_memory([Answer(results=(explained("x", **bought("a")),))], [shopper(moment=None)])
    again = Shopper(user="u", bought={"x": 1}, ratings={}, before=frozenset("ax"), moment=None)
    refuse_memory([told], [again])  # it was bought before, too
    nothing_known = Shopper(user="u", bought={"x": 1}, ratings={}, before=frozenset(), moment=None)
    refuse_memory([told], [nothing_known])


def test_sources_share_what_was_shown_and_what_was_right() -> None:
    answers = [
        Answer(
            results=(
                ReturnedProduct(id="x", sources=("repeat", "popular")),
                ReturnedProduct(id="y", sources=("popular",)),
            )
        ),
        Answer(
            results=(ReturnedProduct(id="z", sources=("repeat",)), ReturnedProduct(id="late", sources=("popular",)))
        ),
    ]
    found = measure_sources(answers, [{"x": 1}, {"z": 1, "late": 1}], 2)
    # 4 products shown, x, z and late of them right
    assert found == {
        "repeat": {"shown_share": 2 / 4, "right_share": round(2 / 3, 6), "precision": 1.0},
        "popular": {"shown_share": 3 / 4, "right_share": round(2 / 3, 6), "precision": round(2 / 3, 6)},
    }
    assert measure_sources(answers, [{}, {}], 1)["repeat"]["right_share"] is None
    assert measure_sources([Answer()], [{"x": 1}], 2) == {}


def test_sources_stand_between_words_and_the_fusion() -> None:
    ranks = {"ranker": 1, "fusion": 1, "repeat": 1, "also_bought": 1}
    answers = [Answer(results=(ReturnedProduct(id="x", stages=ranks),))]
    assert list(order_by_stage(answers, answers)) == ["also_bought", "repeat", "fusion", "ranker", "shown"]
