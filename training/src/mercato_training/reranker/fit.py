"""Fitting the reranker's network to groups of pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mercato.models.reranker import PairTokenizer
from mercato_export.networks.reranker import RerankerNetwork
from mercato_training.common.fit_loop import FitHistory, NetworkLearner, check_loss, fit_until_no_better
from mercato_training.reranker.groups import PairGroup

TEACHER_TEMPERATURE = 0.05
"""Divides the encoder's cosines: a product 0.1 nearer than another is taught to be e^2 times as likely."""
BEFORE_SHARE = 2.0
"""Weight of the standardised score of the stage before, in whose company the network learns."""
SCORED_PAIRS = 64


@dataclass(frozen=True, kw_only=True)
class RerankerFitOptions:
    """How the network is fitted.

    Attributes:
        epochs: most passes over the groups.
        patience: passes without a better validation loss after which fitting stops.
        groups_per_step: groups in a step.
        width: products of a group in one pass, drawn anew each time.
        learning_rate: of AdamW (Loshchilov and Hutter 2019) after a warm-up; it falls to zero along a line.
        weight_decay: of AdamW.
        teaching: weight of the encoder's order beside that of the gains.
        seed: of every draw; the same seed gives the same network.
    """

    epochs: int = 3
    patience: int = 1
    groups_per_step: int = 4
    width: int = 12
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    teaching: float = 0.3
    seed: int = 17


def compute_group_loss(scores: Tensor, gains: Tensor, taught: Tensor, before: Tensor, *, teaching: float) -> Tensor:
    """Return the loss of one group.

    ``-sum_i g_i / sum(g) log softmax(s + a b)_i`` (ListNet with the shares of the gains, Cao et al. 2007; ``a`` is
    `BEFORE_SHARE`: the network learns what to add to the score before), plus ``teaching`` times the Kullback-Leibler
    divergence of ``softmax(s)`` from ``softmax(t / T)`` (Hinton et al. 2015). The first is left out where all gains
    are equal.

    Args:
        scores: float32 [n].
        gains: float32 [n], not negative.
        taught: float32 [n].
        before: float32 [n].
        teaching: see `RerankerFitOptions`.
    """
    shares = torch.log_softmax(scores, dim=0)
    target = torch.softmax(taught / TEACHER_TEMPERATURE, dim=0)
    loss = teaching * torch.nn.functional.kl_div(shares, target, reduction="sum")
    if float(gains.max() - gains.min()) > 0:
        joined = torch.log_softmax(scores + BEFORE_SHARE * before, dim=0)
        loss = loss - (gains / gains.sum() * joined).sum()
    return loss


