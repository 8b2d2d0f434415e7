"""Sessions of an online clothing shop, without accounts: which product, not yet seen in the session, is clicked next.

    .venv/bin/python -m benchmarks eshop_clickstream
    .venv/bin/python -m benchmarks eshop_clickstream --tune          for tuning: nothing of the test's sessions is read

Sessions that begin before 2008-07-15 are learned from, with the commands of a shop (`mercato events import`, `mercato
index`), later ones are replayed: each click is written to state, and the retriever of this process is asked for what
comes next at the page of the product that was clicked, and at the home page. With ``--tune`` the last month before
that day is replayed, and the sessions before it are learned from.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import pandas as pd
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.harness.store import ENCODER, VAR
from mercato.arrays import Float32, Float64, Int64
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.result import describe_comparison, describe_values
from mercato.events.event import Event
from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights, read_changes
from mercato.state import open_state

NEEDS = "the evaluation data"
DATA = REPOSITORY.parent / "shared" / "data" / "eshop_clickstream"
WORK = VAR / "eshop_clickstream"
SPLIT, TUNING_SPLIT = 20080715, 20080615
CUTOFF = 20
METRICS = (f"recall@{CUTOFF}", f"mrr@{CUTOFF}")
CLICK_SECONDS = 30.0
"""Between two clicks of a session: the data has their order, and a day."""
BATCH = 256
VIEW = "detail-page-view"
CATEGORIES = {1: "Trousers", 2: "Skirts", 3: "Blouses", 4: "Sale"}


@dataclass(frozen=True, kw_only=True)
class Session:
    """What was clicked in one session.

    Attributes:
        visitor: its id.
        start: seconds since 1970 UTC.
        products: int64 [clicks], rows of the list of products, in order.
    """

    visitor: str
    start: float
    products: Int64

    def time(self, click: int) -> float:
        """When a click was, seconds since 1970 UTC."""
        return self.start + CLICK_SECONDS * click


def read_clicks(data: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the clicks, with a column ``product`` of rows and ``start``, the day that the session began; and the ids.

    Raises:
        BenchmarkError: the data is not there.
    """
    file = data / "clicks.parquet"
    if not file.is_file():
        raise BenchmarkError(f"{file.name} not found beside the checkout; name its folder with --data")
    clicks = pd.read_parquet(file).sort_values(["session_id", "order"], kind="stable").reset_index(drop=True)
    clicks["product"], products = pd.factorize(clicks["page_2_clothing_model"], sort=True)
    day = clicks["year"] * 10_000 + clicks["month"] * 100 + clicks["day"]
    clicks["start"] = day.groupby(clicks["session_id"]).transform("min")
    return clicks, list(map(str, products))


def list_sessions(clicks: pd.DataFrame) -> list[Session]:
    """Return the sessions of some clicks, which are in order."""
    return [
        Session(
            visitor=f"session-{number}",
            start=pd.Timestamp(str(one["start"].iloc[0]), tz="UTC").timestamp() + 12 * 3_600.0,
            products=one["product"].to_numpy(np.int64),
        )
        for number, one in clicks.groupby("session_id")
    ]


