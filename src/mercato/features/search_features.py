"""The features that say how a candidate was found, how it fits the query, and how it fits what else was found."""

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature import REQUEST, Columns, Display, Feature, fills
from mercato.features.inputs import ProductFeatures
from mercato.features.kinds import compare_kinds

EXAMPLES = 10
"""First products of a list that stand for the kind of thing that was asked for (pseudo-relevance feedback)."""
AGREEING = 20
"""First products of a list whose brands and categories are compared with a candidate's."""


@fills(
    Feature("dense_score", "similarity", ("candidates.dense_score",), Display.PLAIN),
    Feature("word_score", "words", ("candidates.word_score",), Display.PLAIN),
    Feature("dense_rank_discount", "similarity", ("candidates.dense_rank",)),
    Feature("word_rank_discount", "words", ("candidates.word_rank",)),
    Feature("fused", "order of retrieval", ("candidates.fused",), Display.PLAIN),
    Feature("cooccurrence", "bought together", ("candidates.cooccurrence",), Display.EXPM1),
    Feature("cooccurrence_relative", "bought together", ("candidates.cooccurrence",)),
)
def retrieval(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill what the sources of candidates gave to each."""
    scores = np.stack([lists.column(name) for name in ("word_score", "fused", "cooccurrence")])
    ranks = np.stack([lists.column(name) for name in ("dense_rank", "word_rank")])
    # ``1 / log2(1 + rank)`` as in DCG (Jarvelin and Kekalainen 2002); 0 where absent.
    discounts = (ranks > 0) / np.log2(1.0 + np.maximum(ranks, 1.0))
    word_score, fused, cooccurrence = lists.divide_by_maximum(scores)
    columns["dense_score"][:] = lists.column("dense_score")
    columns["dense_rank_discount"][:] = discounts[0]
    columns["word_rank_discount"][:] = discounts[1]
    columns["word_score"][:] = word_score
    columns["fused"][:] = fused
    columns["cooccurrence"][:] = np.log1p(np.maximum(scores[2], 0.0))
    columns["cooccurrence_relative"][:] = cooccurrence


@fills(
    Feature("coverage", "words", ("candidates.coverage",)),
    Feature("log_matches", REQUEST, ("candidates.matches",)),
)
def query_words(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how many of the query's words each candidate holds, and how much they match; zeros without a query."""
    coverage = [
        request.candidates.coverage if request.candidates.coverage is not None else np.zeros(length, np.float32)
        for request, length in zip(lists.requests, lists.lengths, strict=True)
    ]
    columns["coverage"][:] = np.concatenate(coverage)
    matches = np.log1p([request.candidates.matches for request in lists.requests])
    columns["log_matches"][:] = np.repeat(matches, lists.lengths)


@fills(
    Feature("kind_words", "kind of product", ("products.kinds", "candidates.word_rank")),
    Feature("kind_dense", "kind of product", ("products.kinds", "candidates.dense_rank")),
    Feature("kind_fused", "kind of product", ("products.kinds",), Display.PLAIN),
    Feature("brand_agreement", "kind of product", ("products.brand",)),
    Feature("category_agreement", "kind of product", ("products.leaf_category",)),
)
def agreement(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how alike each candidate and the best of its list are: in kind, brand and category."""
    kinds = products.kinds
    word_rank, dense_rank = lists.column("word_rank"), lists.column("dense_rank")
    for request in range(len(lists.lengths)):
        here = lists.part(request)
        rows = lists.rows[here]
        index, names, weights = kinds.gather(rows)
        examples = {
            "kind_words": _is_among_first(word_rank[here]),
            "kind_dense": _is_among_first(dense_rank[here]),
            "kind_fused": np.arange(len(rows)) < EXAMPLES,
        }
        for name, chosen in examples.items():
            columns[name][here] = compare_kinds(index, names, weights, chosen)
        for name, codes in (("brand_agreement", products.brand), ("category_agreement", products.leaf_category)):
            columns[name][here] = _share_of_code(codes[rows])


@fills(
    Feature("chosen", "chosen for this query", ("candidates.chosen",), Display.PLAIN),
    Feature("chosen_category", "chosen for this query", ("candidates.chosen_category",)),
)
def use(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how many people chose each candidate, and its category, after the same query; zeros where nobody did."""
    for index, request in enumerate(lists.requests):
        for name in ("chosen", "chosen_category"):
            values = getattr(request.candidates, name)
            if values is not None:
                columns[name][lists.part(index)] = values


@fills(
    Feature("category_meaning", "kind of product", ("candidates.category_meaning",)),
    Feature("category_named", "kind of product", ("candidates.category_named",)),
    Feature("category_meaning_relative", "kind of product", ("candidates.category_meaning",)),
    Feature("category_named_relative", "kind of product", ("candidates.category_named",)),
)
def asked_kind(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how well each candidate's category fits the query, also against the best of its list; zeros without."""
    for name in ("category_meaning", "category_named"):
        for request, one in enumerate(lists.requests):
            values, here = getattr(one.candidates, name), lists.part(request)
            if values is not None:
                columns[name][here] = values
                columns[f"{name}_relative"][here] = values - values.max()


def _is_among_first(ranks: NDArray[np.float32]) -> NDArray[np.bool_]:
    among: NDArray[np.bool_] = (ranks > 0) & (ranks <= EXAMPLES)
    return among


def _share_of_code(codes: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the share of the first products that have each candidate's code; 0 for code -1, which is none."""
    first = codes[:AGREEING]
    counts = np.bincount(first + 1, minlength=int(codes.max()) + 2)
    share: NDArray[np.float32] = (counts[codes + 1] / len(first) * (codes >= 0)).astype(np.float32)
    return share
