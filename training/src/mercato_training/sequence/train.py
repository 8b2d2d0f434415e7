"""Training the sequence model: histories, fit, what it reaches, and the files that describe it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mercato.arrays import Int64
from mercato.errors import DataError, InvalidInputError
from mercato.index.snapshot import Snapshot
from mercato.progress import Progress, no_progress
from mercato.retrieval.sources.base import CANDIDATES
from mercato_export.networks.sequence import SequenceConfig, SequenceNetwork, save_sequence
from mercato_training.common.cards import render_card
from mercato_training.common.learned import find_last_event, forget_learned, save_learned
from mercato_training.common.metrics import Tools, write_results
from mercato_training.sequence.data import Windows, collect_histories, cut_windows, hold_out, last_windows
from mercato_training.sequence.events import UserEvents
from mercato_training.sequence.fit import SequenceFitOptions, check_device, fit_sequence
from mercato_training.sequence.metrics import (
    SequenceCounts,
    SequenceMetrics,
    SequenceOptions,
    SequenceTrainingOptions,
    WeightMetrics,
)
from mercato_training.sequence.weight import CUTOFF, choose_weight


def train_sequence(
    events: UserEvents,
    out: Path | None,
    *,
    options: SequenceOptions = SequenceOptions(),  # noqa: B008  # a frozen value
    fit_options: SequenceFitOptions = SequenceFitOptions(),  # noqa: B008  # a frozen value
    catalog: Snapshot | None = None,
    source: str = "",
    report: Progress = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[SequenceNetwork, list[str], SequenceMetrics]:
    """Train a sequence model and write it with its metrics and its card.

    Args:
        events: who did what.
        out: the folder to write; None writes nothing.
        options: what is learned from, and the shape.
        fit_options: how the network is fitted.
        catalog: whose text vectors help with rare products, and whose variants count as their products; None goes by
            ids alone.
        source: of the events, for the card.
        report: told of progress.
        say: told of each pass.

    Returns:
        The network, the product ids of its codes 1, 2, ..., and the metrics.

    Raises:
        DataError: there is too little to learn from.
        InvalidInputError: the heads do not divide the width, or the device is none that is there.
        ModelError: a loss is not a number.
    """
    started = time.monotonic()
    check_device(fit_options.device)
    if catalog is not None:
        events = replace(events, products=name_products(catalog, events.products))
    histories = collect_histories(events, min_events=options.min_events)
    learned, held_out = hold_out(
        histories, events, share=options.held_out, most=options.most_held_out, seed=fit_options.seed
    )
    if not any(history.last_visit for history in learned):
        raise DataError(
            f"events: somebody must have come twice, but the events of each of the {len(histories.users):,} users are "
            "of one basket or one moment; nothing says what comes next"
        )
    texts = None if catalog is None else gather_texts(catalog, histories.product_ids)
    config = SequenceConfig(
        products=len(histories.product_ids),
        max_length=options.max_length,
        layers=options.layers,
        heads=options.heads,
        dropout=options.dropout,
        text_width=0 if texts is None else texts.shape[1],
    )
    if config.width % config.heads:
        raise InvalidInputError("--heads", f"must divide {config.width}, the width of the network, got {config.heads}")
    validation = last_windows(held_out, config.max_length)
    fit = fit_sequence(
        lambda random: cut_windows(learned, config.max_length, random),
        validation,
        histories.counts,
        config,
        fit_options,
        report,
        say,
        texts=None if texts is None else torch.from_numpy(texts),
    )
    network = fit.network.fold()
    report("choosing the weight", 0, 1)
    choice = choose_weight(events, histories, held_out, lambda held: rank_next(network, held), seed=fit_options.seed)
    metrics = SequenceMetrics(
        config=network.config,
        options=SequenceTrainingOptions(**vars(options), fit=fit_options),
        source=source,
        counts=SequenceCounts(
            events=len(events),
            users=len(histories.users),
            products=len(histories.product_ids),
            rare_products=len(set(events.products)) - len(histories.product_ids),
            held_out_users=len(held_out),
            texts=0 if texts is None else int(np.count_nonzero(texts.any(axis=1))),
            weights=sum(parameter.numel() for parameter in network.parameters()),
        ),
        fit=fit.history,
        results=measure_last(network, validation, histories.counts),
        weight=None if choice is None else WeightMetrics.of(choice),
        seconds=round(time.monotonic() - started, 1),
        tools=Tools.of_this_process(),
    )
    if out is not None:
        save_sequence(out, network, histories.product_ids, weight=None if choice is None else choice.weight)
        if events.timed:
            save_learned(out, find_last_event(events.time))
        else:
            forget_learned(out)
        write_results(out, metrics, render_card("sequence/card.md.jinja", {"m": metrics}))
    return network, histories.product_ids, metrics


def name_products(catalog: Snapshot, product_ids: Sequence[str]) -> list[str]:
    """Return product ids with that of the product in place of a variant's; what the catalogue lacks stays."""
    rows = {known: catalog.row_by_any_id.get(known, -1) for known in set(product_ids)}
    names = {known: known if row < 0 else catalog.documents.id(row) for known, row in rows.items()}
    return [names[known] for known in product_ids]


