"""Online retail as a shop: its files, and the commands that a shop would make a catalogue and a ranker with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pandas as pd

from benchmarks.harness.command import BenchmarkError
from benchmarks.harness.record import REPOSITORY

MERCATO = (str(Path(sys.executable).with_name("mercato")),)
RANKER = "ranker"
TRAINING = (
    *("--window-days", "35", "--snapshot-dates", "4", "--epochs", "8"),
    *("--searches", "0", "--recommendations", "4000"),
)
"""Options of ``mercato train ranker``: chosen on October, as everything else."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A shop's files as of a moment.

    Attributes:
        folder: where they are.
        split: the moment, such as ``2011-11-01``; nothing in the files is from it or later.
    """

    folder: Path
    split: str

    @property
    def products(self) -> Path:
        """The file of products."""
        return self.folder / "products.parquet"

    @property
    def events(self) -> Path:
        """The file of purchases."""
        return self.folder / "events.parquet"

    @property
    def catalog(self) -> Path:
        """The catalogue snapshot."""
        return self.folder / "catalog"

    @property
    def state(self) -> str:
        """The state, as commands take it."""
        return f"sqlite:{self.folder / 'state.db'}"


def make_products(lines: pd.DataFrame, split: str) -> pd.DataFrame:
    """Make the shop's products from the lines before a moment.

    Returns:
        ``id``, ``title`` (the most frequent description, the first by letters of equally frequent ones; the id without
        any) and ``price`` (median), in order of ids.
    """
    past = lines[lines["InvoiceDate"] < pd.Timestamp(split)]
    by_product = past.groupby("StockCode")
    titles = by_product["Description"].agg(lambda texts: next(iter(texts.dropna().str.strip().mode()), ""))
    table = pd.DataFrame({"title": titles, "price": by_product["UnitPrice"].median()}).reset_index(names="id")
    table["title"] = table["title"].where(table["title"] != "", table["id"])
    return table


def make_events(lines: pd.DataFrame, split: str) -> pd.DataFrame:
    """Make the shop's purchases before a moment: a row for each product of an order.

    Returns:
        ``event_type``, ``time``, ``order_id``, ``user_id``, ``product_id``, ``quantity`` (of all lines of the product),
        ``price`` (mean of a unit), ``context`` (JSON, the country as region), in order of time.
    """
    past = lines[lines["InvoiceDate"] < pd.Timestamp(split)]
    paid = past.assign(paid=past["Quantity"] * past["UnitPrice"])
    grouped = paid.groupby(["InvoiceNo", "StockCode"], sort=False, as_index=False).agg(
        time=("InvoiceDate", "min"),
        user_id=("CustomerID", "first"),
        quantity=("Quantity", "sum"),
        paid=("paid", "sum"),
        country=("Country", "first"),
    )
    table = pd.DataFrame(
        {
            "event_type": "purchase-complete",
            "time": grouped["time"],
            "order_id": grouped["InvoiceNo"],
            "user_id": grouped["user_id"].astype(str),
            "product_id": grouped["StockCode"],
            "quantity": grouped["quantity"],
            "price": grouped["paid"] / grouped["quantity"],
            "context": [orjson.dumps({"region": country}).decode() for country in grouped["country"]],
        }
    )
    return table.sort_values("time", kind="stable", ignore_index=True)


def last_countries(lines: pd.DataFrame, split: str) -> dict[str, str]:
    """Give each customer's country in the last line before a moment."""
    past = lines[lines["InvoiceDate"] < pd.Timestamp(split)].sort_values("InvoiceDate", kind="stable")
    last = past.groupby("CustomerID")["Country"].last()
    return {str(user): str(country) for user, country in last.items()}


def open_shop(lines: pd.DataFrame, split: str, folder: Path, encoder: Path) -> Shop:
    """Write a shop's files and index them, all anew; rankers of earlier runs stay, so that they can be measured again.

    Args:
        lines: the invoice lines.
        split: nothing from this moment on is known.
        folder: work folder; what an earlier run left of this shop is removed.
        encoder: folder of the exported encoder.

    Raises:
        BenchmarkError: a command fails.
    """
    shop = Shop(folder=folder / split, split=split)
    shop.folder.mkdir(parents=True, exist_ok=True)
    for left in shop.folder.iterdir():
        if left.is_dir() and not left.is_symlink():
            if not left.name.startswith(RANKER):
                shutil.rmtree(left)
        else:
            left.unlink()
    make_products(lines, split).to_parquet(shop.products, index=False)
    make_events(lines, split).to_parquet(shop.events, index=False)
    run_step([*MERCATO, "events", "import", str(shop.events), "--state", shop.state, "--strict"])
    run_step(
        [*MERCATO, "index", str(shop.products), "--out", str(shop.catalog), "--state", shop.state, "--until", split]
        + ["--encoder", str(encoder), "--strict"]
    )
    return shop


def train_ranker(shop: Shop, encoder: Path, *, seed: int, training: Sequence[str] = TRAINING) -> Path:
    """Train and export a ranker on what the shop knows.

    Args:
        shop: its catalogue and state.
        encoder: folder of the exported encoder.
        seed: of every draw.
        training: options of ``mercato train ranker``.

    Returns:
        The exported folder.

    Raises:
        BenchmarkError: a command fails.
    """
    weights, ranker = shop.folder / f"{RANKER}-{seed}-training", shop.folder / f"{RANKER}-{seed}"
    run_step(
        [*MERCATO, "train", "ranker", "--catalog", str(shop.catalog), "--state", shop.state]
        + ["--encoder", str(encoder), "--out", str(weights), "--seed", str(seed), *training]
    )
    run_step([*MERCATO, "export", "ranker", "--weights", str(weights), "--out", str(ranker)])
    return ranker


def run_step(command: Sequence[str]) -> None:
    """Run one of the project's commands.

    Raises:
        BenchmarkError: it fails; what it said stands above.
    """
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode != 0:
        name = " ".join([Path(command[0]).name, *command[1:4]])
        raise BenchmarkError(f"{name} ... failed; see the messages above")
