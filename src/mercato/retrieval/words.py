"""The word index: BM25 by the bm25s library, which keeps every term's scores ready in a sparse matrix.

The matrix is memory-mapped. A query reads the columns of its terms and gets the score of every product, so that a
filter is a mask and the number of matches is exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import bm25s
import numpy as np
import numpy.typing as npt
from bm25s.tokenization import Tokenized

from mercato.catalog.delta import Postings
from mercato.errors import SnapshotError

Float32 = npt.NDArray[np.float32]

K1 = 1.5  # bm25s's defaults; Robertson & Zaragoza 2009 give 1.2-2 and 0.5-0.8 as good ranges
B = 0.75
_METHOD = "lucene"
_STATISTICS = "statistics.json"


class WordIndex:
    """A mapped BM25 index over the rows of a snapshot."""

    def __init__(self, folder: Path) -> None:
        """Map an index.

        Raises:
            SnapshotError: a file is missing or altered.
        """
        try:
            self._bm25 = bm25s.BM25.load(str(folder), mmap=True, show_progress=False)
            statistics = json.loads((folder / _STATISTICS).read_bytes())
        except (OSError, ValueError, KeyError) as exc:
            raise SnapshotError(f"{folder.name}: cannot be read ({exc}); build the snapshot again") from exc
        self.count: int = statistics["documents"]
        self.average_length: float = statistics["average_length"]
        self._vocabulary: dict[str, int] = self._bm25.vocab_dict
        self._vocabulary.pop("", None)  # bm25s adds it, with a number that its matrix does not have
        # Plain views of the mapped files: numpy's memmap class makes every slice cost microseconds.
        for name in ("data", "indices", "indptr"):
            self._bm25.scores[name] = self._bm25.scores[name].view(np.ndarray)
        self._bounds = self._bm25.scores["indptr"]

    def scores(self, terms: Sequence[str]) -> Float32:
        """Return every row's BM25 score for the terms, float32 [rows]; 0 where no term occurs."""
        known = [self._vocabulary[term] for term in terms if term in self._vocabulary]
        if not known:
            return np.zeros(self.count, np.float32)
        scores: Float32 = self._bm25.get_scores_from_ids(known)
        return scores

    def score_other(self, terms: Sequence[str], postings: Mapping[str, Postings], lengths: Float32) -> Float32:
        """Score documents that are not in the index as if they were, with the index's statistics.

        BM25 as Lucene has it: sum over terms of ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 (1 - b + b l / L)),
        N documents, df of them with the term, l the document's length, L the average (Kamphuis et al. 2020).

        Args:
            terms: the query's terms; one that is repeated counts as often, as in the index.
            postings: for each term the documents that have it.
            lengths: float32 [documents], terms of each document.

        Returns:
            float32 [documents]; 0 where no term occurs.
        """
        scores = np.zeros(len(lengths), np.float32)
        for term in terms:
            found = postings.get(term)
            if found is None:
                continue
            places, counts = np.array(found.entries), np.array(found.counts, np.float32)
            norms = K1 * (1 - B + B * lengths[places] / self.average_length)
            scores[places] += self._inverse_document_frequency(term) * counts / (counts + norms)
        return scores

    def _inverse_document_frequency(self, term: str) -> float:
        term_id = self._vocabulary.get(term)
        frequency = 0 if term_id is None else int(self._bounds[term_id + 1] - self._bounds[term_id])
        return math.log(1 + (self.count - frequency + 0.5) / (frequency + 0.5))


def build_word_index(documents: Sequence[Sequence[str]], folder: Path) -> None:
    """Build an index over documents given as terms, in row order, and write it to a folder."""
    vocabulary: dict[str, int] = {}
    ids = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms] for terms in documents]
    if not vocabulary:  # bm25s has no empty index; a term that no query can hold keeps the layout
        ids[0] = [vocabulary.setdefault("\0", 0)]
    index = bm25s.BM25(k1=K1, b=B, method=_METHOD, backend="numpy")
    index.index(Tokenized(ids=ids, vocab=vocabulary), show_progress=False)
    index.save(str(folder), show_progress=False)
    average = sum(len(terms) for terms in ids) / len(ids)
    (folder / _STATISTICS).write_text(json.dumps({"documents": len(ids), "average_length": average}))
