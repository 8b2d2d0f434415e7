"""The generated histories through a server: index, import, serve and evaluate, with the commands that a shop would use.

The server is the profile ``cpu`` without a ranker. What it knows of each user is all but the last event; the file has
users, products and an order, neither texts nor times.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness.command import BenchmarkError
from benchmarks.harness.record import REPOSITORY
from mercato.arrays import Float64, Int64
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

METRICS = ("recall@10", "ndcg@10")


def write_histories(histories: Sequence[Int64], path: Path) -> None:
    """Write histories as a CSV of ``user_id``, ``product_id`` and ``order``."""
    rows = [
        f"u{user},p{product},{index}"
        for user, codes in enumerate(histories)
        for index, product in enumerate(codes.tolist())
    ]
    path.write_text("\n".join(["user_id,product_id,order", *rows]) + "\n")


def prepare_shop(histories: Sequence[Int64], products: int, folder: Path, encoder: Path) -> None:
    """Index a catalogue and fill a state with all but each user's last event.

    Args:
        histories: int64 [n] each, products from 0.
        products: how many there are.
        folder: gets ``catalog``, ``state.db`` and ``all.csv``, the histories with their last events.
        encoder: folder of the exported encoder.

    Raises:
        BenchmarkError: a command failed.
    """
    write_histories(histories, folder / "all.csv")
    write_histories([codes[:-1] for codes in histories], folder / "past.csv")
    titles = [json.dumps({"id": f"p{product}", "title": f"product {product}"}) for product in range(products)]
    (folder / "products.jsonl").write_text("\n".join(titles) + "\n")
    state = f"sqlite:{folder / 'state.db'}"
    # an event needs a time: the order, as seconds since 1970
    imported = ["--map", "time=order", "--event-type", "purchase-complete"]
    run_mercato("events", "import", folder / "past.csv", "--state", state, *imported)
    run_mercato("index", folder / "products.jsonl", "--out", folder / "catalog", "--encoder", encoder, "--state", state)


def measure_server(
    folder: Path, encoder: Path, sequence: Path | None, weights: Mapping[str, float] | None = None
) -> dict[str, Float64]:
    """Serve what `prepare_shop` made, and evaluate it: ``mercato eval recommend --leave-last-out``.

    Args:
        folder: of the shop.
        encoder: folder of the exported encoder.
        sequence: folder of the exported sequence model; None serves none.
        weights: as ``--sources`` changes them; None for nothing.

    Returns:
        Metric -> float64 [users], in order of the users.

    Raises:
        BenchmarkError: the command failed.
    """
    options = ServerOptions(
        catalog=folder / "catalog",
        encoder=encoder,
        state=f"sqlite:{folder / 'state.db'}",
        sequence=sequence,
        source_weights=dict(weights or {}),
        profile="cpu",
        ports=Ports(grpc=0, http=0, metrics=0),
    )
    asked = ["--holdout", folder / "all.csv", "--leave-last-out", "--k", 10, "--time-limit", 0]
    with TritonServer(options) as server:
        address = server.grpc_address
        run_mercato("eval", "recommend", *asked, "--server", address, "--report", folder / "report")
    report = json.loads((folder / "report" / "report.json").read_text())
    rows = sorted(report["per_query"], key=lambda row: int(str(row["query"]).removeprefix("u")))
    return {metric: np.array([row["metrics"][metric] for row in rows], np.float64) for metric in METRICS}


def run_mercato(*arguments: object) -> None:
    """Run a command of ``mercato`` at the root of the checkout.

    Raises:
        BenchmarkError: it failed.
    """
    command = [str(Path(sys.executable).with_name("mercato")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode:
        raise BenchmarkError(f"mercato {arguments[0]} failed: {done.stderr.strip()[-300:]}")