def gather_texts(catalog: Snapshot, product_ids: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return text vectors by code, float32 [products + 1, D]; zeros for padding and for what the catalogue lacks."""
    found = np.zeros((len(product_ids) + 1, catalog.manifest.dimension), np.float32)
    known = [(code, catalog.row_by_any_id.get(product, -1)) for code, product in enumerate(product_ids, 1)]
    codes = np.array([code for code, row in known if row >= 0], np.int64)
    rows = np.array([row for _, row in known if row >= 0], np.int64)
    found[codes] = catalog.vectors(rows)
    return found


def rank_next(network: SequenceNetwork, histories: Sequence[Int64]) -> list[Int64]:
    """Rank the next products of histories.

    Args:
        network: the network.
        histories: codes of each, oldest first; the last ``max_length`` are read.

    Returns:
        For each int64 [m], the codes of its best products, best first, as many as a source brings.
    """
    length, products = network.config.max_length, network.config.products
    codes = torch.arange(1, products + 1)
    best = []
    with torch.inference_mode():
        for held in histories:
            state = network(torch.from_numpy(held[-length:].copy()).unsqueeze(0))
            scores = network.score(state, codes)[0]
            best.append(1 + scores.topk(min(CANDIDATES, products)).indices.numpy())
    return best


def measure_last(
    network: SequenceNetwork, windows: Windows, counts: npt.NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Measure how early the last event of each window comes in the order of the scores, and in that of popularity.

    Args:
        network: the network.
        windows: as `mercato_training.sequence.data.last_windows` makes them.
        counts: int64 [products + 1], events of each code.

    Returns:
        Order -> ``recall@10`` and ``ndcg@10``; empty without windows.
    """
    if not len(windows):
        return {}
    right = torch.from_numpy(windows.following.max(axis=1))
    codes = torch.arange(1, network.config.products + 1)
    popularity = torch.from_numpy(counts[1:].astype(np.float32))
    ranks: dict[str, list[torch.Tensor]] = {"sequence": [], "popularity": []}
    with torch.inference_mode():
        for start in range(0, len(windows), 64):
            wanted = right[start : start + 64].unsqueeze(1) - 1
            states = network(torch.from_numpy(windows.read[start : start + 64]))
            for name, scores in (
                ("sequence", network.score(states, codes)),
                ("popularity", popularity.expand(len(wanted), -1)),
            ):
                ranks[name].append((scores > scores.gather(1, wanted)).sum(dim=1))
    measured = {}
    for name, parts in ranks.items():
        rank = torch.cat(parts).numpy()
        hit = rank < CUTOFF
        measured[name] = {
            f"recall@{CUTOFF}": float(hit.mean()),
            f"ndcg@{CUTOFF}": float((hit / np.log2(rank + 2.0)).mean()),
        }
    return measured
