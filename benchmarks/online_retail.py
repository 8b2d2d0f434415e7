"""Recommendation over the online retail purchases of the evaluation data: well-known methods and their blend.

.venv/bin/python -m benchmarks.online_retail

Tuned on October 2011 with what came before it; measured on 2011-11-01 to 2011-12-09 with all before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import typer
from rich.console import Console

from benchmarks.baselines_recommend import METHODS, SEED, Purchases, blend, scale_rows, tune_blend
from benchmarks.command import run_command
from benchmarks.errors import BenchmarkError
from benchmarks.record import REPOSITORY, write_record
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.result import describe_values

Float32 = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

DATA = REPOSITORY.parent / "shared" / "data" / "online_retail"
FIT_UNTIL, TUNE_UNTIL, TEST_UNTIL = "2011-10-01", "2011-11-01", "2011-12-10"
CUTOFF = 20
KEY_METRICS = ("recall@20", "ndcg@20")
NO_PRODUCTS = frozenset({"POST", "DOT", "M", "D", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS", "S", "B"})
SCOPES = ("all", "new")
"""All products that were bought, or only those that the customer had not bought before."""


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


def read_purchases(data: Path) -> tuple[Purchases, pd.DataFrame]:
    """Read the invoice lines that are sales of products to known customers.

    Returns:
        The purchases as codes, and the same lines as a table with `InvoiceNo`, `StockCode`, `Description`,
        `Quantity`, `InvoiceDate`, `UnitPrice`, `CustomerID`, `Country`.

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
    users, products = pd.factorize(lines["CustomerID"], sort=True), pd.factorize(lines["StockCode"], sort=True)
    seconds = lines["InvoiceDate"].to_numpy("datetime64[us]").astype(np.int64) / 1e6
    purchases = Purchases(
        user=users[0].astype(np.int64),
        product=products[0].astype(np.int64),
        time=seconds,
        users=len(users[1]),
        products=len(products[1]),
    )
    return purchases, lines


def open_window(purchases: Purchases, start: str, stop: str) -> Window:
    """Take the customers who bought before a window and in it."""
    begins, ends = (float(np.datetime64(day, "s").astype(np.int64)) for day in (start, stop))
    past, later = purchases.before(begins), purchases.between(begins, ends).counts()
    before = past.counts()
    has_past = np.asarray(before.sum(axis=1)).ravel() > 0
    asked = np.flatnonzero(has_past & (np.asarray(later.sum(axis=1)).ravel() > 0)).astype(np.int64)
    bought = [dict.fromkeys(map(str, later[user].indices.tolist()), 1) for user in asked]
    return Window(past=past, moment=begins, asked=asked, bought=bought, known=before[asked].toarray() > 0)


def measure_scores(window: Window, scores: Float32, scope: str) -> dict[str, Values]:
    """Measure the best 20 of each customer's scores; in scope ``new`` without what was bought before.

    Returns:
        Metric -> float64 [customers]; NaN where the scope leaves a customer nothing to find.
    """
    masked = np.where(window.known, -np.inf, scores) if scope == "new" else scores
    top = np.argsort(-masked, axis=1, kind="stable")[:, :CUTOFF]
    right = window.bought
    if scope == "new":
        right = [
            {product: 1 for product in bought if not window.known[place, int(product)]}
            for place, bought in enumerate(window.bought)
        ]
    values = measure_orders(right, [list(map(str, row)) for row in top.tolist()], MeasurePlan(cutoffs=(CUTOFF,)))
    return {name: values[name] for name in KEY_METRICS}


def score_all(window: Window) -> dict[str, Float32]:
    """Score a window's customers with every method."""
    return {name: score(window.past, window.asked, window.moment) for name, score in METHODS.items()}


def measure_baselines(purchases: Purchases) -> dict[str, Any]:
    """Measure every method and the blend that was best in October, on the test window.

    Returns:
        ``values``: scope -> system -> metric -> float64 [customers]; ``weights``: scope -> method -> weight;
        ``window``: the test's.
    """
    tuning, test = open_window(purchases, FIT_UNTIL, TUNE_UNTIL), open_window(purchases, TUNE_UNTIL, TEST_UNTIL)
    on_october = {name: scale_rows(scores) for name, scores in score_all(tuning).items()}
    weights = {}
    for scope in SCOPES:

        def quality(scores: Float32, scope: str = scope) -> float:
            return float(np.nanmean(measure_scores(tuning, scores, scope)["ndcg@20"]))

        weights[scope] = tune_blend(on_october, quality, np.random.default_rng(SEED), tries=60)
    scores = score_all(test)
    scaled = {name: scale_rows(one) for name, one in scores.items()}
    values: dict[str, dict[str, Mapping[str, Values]]] = {}
    for scope in SCOPES:
        values[scope] = {name: measure_scores(test, one, scope) for name, one in scores.items()}
        values[scope]["blend"] = measure_scores(test, blend(scaled, weights[scope]), scope)
    return {"values": values, "weights": weights, "window": test}


def main(
    data: Annotated[Path, typer.Option(help="folder with transactions.parquet")] = DATA,
) -> None:
    """Measure well-known methods on online retail, with the definitions of the evaluation data."""
    console = Console()
    purchases, lines = read_purchases(data)
    measured = measure_baselines(purchases)
    figures: dict[str, Any] = {
        "rows": len(lines),
        "customers": purchases.users,
        "products": purchases.products,
        "test_customers": len(measured["window"].asked),
        "blend_weights": measured["weights"],
        "baselines": {
            scope: {name: describe_values(values) for name, values in systems.items()}
            for scope, systems in measured["values"].items()
        },
    }
    for scope, systems in figures["baselines"].items():
        for name, described in systems.items():
            console.print(f"{scope} {name}: {described['metrics']}")
    console.print(f"written: {write_record('online_retail_baselines', figures).name}")


if __name__ == "__main__":
    run_command(main)
