"""Fitting the encoder to taught queries: their answers against rivals, and near to what the old encoder knew.

The loss of a query over a pool of products is

    -sum_i share_i log softmax_pool(cos(q, p_i) / T)  +  keep (1 - cos(q, q_old))  [+ keep (1 - cos(p_i, p_old))]

the first term InfoNCE (van den Oord et al. 2018) with several answers, the others a distillation that holds vectors
where they were (as Reimers & Gurevych 2020 hold a student's to its teacher's); where a teacher scored products, the
margins between them are learned too (margin-MSE, Hofstätter et al. 2020). On the query side alone products keep their
vectors, so a pool of thousands costs one product of matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mercato.arrays import Float32, Int32
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.progress import Progress
from mercato.text import TextRole
from mercato_training.common.fit_loop import FitHistory, NetworkLearner, check_loss, fit_until_no_better
from mercato_training.encoder.taught import TaughtQuery

TEMPERATURE = 0.05
"""Divides cosines in the loss (van den Oord et al. 2018), as sentence-transformers has it."""
DRAWN_ANSWERS, DRAWN_RIVALS = 2, 4
"""Products that the whole encoder reads for a query of a batch."""
RANDOM_PRODUCTS = 2000
"""Products beside a batch's own, where their vectors are at hand."""
TEXTS_AT_ONCE = 256
TEXTS_PER_RUN = 16
WARM_UP_STEPS = 10
LAST_RATE = 0.9
"""Part of the learning rate that is gone at the last step; it falls evenly."""


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """How the encoder is fitted.

    Attributes:
        query_side: learn to encode queries alone; products keep their vectors.
        lora_rank: width of the matrices that are learned; 0 for all weights. More can learn more, and forget more.
        epochs: most passes over the queries.
        patience: passes without a better validation loss after which fitting stops.
        batch_size: queries in a step.
        learning_rate: of AdamW; it rises over the first steps and falls from there.
        keep: weight of the terms towards the old vectors.
        teach: weight of the teacher's margins.
        known_share: part of a batch that is of ratings and the log, where there are any.
        max_tokens: a text is cut after this many tokens while learning.
        seed: of every draw.
    """

    query_side: bool = False
    lora_rank: int = 16
    epochs: int = 3
    patience: int = 1
    batch_size: int = 48
    learning_rate: float = 5e-4
    keep: float = 1.0
    teach: float = 1.0
    known_share: float = 2 / 3
    max_tokens: int = 64
    seed: int = 17


class NetworkEncoder:
    """Texts to vectors through the network that is being fitted."""

    def __init__(self, network: torch.nn.Module, tokenizer: TextTokenizer) -> None:
        """Take the network and what makes tokens for it."""
        self._network = network
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str], role: TextRole) -> Tensor:
        """Encode texts, those of similar length together, so that little of a run is padding.

        Returns:
            float32 [texts, D], unit length, in the order of the texts.
        """
        ids, mask = self._tokenizer(texts, role)
        lengths = mask.sum(1)
        order = np.argsort(lengths, kind="stable")
        parts = []
        for start in range(0, len(order), TEXTS_PER_RUN):
            rows = order[start : start + TEXTS_PER_RUN]
            longest = int(lengths[rows].max())
            parts.append(self._network(torch.from_numpy(ids[rows, :longest]), torch.from_numpy(mask[rows, :longest])))
        vectors: Tensor = torch.cat(parts)[torch.from_numpy(np.argsort(order))]
        return vectors

    def vectors(self, texts: Sequence[str], role: TextRole) -> Float32:
        """Encode texts without learning from them, those of similar length together: float32 [texts, D]."""
        self._network.eval()
        with torch.inference_mode():
            parts = [
                self(texts[start : start + TEXTS_AT_ONCE], role).numpy()
                for start in range(0, len(texts), TEXTS_AT_ONCE)
            ]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


class Products(ABC):
    """The products of a pool as vectors, with what it costs to move them."""

    @abstractmethod
    def draw(self, batch: Sequence[TaughtQuery], rng: np.random.Generator) -> Int32:
        """Draw the pool of a batch: int32 rows, ascending."""

    @abstractmethod
    def encode(self, rows: Int32) -> tuple[Tensor, Tensor]:
        """Return float32 [rows, D], unit length, and how far they are from the old ones, 1 - cosine, on average."""


