"""What a region is worth: October's customers as if nobody knew them, and those who are known, by their country.

    .venv/bin/python -m benchmarks regions

Catalogue and state are those that `.venv/bin/python -m benchmarks online_retail --october` makes. The candidates are
those of retrieval, in its order: no ranker has a say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.recommendation.online_retail_data import DATA, read_sales, to_seconds
from benchmarks.recommendation.online_retail_shop import last_countries
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import WINDOW, Placement, RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.state import open_state

NEEDS = "the evaluation data"
START, STOP = "2011-10-01", "2011-11-01"
HOME_COUNTRY = "United Kingdom"
KNOWN = "known customers"
CUTOFFS = (20, WINDOW)
WEIGHTS = (0.0, 0.1, 0.3, 0.5)
BATCH = 64


def rank_windows(retriever: Retriever, countries: Sequence[str], users: Sequence[str] = ()) -> list[list[str]]:
    """Return the ids of each shopper's window, best first; without ``users`` of strangers."""
    context = {country: Context(time=to_seconds(START), region=country) for country in set(countries)}
    requests = [
        RetrievalRequest(placement=Placement.HOME_PAGE, user_id=user, context=context[country])
        for user, country in zip(users or [""] * len(countries), countries, strict=True)
    ]
    found: list[list[str]] = []
    for start in range(0, len(requests), BATCH):
        for answer in retriever.retrieve(requests[start : start + BATCH], None):
            if not isinstance(answer, Retrieved):
                raise BenchmarkError(f"retrieval failed: {answer}")
            found.append([retriever.catalog.id_of(row) for row in answer.rows.tolist()])
    return found


def measure(
    lists: Sequence[Sequence[str]], bought: Sequence[Mapping[str, int]], groups: Mapping[str, Sequence[bool]]
) -> dict[str, dict[str, float]]:
    """Return mean recall by group and metric."""
    values = measure_orders(bought, lists, MeasurePlan(cutoffs=CUTOFFS))
    names = [f"recall@{cutoff}" for cutoff in CUTOFFS]
    return {
        group: {name: round(float(np.nanmean(values[name][np.array(inside)])), 4) for name in names}
        for group, inside in groups.items()
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder of transactions.parquet.")] = DATA,
    shop: Annotated[Path, typer.Option(help="The shop as of October: catalog and state.db.")] = (
        REPOSITORY / "var" / "online_retail" / START
    ),
) -> None:
    """Measure the source `regional` for strangers and for known customers, with several weights."""
    if not (shop / "catalog").exists() or not (shop / "state.db").exists():
        raise BenchmarkError(
            f"no shop as of {START}; make one with `.venv/bin/python -m benchmarks online_retail --october`"
        )
    sales = read_sales(data)
    lines = sales.lines
    october = lines[(lines["InvoiceDate"] >= pd.Timestamp(START)) & (lines["InvoiceDate"] < pd.Timestamp(STOP))]
    customers = october.groupby("CustomerID").agg(bought=("StockCode", set), country=("Country", "last"))
    live = LiveCatalog(Snapshot(shop / "catalog"), None)
    known = live.snapshot.row_by_id
    bought = [dict.fromkeys(sorted(products & known.keys()), 1) for products in customers["bought"]]
    countries = [str(country) for country in customers["country"]]
    groups = {
        "all": [True] * len(countries),
        f"outside {HOME_COUNTRY}": [country != HOME_COUNTRY for country in countries],
    }
    before = last_countries(lines, START)
    returning = [str(user) in before for user in customers.index]
    users = [str(user) for user in customers.index[returning]]
    state = open_state(f"sqlite:{shop / 'state.db'}")
    figures = {}
    try:
        for weight in WEIGHTS:
            retriever = Retriever(live, state, change_weights({"regional": weight}))
            figures[str(weight)] = measure(rank_windows(retriever, countries), bought, groups)
            figures[str(weight)] |= measure(
                rank_windows(retriever, [before[user] for user in users], users),
                [one for one, back in zip(bought, returning, strict=True) if back],
                {KNOWN: [True] * len(users)},
            )
            Console().print(f"weight {weight}: {figures[str(weight)]}")
    finally:
        state.close()
    counts = {**{name: sum(inside) for name, inside in groups.items()}, KNOWN: len(users)}
    write_record("regions", {"window": [START, STOP], "customers": counts, "by_weight_of_regional": figures})


if __name__ == "__main__":
    run_command(main)