def fit_reranker(
    network: RerankerNetwork,
    train: Sequence[PairGroup],
    validation: Sequence[PairGroup],
    tokenizer: PairTokenizer,
    options: RerankerFitOptions,
    say: Callable[[str], None] = lambda line: None,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> FitHistory:
    """Fit a network in place; it ends with the weights of the best pass, in evaluation mode.

    Token embeddings stay as they are: a shop has too few pairs for 30,000 words, and they are most of the weights.

    Args:
        network: to fit.
        train: groups to fit to.
        validation: groups that decide when to stop.
        tokenizer: makes pairs.
        options: how to fit.
        say: told of each pass.
        report: told of progress within a pass.

    Raises:
        ModelError: the loss is not finite.
    """
    learner = _RerankerLearner(network, train, validation, tokenizer, options, report)
    start_loss = learner.measure()
    say(f"pass 0: validation loss {start_loss:.4f}")
    return fit_until_no_better(
        learner, epochs=options.epochs, patience=options.patience, start_loss=start_loss, say=say
    )


class _RerankerLearner(NetworkLearner[RerankerNetwork]):
    """The reranker's network and its groups."""

    def __init__(
        self,
        network: RerankerNetwork,
        train: Sequence[PairGroup],
        validation: Sequence[PairGroup],
        tokenizer: PairTokenizer,
        options: RerankerFitOptions,
        report: Callable[[str, int, int], None],
    ) -> None:
        super().__init__(network)
        self._train, self._validation = train, validation
        self._tokenizer, self._options, self._report = tokenizer, options, report
        torch.manual_seed(options.seed)
        self._rng = np.random.default_rng(options.seed)
        for parameter in network.trunk.get_submodule("embeddings").parameters():
            parameter.requires_grad_(False)
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self._steps_per_epoch = -(-len(train) // options.groups_per_step)
        steps = max(1, options.epochs * self._steps_per_epoch)
        warm = max(1, steps // 10)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))
        )

    def run_epoch(self, epoch: int) -> float:
        """Pass over the groups, some products of each; the mean loss."""
        options = self._options
        self.network.train()
        total = 0.0
        order = self._rng.permutation(len(self._train))
        for step, start in enumerate(range(0, len(order), options.groups_per_step)):
            indices = order[start : start + options.groups_per_step]
            groups = [draw(self._train[index], options.width, self._rng) for index in indices]
            self._optimizer.zero_grad()
            loss = compute_loss(self.network, groups, self._tokenizer, options)
            check_loss(loss, epoch=epoch, learning_rate=options.learning_rate)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
            self._optimizer.step()
            self._schedule.step()
            total += float(loss.detach()) * len(groups)
            self._report(f"pass {epoch} of {options.epochs}", step + 1, self._steps_per_epoch)
        return total / max(1, len(self._train))

    def measure(self) -> float:
        """Return the mean loss of the groups that decide when to stop."""
        return compute_validation_loss(self.network, self._validation, self._tokenizer, self._options)


def draw(group: PairGroup, width: int, rng: np.random.Generator) -> PairGroup:
    """Draw the products of a group for one pass: those pinned, and others at random."""
    if len(group.texts) <= width:
        return group
    free = np.flatnonzero(~group.pinned)
    pinned = np.flatnonzero(group.pinned)[:width]
    indices = np.concatenate([pinned, rng.permutation(free)[: width - len(pinned)]])
    if group.has_order and not np.ptp(group.gains[indices]) > 0:
        is_best = group.gains[indices[0]] == group.gains.max()
        indices[-1] = int(group.gains.argmin() if is_best else group.gains.argmax())
    return PairGroup(
        query=group.query,
        texts=[group.texts[index] for index in indices.tolist()],
        gains=group.gains[indices],
        taught=group.taught[indices],
        before=group.before[indices],
        pinned=group.pinned[indices],
    )


def compute_loss(
    network: RerankerNetwork, groups: Sequence[PairGroup], tokenizer: PairTokenizer, options: RerankerFitOptions
) -> Tensor:
    """Return the mean loss of some groups, in one run of the network."""
    pairs = tokenizer([group.query for group in groups], [group.texts for group in groups])
    tensors = (torch.from_numpy(array) for array in (pairs.input_ids, pairs.attention_mask, pairs.token_type_ids))
    scores = network(*tensors)[:, 0].split([len(group.texts) for group in groups])
    losses = [
        compute_group_loss(
            score,
            torch.from_numpy(group.gains),
            torch.from_numpy(group.taught),
            torch.from_numpy(group.before),
            teaching=options.teaching,
        )
        for score, group in zip(scores, groups, strict=True)
    ]
    return torch.stack(losses).mean()


def compute_validation_loss(
    network: RerankerNetwork, groups: Sequence[PairGroup], tokenizer: PairTokenizer, options: RerankerFitOptions
) -> float:
    """Return the mean loss over groups, each with the same draw every time; NaN where there is none."""
    network.eval()
    rng = np.random.default_rng(options.seed)
    drawn = [draw(group, options.width, rng) for group in groups]
    with torch.inference_mode():
        losses = [float(compute_loss(network, [group], tokenizer, options)) for group in drawn]
    return float(np.mean(losses)) if losses else float("nan")


def compute_scores(
    network: RerankerNetwork, query: str, texts: Sequence[str], tokenizer: PairTokenizer
) -> NDArray[np.float32]:
    """Score a query's products: float32 [n]."""
    network.eval()
    scores = []
    with torch.inference_mode():
        for start in range(0, len(texts), SCORED_PAIRS):
            pairs = tokenizer([query], [texts[start : start + SCORED_PAIRS]])
            tensors = (torch.from_numpy(a) for a in (pairs.input_ids, pairs.attention_mask, pairs.token_type_ids))
            scores.append(network(*tensors)[:, 0].numpy())
    return np.concatenate(scores) if scores else np.zeros(0, np.float32)