class StillProducts(Products):
    """Products that keep the vectors of the catalogue."""

    def __init__(self, vectors: Float32) -> None:
        """Take float32 [products, D], unit length."""
        self._vectors = vectors

    def draw(self, batch: Sequence[TaughtQuery], rng: np.random.Generator) -> Int32:
        """Take all answers and rivals of the batch, and some of all products."""
        count = len(self._vectors)
        others = rng.choice(count, size=min(count, RANDOM_PRODUCTS), replace=False)
        known = [rows for one in batch for rows in (one.rows, one.rivals, one.read)]
        pool: Int32 = np.unique(np.concatenate([*known, others])).astype(np.int32)
        return pool

    def encode(self, rows: Int32) -> tuple[Tensor, Tensor]:
        """Look vectors up; nothing moves."""
        return torch.from_numpy(self._vectors[rows]), torch.zeros(())


class MovingProducts(Products):
    """Products that are encoded by the network."""

    def __init__(self, encode: NetworkEncoder, vectors: Float32, write: Callable[[int], str]) -> None:
        """Take the network, the old vectors, and what writes the text of a row."""
        self._encode, self._vectors, self._write = encode, vectors, write

    def draw(self, batch: Sequence[TaughtQuery], rng: np.random.Generator) -> Int32:
        """Draw a few answers, the likelier ones more often, and a few rivals of each query."""
        rows: list[Int32] = []
        for one in batch:
            size = min(DRAWN_ANSWERS, int(np.count_nonzero(one.shares)))
            rows.append(rng.choice(one.rows, size=size, replace=False, p=one.shares / one.shares.sum()))
            rows.append(rng.permutation(one.rivals)[:DRAWN_RIVALS])
        return np.unique(np.concatenate(rows)).astype(np.int32)

    def encode(self, rows: Int32) -> tuple[Tensor, Tensor]:
        """Encode their texts."""
        vectors = self._encode([self._write(row) for row in rows.tolist()], "product")
        return vectors, _distance(vectors, torch.from_numpy(self._vectors[rows]))


def compute_loss(
    batch: Sequence[TaughtQuery], pool: Int32, queries: Tensor, products: Tensor, options: EncoderOptions
) -> Tensor:
    """Return the loss of a batch without what moving products costs; see the module.

    Args:
        batch: at least one query.
        pool: int32 [pool] rows, ascending.
        queries: float32 [batch, D], unit length.
        products: float32 [pool, D], unit length.
        options: temperature aside, what the terms count.
    """
    cosines = queries @ products.T
    logits = torch.log_softmax(cosines / TEMPERATURE, dim=1)
    shares = torch.zeros(cosines.shape)
    for position, one in enumerate(batch):
        known = np.isin(one.rows, pool)
        shares[position, np.searchsorted(pool, one.rows[known])] = torch.from_numpy(one.shares[known])
    shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-9)
    loss = -(shares * logits).sum(1).mean()
    old = torch.from_numpy(np.stack([one.vector for one in batch]))
    return loss + options.keep * _distance(queries, old) + options.teach * _margin_error(batch, pool, cosines)


def _distance(vectors: Tensor, old: Tensor) -> Tensor:
    return (1 - (vectors * old).sum(1)).mean()


def _margin_error(batch: Sequence[TaughtQuery], pool: Int32, cosines: Tensor) -> Tensor:
    """Return the mean squared error of margins between products that a teacher scored.

    Scores of both are standardised within a query, since a reranker's have no scale that cosines share.
    """
    errors: list[Tensor] = []
    for position, one in enumerate(batch):
        known = np.isin(one.read, pool)
        if np.count_nonzero(known) < 2 or np.ptp(one.taught[known]) == 0:
            continue
        taught = torch.from_numpy(one.taught[known])
        own = cosines[position, np.searchsorted(pool, one.read[known])]
        margins = [_standardize(scores)[:, None] - _standardize(scores)[None, :] for scores in (own, taught)]
        errors.append((margins[0] - margins[1]).square().mean())
    return torch.stack(errors).mean() if errors else torch.zeros(())


def _standardize(scores: Tensor) -> Tensor:
    return (scores - scores.mean()) / scores.std().clamp_min(1e-4)


def fit_encoder(
    network: torch.nn.Module,
    encode: NetworkEncoder,
    products: Products,
    train: Sequence[TaughtQuery],
    validation: Sequence[TaughtQuery],
    options: EncoderOptions,
    say: Callable[[str], None],
    report: Progress,
) -> FitHistory:
    """Fit what can be learned; it ends as it was after the best pass, which may be before the first.

    Args:
        network: with adapters, or whole.
        encode: texts to vectors through the network.
        products: how they become vectors.
        train: queries to fit to.
        validation: queries that decide when to stop.
        options: how to fit.
        say: told of each pass.
        report: told of progress within a pass.

    Raises:
        ModelError: the loss is not finite.
    """
    learner = _EncoderLearner(network, encode, products, train, validation, options, report)
    start_loss = learner.measure()
    say(f"pass 0: validation loss {start_loss:.4f}")
    return fit_until_no_better(
        learner, epochs=options.epochs, patience=options.patience, start_loss=start_loss, say=say
    )


