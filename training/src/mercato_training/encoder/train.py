"""Fine-tuning the text encoder with few weights: LoRA on a catalogue's queries, ratings and searches, then merged.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) by the ``peft`` library: the encoder's own weights stay, and what
is learned are two thin matrices beside each projection of query and value. Merged, the encoder is as large and as fast
as before. Vectors of another encoder cannot be compared: the catalogue has to be indexed again.
"""

from __future__ import annotations

import copy
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from torch import Tensor

from mercato.catalog.encode import TextEncoder
from mercato.catalog.live import LiveCatalog
from mercato.encoder.tokenizer import TextTokenizer
from mercato.errors import DataError, ModelError
from mercato_export.encoder import SentenceEncoder
from mercato_export.weights import LOADED_FILES, LocatedWeights
from mercato_training.encoder.card import write_encoder_card
from mercato_training.encoder.pairs import TextPair, order_rated, prepare_pairs
from mercato_training.reranker.data import Ratings, RerankerDataOptions
from mercato_training.reranker.events import Behaviour
from mercato_training.reranker.groups import Report

METRICS_FILE = "metrics.json"
CARD_FILE = "MODEL_CARD.md"
TEMPERATURE = 0.05
"""Divides cosines in the contrastive loss (van den Oord et al. 2018), as sentence-transformers has it."""
ADAPTED = ("query", "value")
LEAST_PAIRS = 2


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


def train_encoder(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    weights: LocatedWeights,
    out: Path,
    *,
    options: EncoderOptions,
    data_options: RerankerDataOptions,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    report: Report = lambda *_: None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Fine-tune the encoder and write weights that ``mercato export encoder --weights`` takes.

    Args:
        catalog: the products.
        encoder: that of the catalogue; retrieves what is taken for an answer and is none.
        weights: where to start.
        out: folder to write to; made where it is missing.
        options: how to fit.
        data_options: what is learned from.
        ratings: query -> product id -> rating.
        behaviour: what shoppers did.
        report: told of progress.
        say: told a sentence now and then.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        DataError: fewer than two pairs, or a rank below 1.
        ModelError: a loss is not finite.
    """
    if options.lora_rank < 1:
        raise DataError(f"--lora-rank: must be at least 1, got {options.lora_rank}")
    started = time.monotonic()
    data = prepare_pairs(catalog, encoder, data_options, ratings=ratings, behaviour=behaviour, report=report)
    if len(data.train) < LEAST_PAIRS or not data.validation:
        raise DataError(
            f"training needs at least {LEAST_PAIRS} pairs of query and product and one held out, there are "
            f"{len(data.train)} and {len(data.validation)}; give more ratings, or a larger catalogue"
        )
    torch.manual_seed(options.seed)
    network, adapted = _adapt(weights, options)
    tokenizer = TextTokenizer(weights.folder / "tokenizer.json", max_tokens=options.max_tokens)
    encode = _TextEncoder(network, tokenizer)
    before = order_rated(encode.vectors, data.test)
    fit = _fit(network, encode, data.train, data.validation, options, say, report)
    after = order_rated(encode.vectors, data.test)
    out.mkdir(parents=True, exist_ok=True)
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    merged = adapted.merge_and_unload()
    merged.save_pretrained(out, safe_serialization=True)
    for name in LOADED_FILES[1:]:
        shutil.copyfile(weights.folder / name, out / name)
    metrics: dict[str, Any] = {
        "pairs": {
            "train": len(data.train),
            "validation": len(data.validation),
            "rated_queries_of_test": len(data.test),
        },
        "counts": data.counts,
        "trainable_weights": trainable,
        "fit": fit,
        "results": {"before": before, "after": after},
        "options": {"encoder": asdict(options), "data": asdict(data_options)},
        "source": {"repository": weights.model.repository, "sha256": weights.sha256, "licence": weights.model.licence},
        "seconds": round(time.monotonic() - started, 1),
        "tools": {"torch": torch.__version__, "threads": torch.get_num_threads()},
    }
    (out / METRICS_FILE).write_bytes(orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
    (out / CARD_FILE).write_text(write_encoder_card(metrics), encoding="utf-8")
    return metrics


class _TextEncoder:
    """Texts to vectors through the network that is being fitted."""

    def __init__(self, network: torch.nn.Module, tokenizer: TextTokenizer) -> None:
        self._network = network
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Encode texts: float32 [texts, D], unit length."""
        ids, mask = self._tokenizer(texts)
        vectors: Tensor = self._network(torch.from_numpy(ids), torch.from_numpy(mask))
        return vectors

    def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Encode texts without learning from them."""
        self._network.eval()
        with torch.inference_mode():
            found = self(texts).numpy()
        return found.astype(np.float32)


def _adapt(weights: LocatedWeights, options: EncoderOptions) -> tuple[torch.nn.Module, Any]:
    """Return the encoder with adapters, and peft's model of its trunk."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    trunk: Any = AutoModel.from_pretrained(weights.folder, attn_implementation="eager", dtype=torch.float32)
    config = LoraConfig(
        r=options.lora_rank, lora_alpha=2 * options.lora_rank, lora_dropout=0.05, target_modules=list(ADAPTED)
    )
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5 for something by its old name
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        adapted = get_peft_model(trunk, config)
    return SentenceEncoder(adapted), adapted


def _fit(
    network: torch.nn.Module,
    encode: _TextEncoder,
    train: Sequence[TextPair],
    validation: Sequence[TextPair],
    options: EncoderOptions,
    say: Callable[[str], None],
    report: Report,
) -> dict[str, Any]:
    """Fit the adapters; they end as they were after the best pass, which may be before the first."""
    rng = np.random.default_rng(options.seed)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.01)
    start_loss = best_loss = _mean_loss(network, encode, validation, options)
    say(f"pass 0: validation loss {start_loss:.4f}")
    best, best_epoch = copy.deepcopy(network.state_dict()), 0
    train_loss: list[float] = []
    validation_loss: list[float] = []
    for epoch in range(1, options.epochs + 1):
        network.train()
        losses: list[float] = []
        order = rng.permutation(len(train))
        for start in range(0, len(order), options.batch_size):
            pairs = [train[place] for place in order[start : start + options.batch_size]]
            optimizer.zero_grad()
            loss = compute_contrast(encode, pairs)
            if not bool(torch.isfinite(loss)):
                raise ModelError(
                    f"training: the loss of pass {epoch} is {float(loss.detach())}; lower --learning-rate "
                    f"(now {options.learning_rate:g})"
                )
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
            report(f"pass {epoch} of {options.epochs}", min(start + options.batch_size, len(order)), len(order))
        train_loss.append(float(np.mean(losses)))
        validation_loss.append(_mean_loss(network, encode, validation, options))
        say(f"pass {epoch}: loss {train_loss[-1]:.4f}, validation loss {validation_loss[-1]:.4f}")
        if validation_loss[-1] < best_loss:
            best_loss, best_epoch, best = validation_loss[-1], epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= options.patience:
            break
    network.load_state_dict(best)
    return {
        "start_loss": start_loss,
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "best_epoch": best_epoch,
    }