def make_shop(clicks: pd.DataFrame, products: Sequence[str], sessions: Sequence[Session], folder: Path) -> None:
    """Import sessions and index the catalogue, with the commands that a shop would use."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    first = clicks.drop_duplicates("product").sort_values("product")
    with (folder / "products.jsonl").open("wb") as file:
        for name, category, colour, price in zip(
            products, first["page_1_main_category"], first["colour"], first["price"], strict=True
        ):
            kind = CATEGORIES[int(category)]
            title = f"{kind} {name}, colour {colour}"
            file.write(orjson.dumps({"id": name, "title": title, "categories": [kind], "price": float(price)}) + b"\n")
    lines = [
        f"{one.visitor},{products[product]},{one.time(index)}"
        for one in sessions
        for index, product in enumerate(one.products.tolist())
    ]
    (folder / "clicks.csv").write_text("\n".join(["visitor_id,product_id,time", *lines]) + "\n")
    state = f"sqlite:{folder / 'state.db'}"
    _run("events", "import", folder / "clicks.csv", "--state", state, "--event-type", VIEW)
    _run("index", folder / "products.jsonl", "--out", folder / "catalog", "--encoder", ENCODER, "--state", state)


def _run(*arguments: object) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mercato")), *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        raise BenchmarkError(f"mercato {arguments[0]} failed: {done.stderr.strip()[-300:]}")


def list_predictions(sessions: Sequence[Session]) -> list[tuple[int, int]]:
    """Return the session and the click of all products that were not seen in their session before."""
    return [
        (number, click)
        for number, one in enumerate(sessions)
        for click in range(1, len(one.products))
        if one.products[click] not in one.products[:click]
    ]


def measure_rank(ranks: Int64) -> dict[str, Float64]:
    """Return recall and reciprocal rank by prediction; a rank of 0 is none."""
    hit = (ranks > 0) & (ranks <= CUTOFF)
    return {METRICS[0]: hit.astype(np.float64), METRICS[1]: np.where(hit, 1.0 / np.maximum(ranks, 1), 0.0)}


def replay(
    retriever: Retriever, append: Any, sessions: Sequence[Session], products: Sequence[str], placement: Placement
) -> dict[str, Float64]:
    """Ask before each click that shows something new, when all before it are in state.

    Args:
        retriever: asked.
        append: writes events to its state; None where they are there already.
        sessions: replayed, click by click.
        products: ids of the rows.
        placement: where the answer is shown; a product page is that of the last click.
    """
    predictions = list_predictions(sessions)
    ranks = np.zeros(len(predictions), np.int64)
    by_click: dict[int, list[int]] = {}
    for index, (_, click) in enumerate(predictions):
        by_click.setdefault(click, []).append(index)
    for click in range(1, max(len(one.products) for one in sessions)):
        append(
            [
                Event(
                    event_type=VIEW,
                    visitor_id=one.visitor,
                    product_id=products[one.products[click - 1]],
                    time=one.time(click - 1),
                )
                for one in sessions
                if len(one.products) >= click
            ]
        )
        wanted = by_click.get(click, [])
        for start in range(0, len(wanted), BATCH):
            part = wanted[start : start + BATCH]
            asked = [sessions[predictions[index][0]] for index in part]
            seen = [{products[row] for row in one.products[:click].tolist()} for one in asked]
            requests = [
                RetrievalRequest(
                    placement=placement,
                    visitor_id=one.visitor,
                    seed_ids=(products[one.products[click - 1]],) if placement is Placement.PRODUCT_PAGE else (),
                    context=Context(time=one.time(click)),
                    depth=CUTOFF + len(known),
                )
                for one, known in zip(asked, seen, strict=True)
            ]
            for index, one, known, answer in zip(part, asked, seen, retriever.retrieve(requests, None), strict=True):
                if not isinstance(answer, Retrieved):
                    raise BenchmarkError(f"retrieval failed: {answer}")
                shown = [retriever.catalog.id_of(row) for row in (*answer.rows.tolist(), *answer.tail.tolist())]
                fresh = [name for name in shown if name not in known][:CUTOFF]
                right = products[one.products[click]]
                ranks[index] = fresh.index(right) + 1 if right in fresh else 0
    return measure_rank(ranks)


def measure_tables(
    learned: Sequence[Session], asked: Sequence[Session], products: int
) -> dict[str, dict[str, Float64]]:
    """Measure what a table of pairs reaches, and popularity: what is known of the last click, and nothing else."""
    table = np.zeros((products, products), np.float32)
    clicked = np.zeros(products, np.float32)
    for one in learned:
        np.add.at(table, (one.products[:-1], one.products[1:]), 1.0)
        np.add.at(clicked, one.products, 1.0)
    popular = clicked / (clicked.sum() + 1.0)
    return {
        "popularity": _rank_all(np.tile(popular, (products, 1)), asked),
        "first-order transitions": _rank_all(table + popular, asked),
    }


def _rank_all(scores: Float32, asked: Sequence[Session]) -> dict[str, Float64]:
    ranks = []
    for number, click in list_predictions(asked):
        before = asked[number].products[:click]
        line = scores[before[-1]].copy()
        right = asked[number].products[click]
        line[before] = -1.0
        ranks.append(1 + int((line > line[right]).sum()))
    return measure_rank(np.array(ranks, np.int64))


def main(
    data: Annotated[Path, typer.Option(help="Folder of clicks.parquet.")] = DATA,
    tune: Annotated[bool, typer.Option(help="Replay the last month of what is learned from; nothing is recorded.")] = (
        False
    ),
    sources: Annotated[list[str] | None, typer.Option(help="Weights of sources, as of `mercato serve`.")] = None,
    sample: Annotated[int, typer.Option(help="Replay so many sessions, drawn; 0 for all.", min=0)] = 0,
) -> None:
    """Measure the next click of sessions without accounts."""
    console = Console()
    split = TUNING_SPLIT if tune else SPLIT
    clicks, products = read_clicks(data)
    learned = list_sessions(clicks[clicks["start"] < split])
    asked = list_sessions(clicks[(clicks["start"] >= split) & (clicks["start"] < (SPLIT if tune else 99_999_999))])
    if sample:
        drawn = np.random.default_rng(0).permutation(len(asked))[:sample]
        asked = [asked[index] for index in np.sort(drawn).tolist()]
    folder = WORK / str(split)
    if not (folder / "catalog").exists():
        make_shop(clicks, products, learned, folder)
    weights = change_weights(read_changes(sources or []))
    methods = measure_tables(learned, asked, len(products))
    for placement in (Placement.PRODUCT_PAGE, Placement.HOME_PAGE):
        state_file = folder / f"{placement.label}.db"
        shutil.copy(folder / "state.db", state_file)
        state = open_state(f"sqlite:{state_file}")
        try:
            retriever = Retriever(LiveCatalog(Snapshot(folder / "catalog"), state), state, weights)
            methods[placement.label] = replay(retriever, state.append_events, asked, products, placement)
        finally:
            state.close()
    for name, values in methods.items():
        console.print(f"{name}: {describe_values(values)['metrics']}")
    if tune or sample or sources:
        return
    least = methods["first-order transitions"]
    figures: dict[str, Any] = {
        "split": SPLIT,
        "sessions": {"learned": len(learned), "asked": len(asked)},
        "predictions": len(list_predictions(asked)),
        "methods": {name: describe_values(one) for name, one in methods.items()},
        "product_page_less_first_order": {
            metric: describe_comparison(compare_values(methods["product-page"][metric], least[metric]))
            for metric in METRICS
        },
    }
    console.print(f"written: {write_record('eshop_clickstream', figures).name}")


if __name__ == "__main__":
    run_command(main)
