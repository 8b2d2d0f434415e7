"""The files of a catalogue snapshot and how products map to distinct texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Int32

PRODUCTS = "products.arrow"
IDS = "ids.safetensors"
ROWS = "rows.npy"
ALIVE = "alive.npy"
DENSE_INDEX = "dense.faiss"
WORD_INDEX = "words"
COLUMNS = "columns.safetensors"
COLUMNS_META = "columns.json"
TEXTS = "texts.safetensors"
SIGNALS = "signals.safetensors"
BEHAVIOUR = "behaviour.safetensors"
TOGETHER = "together.safetensors"
FEATURES = "features.safetensors"
SETTINGS = "settings.json"
VOCABULARY = "vocabulary.json"
SPELLING = "spelling.safetensors"
SYNONYMS = "synonyms.json"
GLOSSES = "glosses.json"
KINDS = "kinds.safetensors"
CODES = "codes.safetensors"
TITLES = "titles.safetensors"
FEED = "feed.json"
UNITS = "units.json"
HELD_WORDS = "held_words.safetensors"
SOURCES = "sources.json"
BUNDLES = "bundles.safetensors"
PART = "part.safetensors"


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """Which rows share which encoded text.

    Attributes:
        text_of_row: int32 [products].
        bounds: int32 [texts + 1]; text t belongs to rows[bounds[t]:bounds[t + 1]].
        rows: int32 [products], grouped by text, ascending within a text.
    """

    text_of_row: Int32
    bounds: Int32
    rows: Int32


def group_texts(texts: Sequence[str]) -> tuple[list[str], TextLayout]:
    """Find the distinct texts, in order of first appearance, and the rows of each.

    Args:
        texts: one text for each row.

    Returns:
        The distinct texts and the layout.
    """
    numbers: dict[str, int] = {}
    text_of_row = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int32, len(texts))
    rows = np.argsort(text_of_row, kind="stable").astype(np.int32)
    bounds = np.zeros(len(numbers) + 1, np.int32)
    np.cumsum(np.bincount(text_of_row, minlength=len(numbers)), out=bounds[1:])
    return list(numbers), TextLayout(text_of_row=text_of_row, bounds=bounds, rows=rows)
