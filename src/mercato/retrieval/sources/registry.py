"""The sources of candidates, listed once: flags, labels and what is learned follow from the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mercato.index.learned import Signal
from mercato.requests.retrieval import Placement, SourceFlags
from mercato.retrieval.sources.also_bought import ALSO_BOUGHT
from mercato.retrieval.sources.arrival import ARRIVAL
from mercato.retrieval.sources.base import Source
from mercato.retrieval.sources.category import CATEGORY
from mercato.retrieval.sources.chosen import CHOSEN
from mercato.retrieval.sources.cooccurrence import COOCCURRENCE
from mercato.retrieval.sources.dense import DENSE
from mercato.retrieval.sources.item_knn import ITEM_KNN
from mercato.retrieval.sources.popular import POPULAR
from mercato.retrieval.sources.recent import RECENT
from mercato.retrieval.sources.regional import REGIONAL
from mercato.retrieval.sources.repeat import REPEAT
from mercato.retrieval.sources.sequence import SEQUENCE
from mercato.retrieval.sources.session import SESSION
from mercato.retrieval.sources.similar import SIMILAR
from mercato.retrieval.sources.trending import TRENDING
from mercato.retrieval.sources.words import WORDS

SOURCES: tuple[Source, ...] = (
    DENSE,
    WORDS,
    REPEAT,
    COOCCURRENCE,
    SIMILAR,
    POPULAR,
    ALSO_BOUGHT,
    RECENT,
    TRENDING,
    ARRIVAL,
    CATEGORY,
    SEQUENCE,
    REGIONAL,
    CHOSEN,
    ITEM_KNN,
    SESSION,
)
"""All sources, in the order in which an answer names those of a product; a new one comes last."""

BY_LABEL: Mapping[str, Source] = {source.label: source for source in SOURCES}
IN_TURN: tuple[Source, ...] = tuple(sorted(SOURCES, key=lambda source: source.turn))
"""The sources in the order in which they are asked."""
FLAGS: Mapping[str, int] = {source.label: 1 << bit for bit, source in enumerate(SOURCES)}
"""By label the bit that stands for a source where those of many products are kept."""

if len(SOURCES) > np.iinfo(SourceFlags).bits:
    raise TypeError(f"{len(SOURCES)} sources need a wider type than {SourceFlags.__name__} for their flags")


def list_labels(flags: int) -> list[str]:
    """Return the labels of the sources in a combination of flags."""
    return [label for label, flag in FLAGS.items() if flags & flag]


def list_signals(*, counts: bool = False) -> list[Signal[Any]]:
    """Return what is learned for sources when a catalogue is indexed, each signal once.

    Args:
        counts: also what is counted for explanations alone.
    """
    signals: Iterable[Signal[Any]] = (
        signal for source in SOURCES for signal in (*source.signals, *(source.counts if counts else ()))
    )
    return list(dict.fromkeys(signals))


def list_needed() -> list[Signal[Any]]:
    """Return what a snapshot must have learned for its signals to go on until the next one."""
    return list(dict.fromkeys(needed for signal in list_signals() for needed in signal.needs))


def write_table() -> str:
    """Return the table of the sources of recommendations, as ``docs/recommendation.md`` has it, the heaviest first."""
    placed = sorted((source for source in SOURCES if source.weights), key=lambda one: -max(one.weights.values()))
    rows = [f"| `{one.label}` | {one.asks} | {one.learned_from} | {_describe_weights(one)} |" for one in placed]
    return "\n".join(["| source | what it asks | learned from | weighs |", "|---|---|---|---|", *rows])


def _describe_weights(source: Source) -> str:
    """Name each placement with its weight; category and rank are not named where they weigh what the home page does."""
    home = source.weights.get(Placement.HOME_PAGE)
    told = {
        placement: weight
        for placement, weight in source.weights.items()
        if weight != home or placement not in (Placement.CATEGORY, Placement.RANK)
    }
    return ", ".join(f"{placement.label} {weight:g}" for placement, weight in told.items())
