"""Training the reranker: groups, fit, the weight of the blend, and the files that describe it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from mercato.checksum import hash_file
from mercato.errors import DataError, ModelError
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.models.reranker import PairTokenizer
from mercato.models.stages import RankerStage
from mercato.progress import Progress, no_progress
from mercato_export.networks.reranker import (
    TOKENIZER_FILE,
    RerankerConfig,
    RerankerNetwork,
    choose_layers,
    cut_encoder,
    load_reranker,
    save_reranker,
)
from mercato_export.weights import LocatedWeights
from mercato_training.common.cards import render_card
from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Seconds, Source, Tools, write_results
from mercato_training.reranker.data import Ratings, RerankerData, RerankerDataOptions, prepare_groups
from mercato_training.reranker.events import Behaviour
from mercato_training.reranker.fit import RerankerFitOptions, fit_reranker
from mercato_training.reranker.metrics import GroupCounts, RerankerMetrics, RerankerOptions, RerankerShape
from mercato_training.reranker.quality import choose_weight, compare_orders, score_queries


def train_reranker(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    weights: LocatedWeights,
    out: Path,
    *,
    shape: RerankerShape,
    data_options: RerankerDataOptions,
    synthetic_options: RerankerFitOptions,
    rated_options: RerankerFitOptions,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    ranker: RankerStage | None = None,
    start: Path | None = None,
    report: Progress = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> RerankerMetrics:
    """Train a reranker and write weights, tokenizer, ``metrics.json`` and ``MODEL_CARD.md``.

    It learns the catalogue's own queries first and then, where there are any, ratings and what shoppers did.

    Args:
        catalog: the products.
        encoder: that of the catalogue; retrieves candidates, and its order is taught.
        weights: the encoder's weights to start from.
        out: folder to write to; made where it is missing.
        shape: of the network.
        data_options: what is learned from.
        synthetic_options: how queries made of the catalogue are fitted.
        rated_options: how ratings and behaviour are fitted.
        ratings: query -> product id -> rating.
        behaviour: what shoppers did.
        ranker: the stage before it when served; None for the order of retrieval.
        start: folder of an earlier training to go on from, in place of ``weights``.
        report: told of progress.
        say: told a sentence now and then.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        DataError: there is too little to learn from.
        ModelError: a loss is not finite, or ``start`` cannot be used.
    """
    started = time.monotonic()
    data = prepare_groups(
        catalog, encoder, data_options, ratings=ratings, behaviour=behaviour, ranker=ranker, report=report
    )
    prepared = time.monotonic()
    network, tokenizer_file = _open_network(weights, shape, start)
    config = network.config
    tokenizer = PairTokenizer(tokenizer_file, max_tokens=config.max_tokens, query_tokens=config.query_tokens)
    fits = _fit(network, data, tokenizer, synthetic_options, rated_options, say, report)
    fitted = time.monotonic()
    report("choosing the weight", 0, 1)
    held_out = score_queries(network, data.held_out, data.texts, tokenizer, depth=shape.depth)
    weight = choose_weight(held_out) if shape.weight is None else shape.weight
    network.config = replace(config, weight=weight)
    test = score_queries(network, data.test, data.texts, tokenizer, depth=shape.depth)
    results = {
        name: compare_orders(scored, weight) for name, scored in (("held out", held_out), ("test fold", test)) if scored
    }
    metrics = RerankerMetrics(
        counts=data.counts,
        groups=GroupCounts(
            synthetic=len(data.synthetic),
            synthetic_validation=len(data.synthetic_validation),
            rated=len(data.rated),
            rated_validation=len(data.rated_validation),
        ),
        stage_before="retrieval" if ranker is None else "ranker",
        weight=weight,
        weight_chosen_on=len(held_out) if shape.weight is None else 0,
        fits=fits,
        results=results,
        options=RerankerOptions(shape=shape, data=data_options, synthetic=synthetic_options, rated=rated_options),
        source=Source.of(weights),
        seconds=Seconds(
            data=round(prepared - started, 1),
            fit=round(fitted - prepared, 1),
            comparison=round(time.monotonic() - fitted, 1),
        ),
        tools=Tools.of_this_process(),
    )
    save_reranker(out, network, tokenizer_file)
    layers = [layer + 1 for layer in config.layers]
    write_results(out, metrics, render_card("reranker/card.md.jinja", {"m": metrics, "layers": layers}))
    return metrics


def _open_network(weights: LocatedWeights, shape: RerankerShape, start: Path | None) -> tuple[RerankerNetwork, Path]:
    """Return the network to fit and the tokenizer that belongs to it."""
    if start is not None:
        network, _ = load_reranker(start)
        return network, start / TOKENIZER_FILE
    available = int(orjson.loads((weights.folder / "config.json").read_bytes())["num_hidden_layers"])
    if not 1 <= shape.layers <= available:
        raise DataError(f"--layers: must be from 1 to {available}, got {shape.layers}")
    if shape.max_tokens < shape.query_tokens + 8:
        raise DataError(
            f"--max-tokens: must leave 8 tokens to the product beside {shape.query_tokens} of the query, "
            f"got {shape.max_tokens}"
        )
    layers = choose_layers(shape.layers, available)
    trunk: Any = cut_encoder(weights.folder, layers)
    tokenizer = weights.folder / TOKENIZER_FILE
    config = RerankerConfig(
        layers=layers,
        max_tokens=shape.max_tokens,
        query_tokens=shape.query_tokens,
        weight=0.0,
        trunk=_describe_trunk(trunk.config.to_dict()),
        tokenizer_sha256=hash_file(tokenizer),
    )
    return RerankerNetwork(config, trunk), tokenizer


def _describe_trunk(config: dict[str, Any]) -> dict[str, Any]:
    """Keep what the trunk is rebuilt from."""
    names = (
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "hidden_act", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id",
        "hidden_dropout_prob", "attention_probs_dropout_prob",
    )  # fmt: skip
    return {name: config[name] for name in names if name in config}


def _fit(
    network: RerankerNetwork,
    data: RerankerData,
    tokenizer: PairTokenizer,
    synthetic_options: RerankerFitOptions,
    rated_options: RerankerFitOptions,
    say: Callable[[str], None],
    report: Progress,
) -> dict[str, FitHistory]:
    """Fit the synthetic queries, made of the catalogue alone, then what was rated, clicked and bought."""
    fits: dict[str, FitHistory] = {}
    for name, groups, held, options in (
        ("synthetic", data.synthetic, data.synthetic_validation, synthetic_options),
        ("rated", data.rated, data.rated_validation, rated_options),
    ):
        if groups and held and options.epochs:
            say(f"{name} queries: {len(groups)} to learn from, {len(held)} held out")
            fits[name] = fit_reranker(network, groups, held, tokenizer, options, say, report)
    if not fits and data.counts["rated_queries"]:
        raise ModelError("training: nothing was fitted; give --epochs or --products above 0")
    network.eval()
    return fits
