"""Fine-tuning the text encoder with few weights: LoRA on a catalogue's queries, ratings and searches, then merged.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) by the ``peft`` library: the encoder's own weights stay, and what
is learned are two thin matrices beside each projection of query and value. Merged, the encoder is as large and as fast
as before. Vectors of another encoder cannot be compared: the catalogue has to be indexed again.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mercato.errors import DataError
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.progress import Progress, no_progress
from mercato_export.encoder import SentenceEncoder
from mercato_export.sentence_format import Pooling, find_format, write_format
from mercato_export.weights import LOADED_FILES, LocatedWeights
from mercato_training.common.cards import render_card
from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Metrics, Source, Tools, write_results
from mercato_training.encoder.fit import EncoderOptions, NetworkEncoder, fit_encoder
from mercato_training.encoder.pairs import order_rated, prepare_pairs
from mercato_training.reranker.data import Ratings, RerankerDataOptions
from mercato_training.reranker.events import Behaviour

ADAPTED = ("query", "value")
LEAST_PAIRS = 2


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Pairs that were fitted to, those that decided when to stop, and the rated queries that are reported."""

    train: int
    validation: int
    rated_queries_of_test: int


@dataclass(frozen=True, kw_only=True)
class EncoderTrainingOptions:
    """What the training was asked for."""

    encoder: EncoderOptions
    data: RerankerDataOptions


@dataclass(frozen=True, kw_only=True)
class EncoderMetrics(Metrics):
    """A fine-tuning of the encoder.

    Attributes:
        pairs: of a query and a product.
        counts: what was read and what was left out.
        trainable_weights: of the adapters.
        fit: how it went.
        results: ``before`` and ``after`` -> metric -> mean.
        options: what was asked for.
        source: the weights it started from.
        seconds: all in all.
        tools: it was trained with.
    """

    pairs: PairCounts
    counts: Mapping[str, int]
    trainable_weights: int
    fit: FitHistory
    results: Mapping[str, Mapping[str, float]]
    options: EncoderTrainingOptions
    source: Source
    seconds: float
    tools: Tools


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
    report: Progress = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> EncoderMetrics:
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
    text_format = find_format(weights.folder, weights.model.repository)
    network, adapted = _adapt(weights, options, text_format.pooling)
    tokenizer = TextTokenizer(
        weights.folder / "tokenizer.json", max_tokens=options.max_tokens, prefixes=text_format.prefixes
    )
    encode = NetworkEncoder(network, tokenizer)
    before = order_rated(encode.vectors, data.test)
    fit = fit_encoder(network, encode, data.train, data.validation, options, say, report)
    after = order_rated(encode.vectors, data.test)
    out.mkdir(parents=True, exist_ok=True)
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    merged = adapted.merge_and_unload()
    merged.save_pretrained(out, safe_serialization=True)
    for name in LOADED_FILES[1:]:
        shutil.copyfile(weights.folder / name, out / name)
    write_format(out, text_format)
    metrics = EncoderMetrics(
        pairs=PairCounts(train=len(data.train), validation=len(data.validation), rated_queries_of_test=len(data.test)),
        counts=data.counts,
        trainable_weights=trainable,
        fit=fit,
        results={"before": before, "after": after},
        options=EncoderTrainingOptions(encoder=options, data=data_options),
        source=Source.of(weights),
        seconds=round(time.monotonic() - started, 1),
        tools=Tools.of_this_process(),
    )
    write_results(out, metrics, render_card("encoder/card.md.jinja", {"m": metrics}))
    return metrics


def _adapt(weights: LocatedWeights, options: EncoderOptions, pooling: Pooling) -> tuple[torch.nn.Module, Any]:
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
    return SentenceEncoder(adapted, pooling), adapted
