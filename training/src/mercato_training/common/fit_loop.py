"""The one fit loop: pass after pass over what is learned from, until what is held out says that it is enough.

Early stopping (Prechelt 1998): after each pass the loss of what is held out is measured; the weights of the best pass
are kept, and fitting ends once so many passes in a row were no better.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

import torch
import transformers
from torch import Tensor, nn

from mercato.errors import ModelError

Network = TypeVar("Network", bound=nn.Module)
Weights = TypeVar("Weights")


@dataclass(frozen=True, kw_only=True)
class FitHistory:
    """How a fit went.

    Attributes:
        start_loss: of what is held out, before the first pass; NaN where nothing is.
        train_loss: mean loss of each pass.
        validation_loss: of what is held out, after each pass.
        best_epoch: from 1; 0 where no pass was better than the start.
    """

    start_loss: float
    train_loss: list[float]
    validation_loss: list[float]
    best_epoch: int

    @property
    def best_loss(self) -> float:
        """The loss of what is held out with the weights that were kept."""
        return [self.start_loss, *self.validation_loss][self.best_epoch]

    @property
    def least_loss(self) -> float:
        """The least loss of what is held out, that of the start included."""
        return min([self.start_loss, *self.validation_loss])


@dataclass(frozen=True, kw_only=True)
class Fit(FitHistory, Generic[Network]):
    """A fitted network and how it got there.

    Attributes:
        network: with the weights of the best pass, in evaluation mode.
    """

    network: Network

    @property
    def history(self) -> FitHistory:
        """How it got there, without the network."""
        return FitHistory(**{one.name: getattr(self, one.name) for one in fields(FitHistory)})


class Learner(Protocol[Weights]):
    """What is fitted."""

    def run_epoch(self, epoch: int) -> float:
        """Pass once over what is learned from; return the mean loss. Passes are counted from 1."""
        ...

    def measure(self) -> float:
        """Return the loss of what is held out."""
        ...

    def copy_weights(self) -> Weights:
        """Return a copy of the weights as they are now."""
        ...

    def restore_weights(self, weights: Weights) -> None:
        """Take over weights that were copied, and end in evaluation mode."""
        ...


class NetworkLearner(ABC, Generic[Network]):
    """A network that is fitted by gradient steps; what a pass does and what is measured is the model's."""

    def __init__(self, network: Network) -> None:
        """Take the network."""
        self.network = network

    @abstractmethod
    def run_epoch(self, epoch: int) -> float:
        """Pass once over what is learned from; return the mean loss."""

    @abstractmethod
    def measure(self) -> float:
        """Return the loss of what is held out."""

    def copy_weights(self) -> Mapping[str, Any]:
        """Return a copy of all weights and buffers."""
        return copy.deepcopy(self.network.state_dict())

    def restore_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over weights, and end in evaluation mode."""
        self.network.load_state_dict(weights)
        self.network.eval()


def fit_until_no_better(
    learner: Learner[Weights],
    *,
    epochs: int,
    patience: int,
    start_loss: float,
    say: Callable[[str], None],
    unit: str = "pass",
    held_out: str = "validation loss",
    keep_last: bool = False,
) -> FitHistory:
    """Fit until ``patience`` passes were no better, or for ``epochs``; the weights of the best pass are restored.

    Args:
        learner: what is fitted.
        epochs: most passes.
        patience: passes without a better loss of what is held out after which fitting stops.
        start_loss: what `Learner.measure` said before the first pass.
        say: told of each pass.
        unit: what a pass is called.
        held_out: what the loss of what is held out is called.
        keep_last: nothing is held out, so the last pass is the best.
    """
    best, best_loss, best_epoch = learner.copy_weights(), start_loss, 0
    train_loss: list[float] = []
    validation_loss: list[float] = []
    for epoch in range(1, epochs + 1):
        train_loss.append(learner.run_epoch(epoch))
        validation_loss.append(learner.measure())
        say(f"{unit} {epoch}: loss {train_loss[-1]:.4f}, {held_out} {validation_loss[-1]:.4f}")
        if keep_last or validation_loss[-1] < best_loss:
            best, best_loss, best_epoch = learner.copy_weights(), validation_loss[-1], epoch
        elif epoch - best_epoch >= patience:
            break
    learner.restore_weights(best)
    return FitHistory(
        start_loss=start_loss, train_loss=train_loss, validation_loss=validation_loss, best_epoch=best_epoch
    )


def check_loss(loss: Tensor, *, epoch: int, learning_rate: float) -> None:
    """Refuse a loss that is not finite, before it is learned from.

    Raises:
        ModelError: it is not; the message says what to lower.
    """
    if not bool(torch.isfinite(loss)):
        raise ModelError(
            f"training: the loss of pass {epoch} is {float(loss.detach())}; lower --learning-rate "
            f"(now {learning_rate:g})"
        )


def prepare_torch(threads: int) -> None:
    """Set up PyTorch as a command wants it: so many threads, and no bars of other libraries in its progress.

    Args:
        threads: of PyTorch.
    """
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
