"""A thin gRPC client for Mercato search and recommendation, on NVIDIA Triton Inference Server.

``Client`` for blocking programs, ``AsyncClient`` for asyncio; the answers are frozen values, the errors one tree.
"""

from mercato_client._async_client import AsyncClient
from mercato_client._calls import assign_event_ids
from mercato_client._client import Client
from mercato_client._options import PageOptions, RecommendOptions, SearchOptions
from mercato_client.errors import (
    ClientClosedError,
    DeadlineExceededError,
    InvalidArgumentError,
    MercatoClientError,
    ProtocolError,
    ServerError,
    UnauthenticatedError,
    UnavailableError,
)
from mercato_client.settings import Retries, Timeouts, Tls
from mercato_client.types import (
    Boost,
    Bundle,
    BundleProduct,
    Cap,
    Condition,
    Explanation,
    Facet,
    FacetSpec,
    FacetValue,
    Health,
    Interval,
    JsonObject,
    Product,
    Profile,
    Rejection,
    ResultPage,
    Statement,
    Suggestion,
    Variant,
    WriteResult,
)

__all__ = [
    "AsyncClient",
    "Boost",
    "Bundle",
    "BundleProduct",
    "Cap",
    "Client",
    "ClientClosedError",
    "Condition",
    "DeadlineExceededError",
    "Explanation",
    "Facet",
    "FacetSpec",
    "FacetValue",
    "Health",
    "Interval",
    "InvalidArgumentError",
    "JsonObject",
    "MercatoClientError",
    "PageOptions",
    "Product",
    "Profile",
    "ProtocolError",
    "RecommendOptions",
    "Rejection",
    "ResultPage",
    "Retries",
    "SearchOptions",
    "ServerError",
    "Statement",
    "Suggestion",
    "Timeouts",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "Variant",
    "WriteResult",
    "assign_event_ids",
]
