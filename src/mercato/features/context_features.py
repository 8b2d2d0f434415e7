"""The features of a request's moment: whether there is a query, the local time, the device and the region."""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature import REQUEST, Columns, Feature, FeatureBlock, fills
from mercato.features.inputs import ProductFeatures
from mercato.signals.events import SECONDS_PER_DAY

NAME_DIMENSIONS = 3
"""Features that a name of a device or region becomes."""

_LOCAL_TIME = ("context.time", "context.utc_offset_s")


@fills(
    Feature("has_query", REQUEST, ("has_query",)),
    Feature("hour_sin", "time", _LOCAL_TIME),
    Feature("hour_cos", "time", _LOCAL_TIME),
    Feature("weekday_sin", "time", _LOCAL_TIME),
    Feature("weekday_cos", "time", _LOCAL_TIME),
    Feature("weekend", "time", _LOCAL_TIME),
)
def moment(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill the shopper's local time, hour and weekday as points on a circle."""
    requests = lists.requests
    local = np.array([request.context.time + request.context.utc_offset_s for request in requests])
    hour = local / 3600.0 % 24.0 * (2.0 * np.pi / 24.0)
    # 1970-01-01 was a Thursday, and Monday is 0.
    weekday = (np.floor(local / SECONDS_PER_DAY) + 3.0) % 7.0
    angle = weekday * (2.0 * np.pi / 7.0)
    has_query = [request.has_query for request in requests]
    values = [has_query, np.sin(hour), np.cos(hour), np.sin(angle), np.cos(angle), weekday >= 5.0]
    _spread(columns, moment, np.array(values, np.float32), lists)


@fills(
    *(
        Feature(f"{name}_{number}", "device and region", (f"context.{name}",))
        for name in ("device", "region")
        for number in range(1, NAME_DIMENSIONS + 1)
    )
)
def device_and_region(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill what the names of device and region become."""
    contexts = [request.context for request in lists.requests]
    values = [(*embed_name(context.device), *embed_name(context.region)) for context in contexts]
    _spread(columns, device_and_region, np.array(values, np.float32).T, lists)


def _spread(columns: Columns, block: FeatureBlock, values: NDArray[np.float32], lists: CandidateLists) -> None:
    """Fill the features of a block with what all candidates of a request share, float32 [features, requests]."""
    for feature, column in zip(block.features, np.repeat(values, lists.lengths, axis=1), strict=True):
        columns[feature.name][:] = column


@lru_cache(maxsize=4096)
def embed_name(name: str) -> tuple[float, ...]:
    """Give a name a fixed random point, each coordinate from -1 to 1; zeros for the empty one.

    Names that nobody listed before get a point too, and two share one hardly ever (as in feature hashing, Weinberger
    et al. 2009).
    """
    if not name:
        return (0.0,) * NAME_DIMENSIONS
    digest = hashlib.blake2b(name.strip().casefold().encode(), digest_size=2 * NAME_DIMENSIONS).digest()
    return tuple((np.frombuffer(digest, "<u2") / 32767.5 - 1.0).tolist())