class _EncoderLearner(NetworkLearner[torch.nn.Module]):
    """The encoder and the queries."""

    def __init__(
        self,
        network: torch.nn.Module,
        encode: NetworkEncoder,
        products: Products,
        train: Sequence[TaughtQuery],
        validation: Sequence[TaughtQuery],
        options: EncoderOptions,
        report: Progress,
    ) -> None:
        super().__init__(network)
        self._encode, self._products, self._validation = encode, products, validation
        self._options, self._report = options, report
        self._rng = np.random.default_rng(options.seed)
        self._known = [one for one in train if one.origin != "catalogue"]
        self._own = [one for one in train if one.origin == "catalogue"]
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.01)
        steps = options.epochs * len(mix_batches(self._known, self._own, options, np.random.default_rng(0)))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda step: min(1.0, (step + 1) / WARM_UP_STEPS) * (1.0 - LAST_RATE * step / max(1, steps)),
        )

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a copy of what is learned."""
        return {
            name: parameter.detach().clone()
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad
        }

    def restore_weights(self, weights: Any) -> None:
        """Take over what was learned, and end in evaluation mode."""
        self.network.load_state_dict(weights, strict=False)
        self.network.eval()

    def run_epoch(self, epoch: int) -> float:
        """Pass over the queries; the mean loss of a step."""
        options = self._options
        self.network.eval()  # without dropout: few steps, and the old vectors were made without
        losses: list[float] = []
        batches = mix_batches(self._known, self._own, options, self._rng)
        for number, batch in enumerate(batches, start=1):
            self._optimizer.zero_grad()
            loss = self._compute(batch, self._rng)
            check_loss(loss, epoch=epoch, learning_rate=options.learning_rate)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._schedule.step()
            losses.append(float(loss.detach()))
            self._report(f"pass {epoch} of {options.epochs}", number, len(batches))
        return float(np.mean(losses))

    def measure(self) -> float:
        """Return the mean loss of the queries that decide when to stop; NaN where there is none.

        Those that people rated or that the log answered count as much as the catalogue's own, however few they are.
        """
        self.network.eval()
        rng = np.random.default_rng(self._options.seed)
        size = self._options.batch_size
        means: list[float] = []
        for is_own in (False, True):
            queries = [one for one in self._validation if (one.origin == "catalogue") == is_own]
            with torch.inference_mode():
                losses = [
                    float(self._compute(queries[start : start + size], rng)) for start in range(0, len(queries), size)
                ]
            means += [float(np.mean(losses))] if losses else []
        return float(np.mean(means)) if means else float("nan")

    def _compute(self, batch: Sequence[TaughtQuery], rng: np.random.Generator) -> Tensor:
        pool = self._products.draw(batch, rng)
        products, moved = self._products.encode(pool)
        queries = self._encode([one.query for one in batch], "query")
        return compute_loss(batch, pool, queries, products, self._options) + self._options.keep * moved


def count_known(own: int, options: EncoderOptions) -> int:
    """Return how many queries of a batch are of ratings or the log, beside so many of the catalogue's own."""
    return max(1, round(options.known_share * options.batch_size)) if own else options.batch_size


def mix_batches(
    known: Sequence[TaughtQuery], own: Sequence[TaughtQuery], options: EncoderOptions, rng: np.random.Generator
) -> list[list[TaughtQuery]]:
    """Cut a pass into batches: each known query once, and beside those of a batch some of the catalogue's own.

    Args:
        known: queries of ratings and of the log.
        own: the catalogue's own; a pass over these where none is known.
        options: batch size and share.
        rng: for order and draws.
    """
    if not known or not own:
        return _cut(known or own, options.batch_size, rng)
    part = count_known(len(own), options)
    beside = min(len(own), max(1, options.batch_size - part))
    return [
        batch + [own[position] for position in rng.choice(len(own), size=beside, replace=False).tolist()]
        for batch in _cut(known, part, rng)
    ]


def _cut(queries: Sequence[TaughtQuery], size: int, rng: np.random.Generator) -> list[list[TaughtQuery]]:
    order = rng.permutation(len(queries)).tolist()
    return [[queries[position] for position in order[start : start + size]] for start in range(0, len(order), size)]
