"""The query that led to a purchase, made from the product's categories.

Purchase logs without searches are the usual case. Research on personalised product search (Ai et al. 2017, "Learning
a Hierarchical Embedding Model for Personalized Product Search", after Van Gysel et al. 2016) takes the text of a
product's categories as the query that led to its purchase.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=100_000)
def make_queries(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Make the queries that a product's categories stand for.

    Args:
        categories: general to specific, as in the product document.

    Returns:
        The most specific category, and with it the one above, repeated words left out; lower case. Fewer where the two
        are the same, none without a category.
    """
    texts = []
    for depth in (1, 2):
        words = " ".join(categories[-depth:]).lower().split()
        text = " ".join(dict.fromkeys(words))
        if text and text not in texts:
            texts.append(text)
    return tuple(texts)
