import numpy as np
import pytest
import torch

from mercato.errors import DataError
from mercato_export.networks.ranker import KIND_FEATURES, RankerConfig
from mercato_training.ranker.examples import ExampleSet, Task
from mercato_training.ranker.fit import (
    FitOptions,
    Vectors,
    compute_kind_loss,
    compute_loss,
    compute_scores,
    find_kinds,
    fit_ranker,
)

NAMES = ("fused", "signal")
CONFIG = RankerConfig(feature_names=NAMES, dimension=4, projection=2, hidden=(8,))
OPTIONS = FitOptions(epochs=12, batch_size=32, learning_rate=1e-2, seed=3)


def make_examples(count: int, seed: int, width: int = 6) -> ExampleSet:
    """Make lists where what has the largest signal was bought, whatever retrieval thinks of it."""
    rng = np.random.default_rng(seed)
    features = rng.random((count, width, len(NAMES)), np.float32)
    rows = rng.integers(0, 20, (count, width)).astype(np.int32)
    rows[:, -1] = np.where(rng.random(count) < 0.5, -1, rows[:, -1])
    signal = np.where(rows >= 0, features[..., 1], -1.0)
    bought = signal == signal.max(axis=1, keepdims=True)
    tasks = [Task(actor=0, time=0.0, query=-1, bought=np.zeros(1, np.int32))] * count
    history = np.zeros((count, 4), np.float32)
    return ExampleSet(
        rows=rows, features=features, bought=bought, query=np.full(count, -1, np.int32), history=history, tasks=tasks
    )


def make_vectors() -> Vectors:
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(5, 4)).astype(np.float32)
    return Vectors(texts, np.arange(20, dtype=np.int32) % 5, rng.normal(size=(2, 4)).astype(np.float32))


def test_loss_is_the_mean_log_share_of_what_was_bought() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 99.0]])
    bought = torch.tensor([[True, False, True], [False, True, False]])
    listed = torch.tensor([[True, True, True], [True, True, False]])
    total = np.exp([1.0, 2.0, 3.0]).sum()
    first = -(np.log(np.exp(1.0) / total) + np.log(np.exp(3.0) / total)) / 2
    second = -np.log(np.exp(1.0) / (np.exp(0.0) + np.exp(1.0)))
    assert compute_loss(scores, bought, listed).tolist() == pytest.approx([first, second])


def test_it_learns_what_was_bought() -> None:
    vectors = make_vectors()
    fit = fit_ranker(make_examples(600, 1), make_examples(100, 2), vectors, CONFIG, OPTIONS)
    test = make_examples(200, 3)
    best = compute_scores(fit.network, test, vectors).argmax(axis=1)
    hits = test.bought[np.arange(200), best].mean()
    before = test.bought[np.arange(200), np.where(test.rows >= 0, test.features[..., 0], -1).argmax(axis=1)].mean()
    assert before < 0.3
    assert hits > 0.8
    assert min(fit.validation_loss) < fit.start_loss
    assert fit.validation_loss[fit.best_epoch - 1] == min(fit.validation_loss)


def test_padding_gets_no_score_and_lists_without_a_purchase_are_left_out() -> None:
    vectors = make_vectors()
    train = make_examples(64, 1)
    train.bought[::2] = False
    fit = fit_ranker(train, make_examples(16, 2), vectors, CONFIG, FitOptions(epochs=1))
    assert np.isfinite(fit.train_loss).all()
    test = make_examples(16, 3)
    assert (np.isneginf(compute_scores(fit.network, test, vectors)) == (test.rows < 0)).all()


def test_lists_in_which_nothing_was_bought_are_nothing_to_learn_from_nor_to_stop_by() -> None:
    vectors, told, nothing = make_vectors(), make_examples(16, 1), make_examples(16, 2)
    nothing.bought[:] = False
    with pytest.raises(DataError, match="lists to learn from in which something was bought"):
        fit_ranker(nothing, told, vectors, CONFIG, OPTIONS)
    with pytest.raises(DataError, match="lists that decide when to stop in which something was bought"):
        fit_ranker(told, nothing, vectors, CONFIG, OPTIONS)


def test_one_seed_gives_one_network() -> None:
    vectors = make_vectors()
    first, again, other = (
        fit_ranker(make_examples(64, 1), make_examples(16, 2), vectors, CONFIG, FitOptions(epochs=2, seed=seed))
        for seed in (5, 5, 6)
    )
    assert first.train_loss == again.train_loss
    assert first.train_loss != other.train_loss


def test_it_stops_when_validation_no_longer_improves() -> None:
    vectors = make_vectors()
    validation = make_examples(64, 2)
    # In validation the opposite was bought, so that every step makes it worse.
    signal = np.where(validation.rows >= 0, validation.features[..., 1], 9.0)
    validation.bought[:] = signal == signal.min(axis=1, keepdims=True)
    fit = fit_ranker(
        make_examples(300, 1), validation, vectors, CONFIG, FitOptions(epochs=9, patience=2, learning_rate=0.02)
    )
    assert fit.best_epoch == 0
    assert len(fit.train_loss) == 2
    # The network is the one it started from: the order of retrieval.
    np.testing.assert_allclose(
        compute_scores(fit.network, validation, vectors)[validation.rows >= 0],
        validation.features[..., 0][validation.rows >= 0],
        rtol=1e-6,
    )


def test_position_minus_one_is_no_query() -> None:
    vectors = make_vectors()
    examples = make_examples(2, 1)
    examples.query[1] = 1
    query, _, candidates, _ = vectors.inputs(examples, np.arange(2))
    assert query[0].tolist() == [0.0] * 4
    assert query[1].abs().sum() > 0
    assert candidates.shape == (2, 6, 4)


def test_the_loss_of_a_kind_is_what_its_products_lack_of_all_whichever_was_bought() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0, 9.0], [0.0, 1.0, 2.0, 3.0], [5.0, 4.0, 3.0, 2.0]])
    of_kind = torch.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    listed = torch.tensor([[True, True, True, False], [True] * 4, [True] * 4])
    first = -np.log((np.exp(1.0) + np.exp(2.0)) / (np.exp(1.0) + np.exp(2.0) + np.exp(3.0)))
    # The second list has no other kind, the third not the right one.
    assert compute_kind_loss(scores, of_kind, listed).item() == pytest.approx(first / 3)
    assert compute_kind_loss(scores[1:], of_kind[1:], listed[1:]).item() == 0.0


def test_of_a_kind_is_what_fits_the_query_as_something_bought_does_by_meaning_and_words() -> None:
    names = ("fused", *KIND_FEATURES)
    one = [[0.9, 0.5, 0.2], [0.8, 0.5, 0.2], [0.7, 0.5, 0.3], [0.6, 0.4, 0.2], [0.5, 0.6, 0.0], [0.0, 0.5, 0.2]]
    task = Task(actor=0, time=0.0, query=0, bought=np.zeros(1, np.int32))
    bought = np.array([[True, False, False, False, True, False]] * 2)
    examples = ExampleSet(
        rows=np.array([[3, 4, 5, 6, 7, -1]] * 2, np.int32), features=np.array([one] * 2, np.float32), bought=bought,
        query=np.array([0, -1], np.int32), history=np.zeros((2, 4), np.float32), tasks=[task] * 2,
    )  # fmt: skip
    expected = [[True, True, False, False, True, False], [False] * 6]
    assert find_kinds(examples, names).tolist() == expected
    # Where no category is known everything is alike, and nothing is learned.
    assert find_kinds(examples, ("fused", "signal", "other"))[0].tolist() == [True] * 5 + [False]
