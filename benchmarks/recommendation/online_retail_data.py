"""The online retail purchases of the evaluation data: which lines count, whom a window asks for, what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.harness.command import BenchmarkError
from benchmarks.harness.record import REPOSITORY
from benchmarks.recommendation.baselines_recommend import Purchases
from mercato.arrays import Float32, Float64
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.text.timestamps import parse_timestamp

DATA = REPOSITORY.parent / "shared" / "data" / "online_retail"
CUTOFF = 20
KEY_METRICS = ("recall@20", "ndcg@20")
NO_PRODUCTS = frozenset({"POST", "DOT", "M", "D", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS", "S", "B"})
SCOPES = ("all", "new")
"""All products that were bought, or only those that the customer had not bought before."""


@dataclass(frozen=True, kw_only=True)
class Sales:
    """The invoice lines that are sales of products to known customers.

    Attributes:
        lines: a table with `InvoiceNo`, `StockCode`, `Description`, `Quantity`, `InvoiceDate`, `UnitPrice`,
            `CustomerID`, `Country`.
        purchases: the same lines as codes.
        users: id of each customer's code.
        products: id of each product's code.
    """

    lines: pd.DataFrame
    purchases: Purchases
    users: list[str]
    products: list[str]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Customers with a past who bought something in a window, and what is known of them.

    Attributes:
        past: all purchases before the window.
        moment: when it starts, seconds since 1970.
        asked: int64 [customers], their codes.
        bought: for each the products bought in the window -> 1.
        known: bool [customers, products], bought before.
    """

    past: Purchases
    moment: float
    asked: npt.NDArray[np.int64]
    bought: list[dict[str, int]]
    known: npt.NDArray[np.bool_]

    def right(self, scope: str) -> list[dict[str, int]]:
        """Give for each customer what is to be found: codes of products, as texts."""
        if scope != "new":
            return self.bought
        return [
            {product: 1 for product in bought if not self.known[position, int(product)]}
            for position, bought in enumerate(self.bought)
        ]


def read_sales(data: Path) -> Sales:
    """Read the invoice lines that count: a customer, quantity and price above 0, no cancellation, a product.

    Raises:
        BenchmarkError: the data is not there.
    """
    file = data / "transactions.parquet"
    if not file.is_file():
        raise BenchmarkError(f"{file.name} not found beside the checkout; name its folder with --data")
    lines = pd.read_parquet(file)
    code = lines["StockCode"].str.upper()
    keep = lines["CustomerID"].notna() & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)
    keep &= ~lines["InvoiceNo"].str.startswith("C")
    keep &= ~code.isin(NO_PRODUCTS) & ~code.str.startswith("GIFT")
    lines = lines[keep].reset_index(drop=True)
    user, users = pd.factorize(lines["CustomerID"], sort=True)
    product, products = pd.factorize(lines["StockCode"], sort=True)
    purchases = Purchases(
        user=user.astype(np.int64),
        product=product.astype(np.int64),
        time=lines["InvoiceDate"].to_numpy("datetime64[us]").astype(np.int64) / 1e6,
        users=len(users),
        products=len(products),
    )
    return Sales(lines=lines, purchases=purchases, users=list(map(str, users)), products=list(map(str, products)))


def to_seconds(day: str) -> float:
    """Give a day's first moment in UTC, seconds since 1970."""
    return parse_timestamp(day)


def open_window(purchases: Purchases, start: str, stop: str) -> Window:
    """Take the customers who bought before a window and in it."""
    begins, ends = to_seconds(start), to_seconds(stop)
    past, later = purchases.before(begins), purchases.between(begins, ends).counts()
    before = past.counts()
    has_past = np.asarray(before.sum(axis=1)).ravel() > 0
    asked = np.flatnonzero(has_past & (np.asarray(later.sum(axis=1)).ravel() > 0)).astype(np.int64)
    bought = [dict.fromkeys(map(str, later[user].indices.tolist()), 1) for user in asked]
    return Window(past=past, moment=begins, asked=asked, bought=bought, known=before[asked].toarray() > 0)


def measure_lists(window: Window, lists: Sequence[Sequence[int]], scope: str) -> dict[str, Float64]:
    """Measure the first 20 of each customer's list; in scope ``new`` without what was bought before.

    Args:
        window: who was asked for.
        lists: for each customer codes of products, best first.
        scope: ``all`` or ``new``.

    Returns:
        Metric -> float64 [customers]; NaN where the scope leaves a customer nothing to find.
    """
    kept = [
        [str(product) for product in order if scope != "new" or not window.known[position, product]][:CUTOFF]
        for position, order in enumerate(lists)
    ]
    values = measure_orders(window.right(scope), kept, MeasurePlan(cutoffs=(CUTOFF,)))
    return {name: values[name] for name in KEY_METRICS}


def measure_scores(window: Window, scores: Float32, scope: str) -> dict[str, Float64]:
    """Measure the best 20 of each customer's scores (float32 [customers, products]), as `measure_lists`."""
    masked = np.where(window.known, -np.inf, scores) if scope == "new" else scores
    top = np.argsort(-masked, axis=1, kind="stable")[:, :CUTOFF]
    return measure_lists(window, top.tolist(), scope)


def compute_mean_ndcg(window: Window, scores: Float32, scope: str) -> float:
    """Compute the mean nDCG@20 of scores, many times as fast as `measure_scores`: for tuning.

    The same figure but for the order of equal scores, which is arbitrary here.
    """
    masked = np.where(window.known, -np.inf, scores) if scope == "new" else scores
    best = np.argpartition(-masked, CUTOFF, axis=1)[:, :CUTOFF] if masked.shape[1] > CUTOFF else np.argsort(-masked)
    order = np.take_along_axis(best, np.argsort(-np.take_along_axis(masked, best, axis=1), axis=1), axis=1)
    right = np.zeros(masked.shape, np.bool_)
    for position, bought in enumerate(window.right(scope)):
        right[position, [int(product) for product in bought]] = True
    hits = np.take_along_axis(right, order, axis=1)
    discount = 1.0 / np.log2(np.arange(2, hits.shape[1] + 2))
    found = right.sum(axis=1)
    measured = found > 0
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(found, hits.shape[1])]
    return float(((hits * discount).sum(axis=1)[measured] / ideal[measured]).mean())
