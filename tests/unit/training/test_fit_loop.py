"""The fit loop: which pass is kept, when it ends, and what it tells."""

from __future__ import annotations

import math

import pytest
import torch

from mercato.errors import ModelError
from mercato_training.common.fit_loop import FitHistory, NetworkLearner, check_loss, fit_until_no_better


class Scripted(NetworkLearner[torch.nn.Linear]):
    """A network whose only weight is the number of its passes, and whose losses are given."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__(torch.nn.Linear(1, 1, bias=False))
        torch.nn.init.zeros_(self.network.weight)
        self.losses = losses
        self.passes = 0

    def run_epoch(self, epoch: int) -> float:
        self.network.train()
        self.passes += 1
        assert epoch == self.passes
        with torch.no_grad():
            self.network.weight += 1
        return 10.0 * epoch

    def measure(self) -> float:
        return self.losses[self.passes]


def fit(losses: list[float], *, keep_last: bool = False, patience: int = 2) -> tuple[FitHistory, Scripted, list[str]]:
    learner, lines = Scripted(losses), []
    history = fit_until_no_better(
        learner,
        epochs=len(losses) - 1,
        patience=patience,
        start_loss=learner.measure(),
        say=lines.append,
        keep_last=keep_last,
    )
    return history, learner, lines


def test_the_weights_of_the_best_pass_are_kept() -> None:
    history, learner, lines = fit([5.0, 4.0, 3.0, 3.5])
    assert history == FitHistory(
        start_loss=5.0, train_loss=[10.0, 20.0, 30.0], validation_loss=[4.0, 3.0, 3.5], best_epoch=2
    )
    assert float(learner.network.weight.detach()) == 2.0
    assert not learner.network.training
    assert lines[1] == "pass 2: loss 20.0000, validation loss 3.0000"
    assert (history.best_loss, history.least_loss) == (3.0, 3.0)


def test_it_ends_after_so_many_passes_that_were_no_better() -> None:
    history, learner, _ = fit([5.0, 4.0, 4.0, 6.0, 1.0])
    # passes 2 and 3 were no better than pass 1: pass 4 is not run
    assert (learner.passes, history.best_epoch) == (3, 1)


def test_a_start_that_nothing_beats_is_kept() -> None:
    history, learner, _ = fit([1.0, 2.0, 2.0, 2.0])
    assert (history.best_epoch, history.best_loss, float(learner.network.weight.detach())) == (0, 1.0, 0.0)


def test_a_loss_that_is_no_number_is_no_better() -> None:
    history, learner, _ = fit([1.0, math.nan, 0.5])
    assert history.best_epoch == 2
    history, learner, _ = fit([math.nan, 1.0, 1.0])
    assert (history.best_epoch, learner.passes) == (0, 2)


def test_with_nothing_held_out_the_last_pass_is_kept() -> None:
    history, learner, _ = fit([math.nan] * 5, keep_last=True)
    assert (history.best_epoch, learner.passes, float(learner.network.weight.detach())) == (4, 4, 4.0)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    check_loss(torch.tensor(1.0), epoch=1, learning_rate=0.1)
    with pytest.raises(ModelError, match=r"the loss of pass 3 is nan; lower --learning-rate \(now 0.1\)"):
        check_loss(torch.tensor(math.nan), epoch=3, learning_rate=0.1)
