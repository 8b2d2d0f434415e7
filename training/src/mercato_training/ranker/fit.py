"""Fitting the ranker's network to example lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mercato.errors import DataError
from mercato_export.networks.ranker import KIND_FEATURES, RankerConfig, RankerNetwork
from mercato_training.common.fit_loop import Fit, NetworkLearner, fit_until_no_better
from mercato_training.ranker.examples import ExampleSet

VALIDATION_BATCH = 256
OUTCOME_LOSSES = {"cart": 1.0, "click": 0.3}
"""What carts and clicks count by default: the best of those that benchmarks.training.ranker_outcomes compares."""

_NOTHING = (
    "training needs lists {lists} in which something was bought (or whatever else the score counts), found none; give "
    "more shoppers, a longer history, or more requests (--searches, --recommendations)"
)


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How the network is fitted.

    Attributes:
        epochs: most passes over the training lists.
        patience: passes without a better validation loss after which fitting stops.
        batch_size: lists in a step.
        learning_rate: of Adam (Kingma and Ba 2015) at the start; it falls to zero along a cosine.
        weight_decay: of AdamW (Loshchilov and Hutter 2019).
        dropout: share of each hidden layer that a step leaves out; for few and long lists.
        outcome_losses: what the loss of each further outcome counts beside 1 for that of purchases.
        kind_loss: what the loss of searches that are led by another kind than the one bought counts beside it.
        seed: of the network's start and of the order of lists; the same seed gives the same network.
    """

    epochs: int = 6
    patience: int = 2
    batch_size: int = 128
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    dropout: float = 0.0
    outcome_losses: Mapping[str, float] = field(default_factory=lambda: dict(OUTCOME_LOSSES))
    kind_loss: float = 1.0
    seed: int = 17


