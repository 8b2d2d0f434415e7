"""The ranker's features: one function for serving and for training.

Everything is computed for a batch of requests over concatenated candidates; one request is a batch of one.
What needs vectors (cosines of query, history and candidate) is computed inside the network instead.

To add a feature, declare it in the block of the function that computes it, or in a new block at the end of `BLOCKS`.
A trained ranker holds the names in order and is refused where they differ: train it again.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercato.features import (
    context_features,
    history_features,
    product_features,
    search_features,
    shopping_features,
)
from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature import Feature, FeatureBlock
from mercato.features.inputs import ProductFeatures, RankRequest

BLOCKS: tuple[FeatureBlock, ...] = (
    search_features.retrieval,
    product_features.product,
    history_features.history,
    context_features.moment,
    search_features.query_words,
    search_features.agreement,
    product_features.age,
    history_features.views,
    context_features.device_and_region,
    shopping_features.sales,
    shopping_features.habits,
    shopping_features.factors,
    search_features.use,
    search_features.asked_kind,
)
"""What is computed together, in the order of the columns."""
FEATURES: tuple[Feature, ...] = tuple(feature for block in BLOCKS for feature in block.features)
"""All features, in the order of the columns."""
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
"""The columns of :func:`compute_features`, in order. A model manifest holds this list; another list is refused."""
COLUMN = {name: index for index, name in enumerate(FEATURE_NAMES)}
"""Column of each feature."""


def compute_features(requests: Sequence[RankRequest], products: ProductFeatures) -> NDArray[np.float32]:
    """Compute the features of every candidate of a batch of requests.

    A candidate's row does not depend on the other requests of the batch. All values are finite: a NaN price reads as
    the mean of the list, missing history and missing or NaN scores as 0. "Relative" columns compare within one
    request's list.

    Args:
        requests: the requests; their candidate lists may be empty.
        products: columns of all products.

    Returns:
        float32 [sum of list lengths, len(FEATURE_NAMES)], the lists one after the other.
    """
    requests = [request for request in requests if len(request.candidates)]
    if not requests:
        return np.zeros((0, len(FEATURE_NAMES)), dtype=np.float32)
    lists = CandidateLists(requests)
    result = np.zeros((len(FEATURE_NAMES), len(lists.rows)), dtype=np.float32)
    columns = dict(zip(FEATURE_NAMES, result, strict=True))
    for block in BLOCKS:
        block.fill(columns, lists, products)
    if not np.isfinite(result).all():
        result[~np.isfinite(result)] = 0.0
    return np.ascontiguousarray(result.T)
