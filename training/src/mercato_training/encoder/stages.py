"""The stages of a training: the catalogue's own queries first, then what people rated and did, with some of the first.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) by the ``peft`` library: the encoder's own weights stay, and what
is learned are two thin matrices beside each projection. Merged, the encoder is as large and as fast as before.
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch

from mercato.catalog.product import TEXT_FIELDS, parse_product
from mercato.index.live import LiveCatalog
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.progress import Progress, no_progress
from mercato_export.encoder import SentenceEncoder
from mercato_export.sentence_format import Pooling, SentenceFormat, find_format, write_format
from mercato_export.weights import LOADED_FILES, LocatedWeights
from mercato_training.common.fit_loop import FitHistory
from mercato_training.encoder.fit import (
    EncoderOptions,
    MovingProducts,
    NetworkEncoder,
    Products,
    StillProducts,
    count_known,
    fit_encoder,
)
from mercato_training.encoder.taught import EncoderData, TaughtQuery

ADAPTED = ("query", "key", "value", "dense")
"""The projections of BERT-like layers: of attention, and both of the perceptron after it."""
KNOWN_STEPS = 30
"""Least steps over what people rated and did: few queries are passed over more often."""
KNOWN_PATIENCE_STEPS = 10
"""Least steps without a better loss after which that stage stops."""
KNOWN_RATE = 0.4
"""Of the learning rate in that stage, which starts from what the first has learned."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the training.

    Attributes:
        name: of what is learned.
        train: queries to fit to.
        validation: queries that decide when to stop.
        options: how to fit.
    """

    name: str
    train: Sequence[TaughtQuery]
    validation: Sequence[TaughtQuery]
    options: EncoderOptions


@dataclass(frozen=True, kw_only=True)
class TrainableEncoder:
    """An encoder that can be fitted.

    Attributes:
        network: of both; what can be learned requires a gradient.
        trunk: the network of transformers, with adapters where there are any.
        encode: texts to vectors through it.
        text_format: how it reads texts.
        options: what it was opened for.
    """

    network: torch.nn.Module
    trunk: Any
    encode: NetworkEncoder
    text_format: SentenceFormat
    options: EncoderOptions

    @property
    def learned_weights(self) -> int:
        """How many weights can be learned."""
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)


class ProductWriter:
    """Writes products as the encoder of a snapshot reads them."""

    def __init__(self, catalog: LiveCatalog) -> None:
        """Read from a catalogue when asked."""
        self._catalog = catalog
        self._fields: Sequence[str] = catalog.snapshot.settings.get("text_fields", TEXT_FIELDS)

    def text(self, row: int) -> str:
        """Return the text of a row."""
        return parse_product(orjson.loads(self._catalog.document(row))).text(self._fields)


def plan_stages(data: EncoderData, options: EncoderOptions) -> list[Stage]:
    """Plan the stages that there are queries for.

    What is known of a few hundred queries is soon learned by heart. It comes last, for a few steps at a lower rate, and
    mixed with the catalogue's own queries, so that what these taught stays.
    """
    own, known = ([one for one in data.train if (one.origin == "catalogue") == is_own] for is_own in (True, False))
    stages = []
    if own:
        validation = [one for one in data.validation if one.origin == "catalogue"]
        stages.append(Stage(name="catalogue", train=own, validation=validation, options=options))
    if known:
        steps = math.ceil(len(known) / count_known(len(own), options))
        adapted = replace(
            options,
            epochs=max(options.epochs, math.ceil(KNOWN_STEPS / steps)),
            patience=max(options.patience, math.ceil(KNOWN_PATIENCE_STEPS / steps)),
            learning_rate=KNOWN_RATE * options.learning_rate if own else options.learning_rate,
        )
        stages.append(Stage(name="ratings and log", train=data.train, validation=data.validation, options=adapted))
    return stages


def open_trainable(weights: LocatedWeights, options: EncoderOptions) -> TrainableEncoder:
    """Load an encoder, with adapters where a rank asks for them."""
    torch.manual_seed(options.seed)
    text_format = find_format(weights.folder, weights.model.repository)
    network, trunk = _open_network(weights, options, text_format.pooling)
    tokenizer = TextTokenizer(
        weights.folder / "tokenizer.json", max_tokens=options.max_tokens, prefixes=text_format.prefixes
    )
    encode = NetworkEncoder(network, tokenizer)
    return TrainableEncoder(network=network, trunk=trunk, encode=encode, text_format=text_format, options=options)


def fit_stage(
    catalog: LiveCatalog,
    trained: TrainableEncoder,
    stage: Stage,
    *,
    say: Callable[[str], None] = lambda line: None,
    report: Progress = no_progress,
) -> FitHistory:
    """Fit an encoder to the queries of a stage; whether it is better then is not looked at.

    Raises:
        ModelError: a loss is not finite.
    """
    say(f"learning from {len(stage.train):,} queries: {stage.name}")
    vectors = catalog.vectors(np.arange(catalog.base))
    products: Products = (
        StillProducts(vectors)
        if stage.options.query_side
        else MovingProducts(trained.encode, vectors, ProductWriter(catalog).text)
    )
    return fit_encoder(
        trained.network, trained.encode, products, stage.train, stage.validation, stage.options, say, report
    )


def write_weights(trained: TrainableEncoder, weights: LocatedWeights, out: Path) -> None:
    """Write weights with adapters merged, and what belongs to them, into a folder; made where it is missing."""
    out.mkdir(parents=True, exist_ok=True)
    merged = trained.trunk.merge_and_unload() if trained.options.lora_rank else trained.trunk
    merged.save_pretrained(out, safe_serialization=True)
    for name in LOADED_FILES[1:]:
        shutil.copyfile(weights.folder / name, out / name)
    write_format(out, trained.text_format)


def _open_network(weights: LocatedWeights, options: EncoderOptions, pooling: Pooling) -> tuple[torch.nn.Module, Any]:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    trunk: Any = AutoModel.from_pretrained(weights.folder, attn_implementation="sdpa", dtype=torch.float32)
    if options.lora_rank:
        config = LoraConfig(
            r=options.lora_rank,
            lora_alpha=2 * options.lora_rank,
            target_modules=list(ADAPTED),
            exclude_modules=r".*pooler.*",  # of a sentence's own head, which no vector is made by
        )
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5 for something by its old name
            warnings.filterwarnings(
                "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
            )
            trunk = get_peft_model(trunk, config)
    return SentenceEncoder(trunk, pooling), trunk