def compute_contrast(encode: Callable[[Sequence[str]], Tensor], pairs: Sequence[TextPair]) -> Tensor:
    """Return the contrastive loss of a batch.

    ``-mean_i log softmax_j(cos(q_i, p_j) / T)_i`` over the products of all pairs and the counterexample of each
    (InfoNCE, van den Oord et al. 2018). What is the same product as the answer, is no counterexample to it.

    Args:
        encode: texts to unit vectors.
        pairs: at least one.
    """
    products = [pair.product for pair in pairs] + [pair.counterexample for pair in pairs if pair.counterexample]
    vectors = encode([*(pair.query for pair in pairs), *products])
    logits = vectors[: len(pairs)] @ vectors[len(pairs) :].T / TEMPERATURE
    same = torch.tensor([[product == pair.product for product in products] for pair in pairs])
    same[torch.arange(len(pairs)), torch.arange(len(pairs))] = False
    loss: Tensor = torch.nn.functional.cross_entropy(logits.masked_fill(same, -torch.inf), torch.arange(len(pairs)))
    return loss


def _mean_loss(
    network: torch.nn.Module, encode: _TextEncoder, pairs: Sequence[TextPair], options: EncoderOptions
) -> float:
    network.eval()
    starts = range(0, len(pairs), options.batch_size)
    with torch.inference_mode():
        losses = [float(compute_contrast(encode, pairs[start : start + options.batch_size])) for start in starts]
    return float(np.mean(losses)) if losses else float("nan")
