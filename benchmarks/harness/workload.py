"""Real requests over the demo store: its own category and type texts as queries, its own households as users."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demo.store import readable, source_folder

SEED = 7
NOTHING = frozenset({"", "no subcommodity description", "no commodity description", "unknown", "not in use"})


def write_as_query(text: str) -> str:
    """Write a category of the store as a shopper would type it: no abbreviations, small letters, words only.

    ``FRZN MEAT - BEEF`` becomes ``frozen meat beef``.
    """
    return " ".join(re.findall(r"[a-z0-9&%']+", readable(text).lower()))


@cache
def list_queries() -> tuple[str, ...]:
    """Return the store's distinct category and type texts as queries, in an order that repeats.

    Raises:
        DataError: the demo store's data is not installed.
    """
    table = pq.read_table(source_folder() / "products.parquet", columns=["product_category", "product_type"])
    texts = {text for column in table.columns for text in pc.unique(column).to_pylist() if text}
    queries = sorted({write_as_query(text) for text in texts} - NOTHING)
    order = np.random.default_rng(SEED).permutation(len(queries))
    return tuple(queries[index] for index in order)


@cache
def list_households() -> tuple[str, ...]:
    """Return the ids of the households with purchases, in an order that repeats.

    Raises:
        DataError: the demo store's data is not installed.
    """
    column = pq.read_table(source_folder() / "transactions.parquet", columns=["household_id"])["household_id"]
    households = sorted(str(household) for household in pc.unique(column).to_pylist())
    order = np.random.default_rng(SEED).permutation(len(households))
    return tuple(households[index] for index in order)


def make_search_requests() -> list[dict[str, str | int]]:
    """Return one `search` request per query: the first page, anonymous."""
    return [{"QUERY": query} for query in list_queries()]


def make_recommend_requests() -> list[dict[str, str | int]]:
    """Return one `recommend` request per household: its home page."""
    return [{"PLACEMENT": "home-page", "USER_ID": household} for household in list_households()]


WORKLOADS: dict[str, Callable[[], list[dict[str, str | int]]]] = {
    "search": make_search_requests,
    "recommend": make_recommend_requests,
}
"""How the requests of each model are made."""
