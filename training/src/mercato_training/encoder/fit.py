"""Fitting the encoder's adapters to pairs of a query and a product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.progress import Progress
from mercato.text import TextRole
from mercato_training.common.fit_loop import FitHistory, NetworkLearner, check_loss, fit_until_no_better
from mercato_training.encoder.pairs import TextPair

TEMPERATURE = 0.05
"""Divides cosines in the contrastive loss (van den Oord et al. 2018), as sentence-transformers has it."""


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """How the encoder is fitted.

    Attributes:
        lora_rank: width of the matrices that are learned. More can learn more, and forget more.
        epochs: most passes over the pairs.
        patience: passes without a better validation loss after which fitting stops.
        batch_size: pairs in a step: each one's product is a counterexample to all others' queries.
        learning_rate: of AdamW.
        max_tokens: a text is cut after this many tokens while learning.
        seed: of every draw.
    """

    lora_rank: int = 8
    epochs: int = 2
    patience: int = 1
    batch_size: int = 16
    learning_rate: float = 2e-4
    max_tokens: int = 64
    seed: int = 17


class NetworkEncoder:
    """Texts to vectors through the network that is being fitted."""

    def __init__(self, network: torch.nn.Module, tokenizer: TextTokenizer) -> None:
        """Take the network and what makes tokens for it."""
        self._network = network
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str], role: TextRole) -> Tensor:
        """Encode texts of a role: float32 [texts, D], unit length."""
        ids, mask = self._tokenizer(texts, role)
        vectors: Tensor = self._network(torch.from_numpy(ids), torch.from_numpy(mask))
        return vectors

    def vectors(self, texts: Sequence[str], role: TextRole) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Encode texts of a role without learning from them."""
        self._network.eval()
        with torch.inference_mode():
            found = self(texts, role).numpy()
        return found.astype(np.float32)


def fit_encoder(
    network: torch.nn.Module,
    encode: NetworkEncoder,
    train: Sequence[TextPair],
    validation: Sequence[TextPair],
    options: EncoderOptions,
    say: Callable[[str], None],
    report: Progress,
) -> FitHistory:
    """Fit the adapters; they end as they were after the best pass, which may be before the first.

    Args:
        network: with the adapters.
        encode: texts to vectors through the network.
        train: pairs to fit to.
        validation: pairs that decide when to stop.
        options: how to fit.
        say: told of each pass.
        report: told of progress within a pass.

    Raises:
        ModelError: the loss is not finite.
    """
    learner = _EncoderLearner(network, encode, train, validation, options, report)
    start_loss = learner.measure()
    say(f"pass 0: validation loss {start_loss:.4f}")
    return fit_until_no_better(
        learner, epochs=options.epochs, patience=options.patience, start_loss=start_loss, say=say
    )


class _EncoderLearner(NetworkLearner[torch.nn.Module]):
    """The encoder with its adapters, and the pairs."""

    def __init__(
        self,
        network: torch.nn.Module,
        encode: NetworkEncoder,
        train: Sequence[TextPair],
        validation: Sequence[TextPair],
        options: EncoderOptions,
        report: Progress,
    ) -> None:
        super().__init__(network)
        self._encode, self._train, self._validation = encode, train, validation
        self._options, self._report = options, report
        self._rng = np.random.default_rng(options.seed)
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.01)

    def run_epoch(self, epoch: int) -> float:
        """Pass over the pairs; the mean loss of a step."""
        options = self._options
        self.network.train()
        losses: list[float] = []
        order = self._rng.permutation(len(self._train))
        for start in range(0, len(order), options.batch_size):
            pairs = [self._train[index] for index in order[start : start + options.batch_size]]
            self._optimizer.zero_grad()
            loss = compute_contrast(self._encode, pairs)
            check_loss(loss, epoch=epoch, learning_rate=options.learning_rate)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            losses.append(float(loss.detach()))
            self._report(f"pass {epoch} of {options.epochs}", min(start + options.batch_size, len(order)), len(order))
        return float(np.mean(losses))

    def measure(self) -> float:
        """Return the mean loss of the pairs that decide when to stop; NaN where there is none."""
        self.network.eval()
        size = self._options.batch_size
        starts = range(0, len(self._validation), size)
        with torch.inference_mode():
            losses = [float(compute_contrast(self._encode, self._validation[start : start + size])) for start in starts]
        return float(np.mean(losses)) if losses else float("nan")


def compute_contrast(encode: Callable[[Sequence[str], TextRole], Tensor], pairs: Sequence[TextPair]) -> Tensor:
    """Return the contrastive loss of a batch.

    ``-mean_i log softmax_j(cos(q_i, p_j) / T)_i`` over the products of all pairs and the counterexample of each
    (InfoNCE, van den Oord et al. 2018). What is the same product as the answer, is no counterexample to it.

    Args:
        encode: texts of a role to unit vectors.
        pairs: at least one.
    """
    products = [pair.product for pair in pairs] + [pair.counterexample for pair in pairs if pair.counterexample]
    queries = encode([pair.query for pair in pairs], "query")
    logits = queries @ encode(products, "product").T / TEMPERATURE
    same = torch.tensor([[product == pair.product for product in products] for pair in pairs])
    same[torch.arange(len(pairs)), torch.arange(len(pairs))] = False
    loss: Tensor = torch.nn.functional.cross_entropy(logits.masked_fill(same, -torch.inf), torch.arange(len(pairs)))
    return loss
