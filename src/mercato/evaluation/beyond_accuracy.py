"""What accuracy does not say of lists: novelty, variety, concentration on what is popular, order of what was returned.

Library: SciPy for distances, ranks and monotone fits; the rest are counts, each with its source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import integrate, optimize, stats
from scipy.spatial.distance import pdist

from mercato.arrays import Float64
from mercato.evaluation.asking import Answer, ReturnedProduct
from mercato.evaluation.holdout import Interactions


def count_buyers(known: Interactions) -> tuple[Counter[str], int]:
    """Count the distinct buyers of each product, and all buyers."""
    pairs = set(zip(known.users, known.products, strict=True))
    return Counter(product for _, product in pairs), len(set(known.users))


def measure_novelty(answers: Sequence[Answer], k: int, buyers: Mapping[str, int], users: int) -> Float64:
    """Measure how unexpected lists are: mean self-information of the first k products, in bits.

    -log2(p), p = (buyers + 1) / (users + 1): share of the users who had bought the product (Vargas and Castells 2011),
    smoothed so that a product that nobody bought has a value.

    Args:
        answers: lists.
        k: products of each that count.
        buyers: product -> distinct buyers.
        users: all buyers.

    Returns:
        float64 [answers]; NaN for empty lists.
    """
    return _mean_of_first(answers, k, lambda product: -np.log2((buyers.get(product.id, 0) + 1) / (users + 1)))


def measure_popularity(answers: Sequence[Answer], k: int, buyers: Mapping[str, int], users: int) -> Float64:
    """Measure how popular lists are: mean share of the users who had bought the first k products, 0 to 1."""
    return _mean_of_first(answers, k, lambda product: buyers.get(product.id, 0) / max(1, users))


def measure_popularity_lift(
    answers: Sequence[Answer], before: Sequence[frozenset[str]], k: int, buyers: Mapping[str, int], users: int
) -> Float64:
    """Measure popularity bias: how much more popular lists are than what their users had bought, 0 for equally.

    GAP(list) / GAP(history) - 1, where GAP is the mean share of users who had bought a product (Abdollahpouri et al.
    2019): 0.5 is a list half as popular again as the user's own taste.

    Args:
        answers: lists.
        before: for each the products that the user had bought.
        k: products of each that count.
        buyers: product -> distinct buyers.
        users: all buyers.

    Returns:
        float64 [answers]; NaN for empty lists, and for users of whom nothing is known.
    """
    own = np.array(
        [np.mean([buyers.get(product, 0) for product in known]) / max(1, users) if known else np.nan
         for known in before],
        dtype=np.float64,
    )  # fmt: skip
    shown = measure_popularity(answers, k, buyers, users)
    lift = np.full(len(answers), np.nan)
    np.divide(shown, own, out=lift, where=own > 0)
    return lift - 1.0


def read_categories(product: ReturnedProduct) -> set[str]:
    """Give the categories of a product."""
    return set(product.categories)


def read_title(product: ReturnedProduct) -> set[str]:
    """Give the words of a product's title, in lower case."""
    return set(product.title.lower().split())


def measure_diversity(
    answers: Sequence[Answer], k: int, read: Callable[[ReturnedProduct], set[str]] = read_categories
) -> Float64:
    """Measure how different the products of a list are: mean Jaccard distance between what is said of two of them.

    Args:
        answers: lists.
        k: products of each that count.
        read: what is said of a product: its categories, or the words of its title, which every shop has.

    Returns:
        float64 [answers], 0 (the same is said of all) to 1 (none share anything); NaN where something is said of
        fewer than two products.
    """
    found = np.full(len(answers), np.nan)
    for position, answer in enumerate(answers):
        sets = [said for product in answer.results[:k] if (said := read(product))]
        names = sorted(set().union(*sets))
        if len(sets) > 1:
            table = np.array([[name in one for name in names] for one in sets], dtype=bool)
            found[position] = float(np.mean(pdist(table, "jaccard")))
    return found


def compute_gini(answers: Sequence[Answer], k: int, catalogue: int) -> float:
    """Compute how unequally products are shown: Gini coefficient over the catalogue.

    0: every product is shown equally often; 1: one product takes all. 1 - 2 * area under the Lorenz curve.

    Args:
        answers: lists.
        k: products of each that count.
        catalogue: products there are; those that are never shown count as 0.
    """
    shown = Counter(product for answer in answers for product in answer.ids[:k])
    if not shown:
        return float("nan")
    counts = np.zeros(max(catalogue, len(shown)))
    counts[len(counts) - len(shown) :] = sorted(shown.values())
    lorenz = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    return float(1.0 - 2.0 * integrate.trapezoid(lorenz, dx=1.0 / len(counts)))


def measure_auc(answers: Sequence[Answer], bought: Sequence[Mapping[str, int]]) -> Float64:
    """Measure the order within what was returned: how often something bought stands before something not bought.

    The Mann-Whitney U of the ranks, divided by the number of pairs. Only products that were returned count, so it
    says nothing of what is missing.

    Args:
        answers: lists.
        bought: for each the products that are right.

    Returns:
        float64 [answers]; NaN where a list holds no pair of one bought and one not.
    """
    found = np.full(len(answers), np.nan)
    for position, (answer, right) in enumerate(zip(answers, bought, strict=True)):
        hit = np.array([product in right for product in answer.ids], dtype=bool)
        if hit.any() and not hit.all():
            height = -np.arange(len(hit), dtype=np.float64)
            statistic = stats.mannwhitneyu(height[hit], height[~hit], method="asymptotic").statistic
            found[position] = float(statistic) / (hit.sum() * (~hit).sum())
    return found


def measure_rating_error(answers: Sequence[Answer], ratings: Sequence[Mapping[str, float]]) -> Float64:
    """Measure how far ratings are from what the ranks in the lists predict: mean absolute error by user.

    A server returns an order, not stars: the rating that a rank stands for is learned by isotonic regression from the
    other half of the users.

    Args:
        answers: lists.
        ratings: for each product -> rating given.

    Returns:
        float64 [answers]; NaN where no returned product was rated, or the other half has no rating.
    """
    pairs = [
        [
            (float(rank), ratings[position][product])
            for rank, product in enumerate(answer.ids)
            if product in ratings[position]
        ]
        for position, answer in enumerate(answers)
    ]
    found = np.full(len(answers), np.nan)
    for half in (0, 1):
        known = np.array([pair for position, rated in enumerate(pairs) if position % 2 != half for pair in rated])
        if not len(known):
            continue
        order = np.argsort(known[:, 0], kind="stable")
        fitted = optimize.isotonic_regression(known[order, 1], increasing=False).x
        for position, rated in enumerate(pairs):
            if position % 2 == half and rated:
                ranks, given = np.array(rated).T
                found[position] = float(np.mean(np.abs(np.interp(ranks, known[order, 0], fitted) - given)))
    return found


def _mean_of_first(answers: Sequence[Answer], k: int, value: Callable[[ReturnedProduct], float]) -> Float64:
    return np.array(
        [
            np.mean([value(product) for product in answer.results[:k]]) if answer.results else np.nan
            for answer in answers
        ],
        dtype=np.float64,
    )