class Vectors:
    """Looks up the vectors of example lists."""

    def __init__(
        self, text_vectors: NDArray[np.float32], text_of_row: NDArray[np.int32], queries: NDArray[np.float32]
    ) -> None:
        """Take the vectors.

        Args:
            text_vectors: float32 [texts, D].
            text_of_row: int32 [products], the text of each product.
            queries: float32 [queries, D].
        """
        self._texts = torch.from_numpy(np.array(text_vectors))
        self._text_of_row = torch.from_numpy(text_of_row.astype(np.int64))
        # One vector more, of zeros: what position -1 means.
        self._queries = torch.from_numpy(np.concatenate((queries, np.zeros((1, queries.shape[1]), queries.dtype))))

    def __len__(self) -> int:
        """Return the number of products."""
        return len(self._text_of_row)

    def inputs(self, examples: ExampleSet, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return query, history, candidates and features of some examples, as the network takes them."""
        rows = torch.from_numpy(examples.rows[indices]).clamp(min=0).long()
        candidates = self._texts[self._text_of_row[rows]]
        query = self._queries[torch.from_numpy(examples.query[indices]).long()]
        return (
            query,
            torch.from_numpy(examples.history[indices]),
            candidates,
            torch.from_numpy(examples.features[indices]),
        )


def compute_loss(scores: Tensor, bought: Tensor, listed: Tensor) -> Tensor:
    """Return the listwise softmax loss of each list (ListNet, Cao et al. 2007, with equal shares of what was bought).

    ``-mean over bought of log softmax(scores)``, padding left out of the softmax.

    Args:
        scores: float32 [lists, width].
        bought: bool [lists, width], at least one in each list.
        listed: bool [lists, width], False for padding.

    Returns:
        float32 [lists].
    """
    log_share = torch.log_softmax(scores.masked_fill(~listed, -torch.inf), dim=1)
    loss: Tensor = -log_share.masked_fill(~bought, 0.0).sum(dim=1) / bought.sum(dim=1)
    return loss


def compute_kind_loss(scores: Tensor, of_kind: Tensor, listed: Tensor) -> Tensor:
    """Return the mean over lists of ``-log(share of softmax(scores) that candidates of the right kind have)``.

    Which of them was bought is no matter: shoppers choose among what they asked for, and see nothing of it below the
    products of another kind. A list without the right kind, or with no other, teaches nothing and counts 0.

    Args:
        scores: float32 [lists, width].
        of_kind: bool [lists, width].
        listed: bool [lists, width], False for padding.
    """
    teaches = (of_kind & listed).any(dim=1) & (~of_kind & listed).any(dim=1)
    log_share = torch.log_softmax(scores.masked_fill(~listed, -torch.inf), dim=1)[teaches]
    of_right = torch.logsumexp(log_share.masked_fill(~of_kind[teaches], -torch.inf), dim=1)
    loss: Tensor = -of_right.sum() / max(len(scores), 1)
    return loss


def find_kinds(examples: ExampleSet, feature_names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which candidates of searches are of the kind of what was bought, bool [examples, width]; no other list's.

    Those whose category fits the query exactly as well, by meaning and by words, as that of something that was bought:
    they are of its category. In a shop without categories that is all of them, from which nothing is learned.

    Args:
        examples: lists.
        feature_names: the columns of their features.
    """
    of_kind = np.zeros(examples.rows.shape, np.bool_)
    columns = [feature_names.index(name) for name in KIND_FEATURES if name in feature_names]
    for index in np.flatnonzero((examples.query >= 0) & examples.bought.any(axis=1)).tolist():
        both = examples.features[index][:, columns].T
        right = both[:, examples.bought[index]]
        of_kind[index] = (both[:, :, None] == right[:, None, :]).all(axis=0).any(axis=1) & (examples.rows[index] >= 0)
    return of_kind


def fit_ranker(
    train: ExampleSet,
    validation: ExampleSet,
    vectors: Vectors,
    config: RankerConfig,
    options: FitOptions,
    report: Callable[[str], None] = lambda line: None,
    *,
    rated: RankerNetwork | None = None,
) -> Fit[RankerNetwork]:
    """Fit a network; lists in which nothing that it learns of happened teach nothing and are left out.

    Args:
        train: lists to fit to.
        validation: later lists, that decide when to stop.
        vectors: of the products and queries of both.
        config: shape of the network.
        options: how to fit.
        report: told of each epoch.
        rated: a network that learned from ratings. Its relevance layer is taken over as it is, and what is learned is
            how far to trust it and what purchases say beside it.

    Raises:
        DataError: no list to fit to, or none that decides when to stop, holds anything of what it learns.
    """
    train = train.select(np.any([hits.any(axis=1) for hits in _list_outcomes(train, config.outcomes)], axis=0))
    if not len(train):
        raise DataError(_NOTHING.format(lists="to learn from"))
    learner = _RankerLearner(train, validation, vectors, config, options, rated)
    start_loss = learner.measure()
    if np.isnan(start_loss):
        raise DataError(_NOTHING.format(lists="that decide when to stop"))
    report(f"epoch 0: validation loss {start_loss:.4f} (order of retrieval)")
    history = fit_until_no_better(
        learner, epochs=options.epochs, patience=options.patience, start_loss=start_loss, say=report, unit="epoch"
    )
    return Fit(network=learner.network, **vars(history))


class _RankerLearner(NetworkLearner[RankerNetwork]):
    """The ranker's network and its example lists."""

    def __init__(
        self,
        train: ExampleSet,
        validation: ExampleSet,
        vectors: Vectors,
        config: RankerConfig,
        options: FitOptions,
        rated: RankerNetwork | None,
    ) -> None:
        torch.manual_seed(options.seed)
        super().__init__(RankerNetwork(config))
        self._train, self._validation, self._vectors = train, validation, vectors
        self._batch_size = options.batch_size
        self._rng = np.random.default_rng(options.seed)
        self.network.drop_out(options.dropout)
        self.network.standardize_by(torch.from_numpy(train.features[train.rows >= 0]))
        if rated is not None:
            self.network.relevance.load_state_dict(rated.relevance.state_dict())
            self.network.relevance.requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            [weights for weights in self.network.parameters() if weights.requires_grad],
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
        )
        steps = options.epochs * -(-len(train) // options.batch_size)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, T_max=max(steps, 1))
        self._of_kind = torch.from_numpy(find_kinds(train, config.feature_names)) if options.kind_loss else None
        self._kind_loss = options.kind_loss
        self._parts = torch.tensor([1.0, *(options.outcome_losses[kind] for kind in config.outcomes[1:])])

    def run_epoch(self, epoch: int) -> float:
        """Pass over the lists; the mean loss of purchases, of the members by themselves."""
        self.network.train()
        total = 0.0
        for indices in _batches(self._rng.permutation(len(self._train)), self._batch_size):
            self._optimizer.zero_grad()
            scores = self.network.score_members(*self._vectors.inputs(self._train, indices))
            loss = compute_outcome_losses(self.network, self._train, scores, indices)
            # Summed over members, so that each learns as it would alone.
            total_loss = (loss @ self._parts).sum()
            if self._of_kind is not None:
                listed = torch.from_numpy(self._train.rows[indices] >= 0)
                kinds = [compute_kind_loss(one, self._of_kind[indices], listed) for one in scores[..., 0].unbind()]
                total_loss = total_loss + self._kind_loss * torch.stack(kinds).sum()
            total_loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._schedule.step()
            total += float(loss[:, 0].detach().mean()) * len(indices)
        return total / max(len(self._train), 1)

    def measure(self) -> float:
        """Return the loss on held-out lists, of the score that is served."""
        return compute_mean_loss(self.network, self._validation, self._vectors)


def compute_mean_loss(network: RankerNetwork, examples: ExampleSet, vectors: Vectors) -> float:
    """Return the mean loss of the score that is served, over lists in which something was bought; NaN where none is.

    Where the score is a blend of several outcomes, it is the mean over them of the loss of the one score, each over
    the lists that have the outcome and by its part of the blend.
    """
    scores = torch.from_numpy(compute_scores(network, examples, vectors))
    listed = torch.from_numpy(examples.rows >= 0)
    config = network.config
    total = 0.0
    for part, hits in zip(config.blend, _list_outcomes(examples, config.outcomes), strict=True):
        if part:
            having = hits.any(axis=1)
            loss = compute_loss(scores[having], torch.from_numpy(hits[having]), listed[having])
            total += part / sum(config.blend) * float(loss.mean() if len(loss) else torch.nan)
    return total


def compute_scores(network: RankerNetwork, examples: ExampleSet, vectors: Vectors) -> NDArray[np.float32]:
    """Score every candidate: float32 [examples, width], -inf for padding."""
    network.eval()
    scores = np.full(examples.rows.shape, -np.inf, dtype=np.float32)
    with torch.inference_mode():
        for indices in _batches(np.arange(len(examples)), VALIDATION_BATCH):
            scores[indices] = network(*vectors.inputs(examples, indices)).numpy()
    scores[examples.rows < 0] = -np.inf
    return scores


def compute_outcome_losses(
    network: RankerNetwork, examples: ExampleSet, scores: Tensor, indices: NDArray[np.int64]
) -> Tensor:
    """Return each member's mean loss of each outcome, by its own order of the lists in which that outcome is.

    Args:
        network: whose outcomes.
        examples: lists.
        scores: float32 [members, lists, width, outcomes], of some of the lists.
        indices: which of the lists.

    Returns:
        float32 [members, outcomes]; 0 for an outcome that none of the lists has.
    """
    listed = torch.from_numpy(examples.rows[indices] >= 0)
    losses: list[Tensor] = []
    for column, hits in zip(scores.unbind(dim=3), _list_outcomes(examples, network.config.outcomes), strict=True):
        had = torch.from_numpy(hits[indices])
        having = had.any(dim=1)
        each = [compute_loss(one[having], had[having], listed[having]) for one in column.unbind()]
        losses.append(torch.stack(each).sum(dim=1) / having.sum().clamp(min=1))
    return torch.stack(losses, dim=1)


def _list_outcomes(examples: ExampleSet, outcomes: Sequence[str]) -> list[NDArray[np.bool_]]:
    """Return bool [examples, width] for each outcome."""
    return [examples.bought, *(examples.further[kind] for kind in outcomes[1:])]


def _batches(indices: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    return (indices[start : start + size] for start in range(0, len(indices), size))
