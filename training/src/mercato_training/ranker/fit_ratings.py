"""Fitting the ranker's relevance layer to ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mercato.features.features import FEATURE_NAMES
from mercato_export.networks.ranker import RankerConfig, RankerNetwork
from mercato_training.common.fit_loop import Fit, fit_until_no_better
from mercato_training.ranker.rated_lists import UNRATED, RatedList, check_lists


@dataclass(frozen=True, kw_only=True)
class RatingFitOptions:
    """How the relevance layer is fitted.

    Attributes:
        members: small networks that are trained apart and answer together. Each leaves out one of so many parts of the
            queries; on these it is measured.
        width: hidden units of each member.
        bins: pieces of each input.
        epochs: most passes over the training queries.
        patience: passes without a better loss on what was left out, after which fitting stops.
        queries_a_step: queries of a step.
        learning_rate: of Adam at the start; it falls to zero along a cosine.
        weight_decay: of AdamW (Loshchilov and Hutter 2019), on weights.
        dropout: share of hidden units that are left out in each step.
        input_dropout: share of the inputs that each member never sees.
        unrated_weight: what a product that nobody rated counts, as one of rating 0, beside a rated one's 1. Ratings
            are asked for what some search found: what was not found is mostly, but not always, worse.
        seed: of every draw; the same seed gives the same network.
    """

    members: int = 16
    width: int = 16
    bins: int = 8
    epochs: int = 30
    patience: int = 8
    queries_a_step: int = 12
    learning_rate: float = 5e-3
    weight_decay: float = 0.3
    dropout: float = 0.2
    input_dropout: float = 0.3
    unrated_weight: float = 0.12
    seed: int = 17

    def __post_init__(self) -> None:
        """Check the number of members: one alone would leave out every query."""
        if self.members < 2:
            raise ValueError(f"members must be at least 2, got {self.members}")


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The candidates of all training queries, one after the other.

    Attributes:
        inputs: float32 [rows, F + 2], features and the cosines with query and history.
        target: float32 [rows], what the layer has to add to the order of retrieval.
        weight: float32 [rows].
        query: int64 [rows].
    """

    inputs: Tensor
    target: Tensor
    weight: Tensor
    query: Tensor


def compute_gains(rating: NDArray[np.int64], highest: int) -> NDArray[np.float32]:
    """Return ``(2 ** rating - 1) / (2 ** highest - 1)``, the gain of nDCG scaled to 1; 0 for `UNRATED`."""
    gains: NDArray[np.float32] = ((2.0 ** np.maximum(rating, 0) - 1) / (2.0**highest - 1)).astype(np.float32)
    return gains


def fit_ratings(
    lists: Sequence[RatedList],
    dimension: int,
    options: RatingFitOptions,
    report: Callable[[str], None] = lambda line: None,
) -> Fit[RankerNetwork]:
    """Fit a network to ratings: least squares on gains, which keeps scores comparable between queries.

    A query that teaches no order (all its products rated alike, none found) is left out.

    Args:
        lists: rated queries.
        dimension: length of the vectors.
        options: how to fit.
        report: told of each epoch.

    Raises:
        DataError: fewer than two queries teach anything.
    """
    check_lists(lists)
    lists = [one for one in lists if one.teaches]
    torch.manual_seed(options.seed)
    config = RankerConfig(
        feature_names=FEATURE_NAMES,
        dimension=dimension,
        hidden=(),
        relevance=options.members * options.width,
        bins=options.bins,
    )
    network = RankerNetwork(config)
    rows = _join_rows(lists, network, options)
    network.relevance.cut_by(rows.inputs)
    members = _Members(network, network.relevance.encode(rows.inputs), rows, len(lists), options)
    start_loss = members.measure()
    report(f"epoch 0: loss {start_loss:.4f} (order of retrieval)")
    history = fit_until_no_better(
        members,
        epochs=options.epochs,
        patience=options.patience,
        start_loss=start_loss,
        say=report,
        unit="epoch",
        held_out="on queries left out",
    )
    return Fit(network=network, **vars(history))


def _join_rows(lists: Sequence[RatedList], network: RankerNetwork, options: RatingFitOptions) -> _Rows:
    highest = max(int(one.rating.max()) for one in lists)
    features = np.concatenate([one.features for one in lists])
    cosines = np.concatenate([one.candidates @ one.vector for one in lists])
    rating = np.concatenate([one.rating for one in lists])
    inputs = np.concatenate((features, cosines[:, None], np.zeros((len(features), 1), np.float32)), axis=1)
    before = float(network.skip.detach()) * features[:, network.fused_column]
    return _Rows(
        inputs=torch.from_numpy(inputs.astype(np.float32)),
        target=torch.from_numpy(compute_gains(rating, highest) - before),
        weight=torch.from_numpy(np.where(rating == UNRATED, options.unrated_weight, 1.0).astype(np.float32)),
        query=torch.from_numpy(np.repeat(np.arange(len(lists)), [len(one.rating) for one in lists])),
    )


