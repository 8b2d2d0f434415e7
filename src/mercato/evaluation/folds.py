"""Folds of cross-validation over queries: what is trained on a fold's complement is measured on the fold.

Apart from both, because training, evaluation and benchmarks must share one rule.
"""

from __future__ import annotations

import hashlib
import unicodedata

FOLDS = 5


def fold_of(query: str, folds: int = FOLDS) -> int:
    """Return the fold of a query: the same on every machine, in every version of Python, for every order of the file.

    The first 8 bytes of the SHA-256 of the query, read as a big-endian number, modulo the number of folds. Queries
    that differ in case, white space or Unicode form alone share a fold, so that none is both trained and measured on.

    Args:
        query: as rated.
        folds: how many folds there are, at least 1.

    Returns:
        0 to ``folds - 1``.

    Raises:
        ValueError: there is no fold.
    """
    if folds < 1:
        raise ValueError(f"folds must be at least 1, got {folds}")
    text = " ".join(unicodedata.normalize("NFKC", query).casefold().split())
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % folds
