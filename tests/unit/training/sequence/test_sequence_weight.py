"""The weight of the sequence model: the smallest that is not surely worse, and what it goes by."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.recommendation.generated_sequences import Recipe, make_histories
from mercato.arrays import Int64
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.requests.retrieval import Placement
from mercato.retrieval.source_weights import WEIGHTS
from mercato_export.networks.sequence import SequenceConfig
from mercato_training.common.cards import render_card
from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Tools
from mercato_training.sequence.data import Histories, History, collect_histories, hold_out
from mercato_training.sequence.events import UserEvents
from mercato_training.sequence.fit import SequenceFitOptions
from mercato_training.sequence.metrics import (
    SequenceCounts,
    SequenceMetrics,
    SequenceTrainingOptions,
    WeightMetrics,
)
from mercato_training.sequence.weight import GRID, OtherSources, choose_weight, pick_smallest

DAY = 86_400.0


def generate() -> tuple[UserEvents, Histories, list[History]]:
    histories = make_histories(Recipe(users=150, products=60, seed=5))
    users = [str(user) for user, codes in enumerate(histories) for _ in codes]
    bought = UserEvents.purchases(users, [f"p{code}" for codes in histories for code in codes.tolist()])
    found = collect_histories(bought)
    return bought, found, hold_out(found, bought, share=0.4, most=100, seed=1)[1]


def test_what_knows_the_future_leads() -> None:
    bought, found, kept = generate()
    right = {tuple(one.before_last().codes.tolist()): one.codes[one.last_visit :] for one in kept}
    choice = choose_weight(bought, found, kept, lambda held: [right[tuple(codes.tolist())] for codes in held], seed=1)
    assert choice is not None
    # a list of one product that is always right: heard loud enough, it is the first of each fused list
    assert choice.alone["sequence"] == 1.0
    assert choice.recall[GRID[-1]] == 1.0
    assert choice.recall[choice.weight] == 1.0
    assert choice.weight > 0
    assert choice.recall[0.0] < 0.5
    assert list(choice.recall) == list(GRID)


def test_what_knows_nothing_is_not_heard() -> None:
    bought, found, kept = generate()
    random = np.random.default_rng(2)
    products = len(found.product_ids)

    def guess(held: Sequence[Int64]) -> list[Int64]:
        return [random.permutation(products) + 1 for _ in held]

    choice = choose_weight(bought, found, kept, guess, seed=1)
    assert choice is not None
    assert choice.weight == 0.0
    assert choice.visits == len(kept)


def test_nothing_kept_back_chooses_nothing() -> None:
    bought, found, _ = generate()
    assert choose_weight(bought, found, [], lambda held: [], seed=1) is None


def test_the_smallest_that_is_not_surely_worse() -> None:
    # 100 visits; the second column wins 50 of them, the third 52, the fourth 20
    values = np.zeros((100, 4))
    values[:50, 1], values[:52, 2], values[:20, 3] = 1.0, 1.0, 1.0
    # the third less the second: 2 of 100 are 1; mean .02, error sqrt(.02 * .98 / 99) = .014: surely better
    assert pick_smallest(values) == 2
    # now each wins some that the other loses: mean .02, error sqrt((.12 - .0004) * 100 / 99) / 10 = .035
    values[:, 2] = np.concatenate([np.zeros(5), np.ones(52), np.zeros(43)])
    assert pick_smallest(values) == 1
    assert pick_smallest(np.zeros((5, 3))) == 0
    assert pick_smallest(np.array([[0.0, 1.0, 1.0]])) == 1


def test_the_others_do_not_know_what_was_kept_back() -> None:
    # six users buy a, b on day 1; one of them d on day 9, which is kept back
    users = [user for user in "uvwxyz" for _ in "ab"] + ["u", "v", "v"]
    products = ["a", "b"] * 6 + ["d", "c", "d"]
    time = np.array([DAY] * 12 + [9 * DAY, 2 * DAY, 2 * DAY])
    order = np.argsort(time, kind="stable")
    bought = UserEvents.purchases([users[row] for row in order], [products[row] for row in order], time[order])
    found = collect_histories(bought, min_events=1)
    kept = next(one for one in found.users if bought.users[one.indices[0]] == "u")
    assert kept.last_visit == 2
    others = OtherSources(bought, found, [kept])
    rows = {product: int(others.row_of_code[code]) for code, product in enumerate(found.product_ids, 1)}
    # a and b were bought six times, c once; d once too where the visit is kept back, and twice where it is known
    assert (rows["a"], rows["b"], rows["c"], rows["d"]) == (0, 1, 2, 3)
    lists = others.ask(kept)
    assert sorted(lists["repeat"].rows.tolist()) == [rows["a"], rows["b"]]
    # both eight days old at the beginning of the visit: 0.5 ** (8 / 60) each
    np.testing.assert_allclose(lists["repeat"].scores, [0.5 ** (8 / 60)] * 2, rtol=1e-6)
    assert lists["popular"].rows.tolist() == [0, 1, 2, 3]


def test_what_was_only_seen_says_less() -> None:
    users, products = ["u", "u", "u", "v", "v"], ["a", "b", "c", "a", "b"]
    bought = UserEvents.purchases(users, products, np.array([0.0, 0.0, DAY, 0.0, 0.0]))
    bought.type[1] = EVENT_TYPE_CODES["detail-page-view"]
    found = collect_histories(bought, min_events=1)
    kept = found.users[0]
    others = OtherSources(bought, found, [kept])
    scores = others.ask(kept)["repeat"].scores
    # a view counts 0.3 of a purchase
    assert scores[1] == pytest.approx(0.3 * float(scores[0]))


def test_a_card_without_a_choice_says_so() -> None:
    metrics = SequenceMetrics(
        config=SequenceConfig(products=9),
        options=SequenceTrainingOptions(fit=SequenceFitOptions()),
        source="",
        counts=SequenceCounts(events=9, users=2, products=9, rare_products=0, held_out_users=0, texts=0, weights=1),
        fit=FitHistory(start_loss=1.0, train_loss=[1.0], validation_loss=[1.0], best_epoch=1),
        results={},
        weight=None,
        seconds=1.0,
        tools=Tools(torch="2", threads=1),
    )
    assert "a server takes its default" in render_card("sequence/card.md.jinja", {"m": metrics})
    chosen = WeightMetrics(chosen=30.0, recall={"0": 0.125, "30": 0.5}, alone_recall={"sequence": 0.4}, visits=8)
    weighed = replace(metrics, weight=chosen)
    assert weighed.as_json()["weight"] == {
        "chosen": 30.0, "recall@10": {"0": 0.125, "30": 0.5}, "alone_recall@10": {"sequence": 0.4}, "visits": 8,
        "rival": "", "lead": 0.0, "lead_error": 0.0,
    }  # fmt: skip
    card = render_card("sequence/card.md.jinja", {"m": weighed})
    assert "**Weight 30**" in card
    assert "No other source had anything to say; it adds to the other sources, at weight 30." in card
    assert "| 0 | 0.125 |" in card and "| 30 | 0.500 |" in card
    assert "Each source alone: sequence 0.400." in card


def test_the_others_are_all_sources_that_a_home_page_asks() -> None:
    bought, found, kept = generate()
    others = OtherSources(bought, found, kept)
    assert {source.label for source in others.asked} == set(WEIGHTS[Placement.HOME_PAGE]) - {"sequence"}