class _Members:
    """The members of the ensemble, trained side by side: one matrix product a layer for all."""

    def __init__(
        self, network: RankerNetwork, encoded: Tensor, rows: _Rows, queries: int, options: RatingFitOptions
    ) -> None:
        self._network = network
        self._options = options
        self._rows = rows
        self._encoded = encoded
        self._queries = queries
        inputs, members, width = encoded.shape[1], options.members, options.width
        columns = rows.inputs.shape[1]
        seen = (torch.rand(members, columns) >= options.input_dropout).float()
        # An input's pieces go with it.
        self._seen = torch.cat((seen, seen.repeat_interleave(options.bins, dim=1)), dim=1)
        bound = (2.0 / inputs) ** 0.5
        self._first = torch.nn.Parameter(torch.randn(members, width, inputs) * bound)
        self._bias = torch.nn.Parameter(torch.zeros(members, width))
        self._second = torch.nn.Parameter(torch.zeros(members, width))
        self._offset = torch.nn.Parameter(torch.zeros(members))
        part = torch.randperm(queries) % members
        self._left_out = part[rows.query][:, None] == torch.arange(members)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [self._first, self._second], "weight_decay": options.weight_decay},
                {"params": [self._bias, self._offset], "weight_decay": 0.0},
            ],
            lr=options.learning_rate,
        )
        steps = options.epochs * -(-queries // options.queries_a_step)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, T_max=steps)

    def _score(self, encoded: Tensor, *, training: bool) -> Tensor:
        """Return each member's answers, float32 [rows, members]."""
        weights = (self._first * self._seen[:, None]).flatten(0, 1)
        hidden = torch.relu(encoded @ weights.T + self._bias.flatten())
        hidden = torch.nn.functional.dropout(hidden, self._options.dropout, training=training)
        members, width = self._bias.shape
        scores: Tensor = (hidden.view(-1, members, width) * self._second).sum(dim=2) + self._offset
        return scores

    def run_epoch(self, epoch: int) -> float:
        """Pass over all queries once; return the mean loss."""
        total, count = 0.0, 0
        for queries in torch.split(torch.randperm(self._queries), self._options.queries_a_step):
            here = torch.isin(self._rows.query, queries).nonzero().squeeze(1)
            scores = self._score(self._encoded[here], training=True)
            weight = self._rows.weight[here, None] * ~self._left_out[here]
            loss = (weight * (scores - self._rows.target[here, None]) ** 2).sum() / weight.sum().clamp(min=1e-6)
            self._optimizer.zero_grad()
            (loss * self._options.members).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._schedule.step()
            total, count = total + float(loss.detach()), count + 1
        return total / count

    @torch.no_grad()
    def measure(self) -> float:
        """Return the mean loss of each row by the members that did not learn from it."""
        scores = self._score(self._encoded, training=False)
        weight = self._rows.weight[:, None] * self._left_out
        loss = (weight * (scores - self._rows.target[:, None]) ** 2).sum() / weight.sum()
        return float(loss)

    def copy_weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights as those of one layer that answers with the mean: first, bias, second, offset."""
        count = self._options.members
        first = (self._first * self._seen[:, None]).flatten(0, 1).detach().clone()
        second = (self._second.flatten() / count).detach().clone()
        return first, self._bias.flatten().detach().clone(), second, self._offset.mean().detach().clone()

    @torch.no_grad()
    def restore_weights(self, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """Join the members in the network's layer, which answers with their mean."""
        first, bias, second, offset = weights
        layer = self._network.relevance
        layer.hidden.weight.copy_(first)
        layer.hidden.bias.copy_(bias)
        layer.output.weight.copy_(second[None])
        layer.output.bias.copy_(offset[None])
        self._network.eval()


@torch.no_grad()
def score_list(network: RankerNetwork, one: RatedList) -> NDArray[np.float32]:
    """Score all candidates of a list: float32 [n]."""
    query = torch.from_numpy(one.vector)[None]
    scores: NDArray[np.float32] = network(
        query, torch.zeros_like(query), torch.from_numpy(one.candidates)[None], torch.from_numpy(one.features)[None]
    )[0].numpy()
    return scores
