"""The curve of a dial: what is measured at each setting, by hand, and how settings are compared."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from mercato_client import Client, Product, ResultPage

from mercato.errors import InvalidInputError
from mercato.evaluation.asking import Answer, Ask, ReturnedProduct
from mercato.evaluation.dials import DEFAULT_SETTINGS, Curve, measure_curves, measure_point, parse_curve
from mercato.evaluation.holdout import Interactions
from mercato.evaluation.measures import plan_measures
from mercato.evaluation.shoppers import Shopper

PLAN = plan_measures([1], cutoffs=[2])
PAST = Interactions(users=["u1", "u2", "u3"], products=["a", "a", "a"])


def shopper(user: str, *bought: str, before: tuple[str, ...] = ()) -> Shopper:
    return Shopper(user=user, bought=dict.fromkeys(bought, 1), ratings={}, before=frozenset(before), moment=None)


def test_a_dial_is_read_with_its_settings() -> None:
    assert parse_curve("novelty") == Curve(dial="novelty", settings=DEFAULT_SETTINGS)
    assert parse_curve("margin=1,0.5,0.5") == Curve(dial="margin", settings=(0.0, 0.5, 1.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("speed", "must be one of novelty, diversity, coverage, margin, got 'speed'"),
        ("novelty=", "settings from 0 to 1"),
        ("novelty=0,1.5", "settings from 0 to 1, got '0,1.5'"),
        ("novelty=a", "settings from 0 to 1"),
        ("novelty=" + ",".join(str(number / 100) for number in range(30)), "at most 20 settings"),
    ],
)
def test_what_is_no_dial_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_curve(text)


def test_a_point_is_what_can_be_worked_out_by_hand() -> None:
    a = ReturnedProduct(id="a", title="red cup", price=10.0, numbers={"margin": 1.0})
    b = ReturnedProduct(id="b", title="blue pan", price=30.0)
    c = ReturnedProduct(id="c", title="red pan")
    answers = [Answer(results=(a, b)), Answer(results=(b, c)), Answer()]
    shoppers = [shopper("u1", "b"), shopper("u2", "a"), shopper("u3", "c")]
    by_price = measure_point(answers, shoppers, ({"a": 3}, 3), PLAN, 2)
    assert by_price["recall@2"].tolist() == [1.0, 0.0, 0.0]
    # second of two: 1 / log2(3)
    assert by_price["ndcg@2"].tolist() == pytest.approx([1 / np.log2(3), 0.0, 0.0])
    # of three buyers all bought a, nobody b or c: -log2(4 / 4) and -log2(1 / 4)
    assert by_price["novelty@2"].tolist()[:2] == [1.0, 2.0]
    assert by_price["value@2"].tolist() == [30.0, 0.0, 0.0]
    assert by_price["offer@2"].tolist()[:2] == [20.0, 30.0]
    assert np.isnan(by_price["offer@2"][2])
    by_margin = measure_point(answers, shoppers, ({"a": 3}, 3), PLAN, 2, "attributes.margin")
    assert by_margin["value@2"].tolist() == [3.0, 0.0, 0.0]  # b has no margin: its price at a's rate of a tenth
    assert "novelty@2" not in measure_point(answers, shoppers, ({}, 0), PLAN, 2)


def test_settings_are_compared_with_0_user_by_user() -> None:
    """A server whose dial puts "b", which everybody buys, first; at 0 it shows "a", which all but one had before."""

    def make_question(of: Shopper, options: Mapping[str, Any]) -> Ask:
        def ask(client: Client, page_size: int, offset: int) -> ResultPage:
            ids = ["b", "a"] if options["novelty"] > 0.3 else ["a", "b"]
            products = tuple(
                Product(id=one, score=1.0, rank=rank, price=5.0) for rank, one in enumerate(ids[:page_size], 1)
            )
            return ResultPage(results=products, total=2)

        return ask

    users = [shopper(f"u{number}", "b", before=("a",) if number else ()) for number in range(6)]
    asked: dict[str, Any] = {
        "make_question": make_question,
        "options": {},
        "catalogue": 4,
        "shown": 1,
        "seed": 3,
    }
    plan = plan_measures([1], cutoffs=[1])
    client = cast(Client, None)
    assert measure_curves(client, [], users, PAST, plan, new_only=False, **asked) == {}
    curve = Curve(dial="novelty", settings=(0.0, 0.2, 0.5))
    found = measure_curves(client, [curve], users, PAST, plan, new_only=False, users=4, **asked)
    assert (found["users"], found["k"]) == (4, 1)
    first, second, third = found["dials"]["novelty"]
    assert [point["setting"] for point in (first, second, third)] == [0.0, 0.2, 0.5]
    assert [point["metrics"]["recall@1"] for point in (first, second, third)] == [0.0, 0.0, 1.0]
    assert third["change"]["recall@1"]["difference"] == 1.0
    assert third["change"]["recall@1"]["wins"] == 4
    assert second["change"]["recall@1"]["ties"] == 4
    assert third["metrics"]["coverage@1"] == 0.25
    # what was bought before is taken out: "b" comes first for all but the one without a history
    new = measure_curves(client, [curve], users, PAST, plan, new_only=True, **asked)
    assert new["dials"]["novelty"][0]["metrics"]["recall@1"] == pytest.approx(5 / 6, abs=1e-6)
