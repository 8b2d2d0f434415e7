"""Heads of the ranker for what else than a purchase a request may lead to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mercato_export.networks.ranker import RankerConfig, RankerNetwork, load_ranker, save_ranker
from mercato_training.ranker.examples import ExampleSet, Task
from mercato_training.ranker.fit import (
    FitOptions,
    Vectors,
    compute_loss,
    compute_outcome_losses,
    compute_scores,
    fit_ranker,
)

NAMES = ("fused", "signal", "other")
CONFIG = RankerConfig(
    feature_names=NAMES, dimension=4, projection=2, hidden=(8,), outcomes=("purchase", "cart"), blend=(1.0, 0.5)
)
WIDTH = 6


def make_examples(count: int, seed: int) -> ExampleSet:
    """Make lists in which the largest signal was bought in a few, and the largest `other` put into the cart in all."""
    rng = np.random.default_rng(seed)
    features = rng.random((count, WIDTH, len(NAMES)), np.float32)
    bought, carted = (features[..., at] == features[..., at].max(axis=1, keepdims=True) for at in (1, 2))
    bought[count // 4 :] = False
    return ExampleSet(
        rows=rng.integers(0, 20, (count, WIDTH)).astype(np.int32),
        features=features,
        bought=bought,
        query=np.full(count, -1, np.int32),
        history=np.zeros((count, 4), np.float32),
        tasks=[Task(actor=0, time=0.0, query=-1, bought=np.zeros(1, np.int32))] * count,
        further={"cart": carted, "click": np.zeros_like(carted)},
    )


def make_vectors() -> Vectors:
    rng = np.random.default_rng(0)
    return Vectors(
        rng.normal(size=(5, 4)).astype(np.float32), np.arange(20, dtype=np.int32) % 5, np.zeros((0, 4), np.float32)
    )


def make_network(config: RankerConfig = CONFIG) -> RankerNetwork:
    torch.manual_seed(1)
    network = RankerNetwork(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def test_the_score_is_the_blend_of_the_outcomes() -> None:
    network, examples, vectors = make_network(), make_examples(3, 1), make_vectors()
    with torch.inference_mode():
        inputs = vectors.inputs(examples, np.arange(3))
        apart = network.score_members(*inputs)
        torch.testing.assert_close(network(*inputs), apart[0, ..., 0] + 0.5 * apart[0, ..., 1])
    assert apart.shape == (1, 3, WIDTH, 2)


def test_each_outcome_has_the_loss_of_the_lists_that_have_it() -> None:
    network, examples, vectors = make_network(), make_examples(8, 1), make_vectors()
    listed = torch.ones(2, WIDTH, dtype=torch.bool)
    with torch.inference_mode():
        of_all = network.score_members(*vectors.inputs(examples, np.arange(8)))
        losses = compute_outcome_losses(network, examples, of_all, np.arange(8))
        assert losses.shape == (1, 2)
        scores = network.score_members(*vectors.inputs(examples, np.arange(2)))[0, ..., 0]
        # An eighth of a quarter: lists 0 and 1 are those with a purchase.
        expected = compute_loss(scores, torch.from_numpy(examples.bought[:2]), listed).mean()
        torch.testing.assert_close(losses[0, 0], expected)
        nothing = compute_outcome_losses(network, examples, of_all[:, 4:], np.arange(4, 8))
    assert nothing[0, 0] == 0
    assert nothing[0, 1] > 0


def test_a_head_learns_its_own_outcome_and_is_served_as_far_as_the_blend_says() -> None:
    vectors, test = make_vectors(), make_examples(200, 3)
    options = FitOptions(epochs=12, batch_size=32, learning_rate=1e-2, seed=3)
    fits = {
        blend: fit_ranker(
            make_examples(600, 1), make_examples(200, 2), vectors, replace(CONFIG, blend=blend), options
        ).network
        for blend in ((1.0, 0.0), (0.0, 1.0))
    }
    best = {blend: compute_scores(network, test, vectors).argmax(axis=1) for blend, network in fits.items()}
    signal, other = (test.features[..., at].argmax(axis=1) for at in (1, 2))
    assert (best[1.0, 0.0] == signal).mean() > 0.7
    assert (best[0.0, 1.0] == other).mean() > 0.7


def test_heads_are_kept_with_their_names(tmp_path: Path) -> None:
    save_ranker(tmp_path, make_network())
    network, config = load_ranker(tmp_path)
    assert (config.outcomes, config.blend) == (("purchase", "cart"), (1.0, 0.5))
    assert network.config == CONFIG


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcomes": ("cart",), "blend": (1.0,)},
        {"outcomes": ("purchase", "cart"), "blend": (1.0,)},
        {"outcomes": ("purchase", "cart"), "blend": (1.0, 1.0), "hidden": ()},
    ],
)
def test_outcomes_that_do_not_fit_are_refused(wrong: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(ValueError, match="outcomes must be purchase"):
        replace(CONFIG, **wrong)  # type: ignore[arg-type]
