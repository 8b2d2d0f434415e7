"""The features that say how a candidate fits the query, and how it fits what else was found for it."""

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature_names import COLUMN
from mercato.features.inputs import ProductFeatures
from mercato.features.kinds import compare_kinds

EXAMPLES = 10
"""First products of a list that stand for the kind of thing that was asked for (pseudo-relevance feedback)."""
AGREEING = 20
"""First products of a list whose brands and categories are compared with a candidate's."""


def fill_search(result: NDArray[np.float32], lists: CandidateLists) -> None:
    """Fill the columns of a query's words; zeros for a recommendation."""
    coverage = [
        request.candidates.coverage if request.candidates.coverage is not None else np.zeros(length, np.float32)
        for request, length in zip(lists.requests, lists.lengths, strict=True)
    ]
    result[COLUMN["coverage"]] = np.concatenate(coverage)
    matches = np.log1p([request.candidates.matches for request in lists.requests])
    result[COLUMN["log_matches"]] = np.repeat(matches, lists.lengths)


def fill_agreement(result: NDArray[np.float32], lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how alike each candidate and the best of its list are: in kind, brand and category.

    Args:
        result: float32 [features, n], zeros in these columns.
        lists: the candidates, best first.
        products: columns of all products.
    """
    kinds = products.kinds
    word_rank, dense_rank = lists.column("word_rank"), lists.column("dense_rank")
    for index in range(len(lists.lengths)):
        here = lists.part(index)
        rows = lists.rows[here]
        place, names, weights = kinds.gather(rows)
        examples = {
            "kind_words": _is_among_first(word_rank[here]),
            "kind_dense": _is_among_first(dense_rank[here]),
            "kind_fused": np.arange(len(rows)) < EXAMPLES,
        }
        for name, chosen in examples.items():
            result[COLUMN[name], here] = compare_kinds(place, names, weights, chosen)
        for name, codes in (("brand_agreement", products.brand), ("category_agreement", products.leaf_category)):
            result[COLUMN[name], here] = _share_of_code(codes[rows])


def _is_among_first(ranks: NDArray[np.float32]) -> NDArray[np.bool_]:
    among: NDArray[np.bool_] = (ranks > 0) & (ranks <= EXAMPLES)
    return among


def _share_of_code(codes: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the share of the first products that have each candidate's code; 0 for code -1, which is none."""
    first = codes[:AGREEING]
    counts = np.bincount(first + 1, minlength=int(codes.max()) + 2)
    share: NDArray[np.float32] = (counts[codes + 1] / len(first) * (codes >= 0)).astype(np.float32)
    return share
