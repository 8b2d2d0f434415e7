"""`make demo`: set up the store, serve it on a real Triton server, show real answers."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import orjson
from mercato_client import Client
from rich.console import Console

from demo.show import (
    list_next_steps,
    pick_household,
    show_live_changes,
    show_recommendations,
    show_search_features,
    show_searches,
)
from demo.steps import Step, run_steps
from mercato.errors import MercatoError, ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import verify_snapshot
from mercato.models.encoder.manifest import read_manifest as read_encoder_manifest
from mercato.models.ranker.manifest import read_ranker_manifest
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

STORE = Path("var/demo")
MODELS = Path("var/models")
STATE = STORE / "state.db"
CATALOG = STORE / "catalog"
PRODUCTS = STORE / "products.parquet"
EVENTS = STORE / "events.parquet"
TRAINED = MODELS / "ranker-training"
RANKER = STORE / "ranker"  # beside the catalogue, where `mercato serve` looks


def demo_steps() -> list[Step]:
    """Return the steps of the demo, as the commands that a shop would use on its own files."""
    state = f"sqlite:{STATE}"
    encoder = MODELS / "encoder" / "manifest.json"
    catalog = CATALOG / "manifest.json"
    imported = STORE / "events.imported"
    return [
        Step(
            title="Export the encoder: PyTorch -> ONNX -> int8, behind a parity gate",
            command=["mercato", "export", "encoder", "--out", str(MODELS / "encoder")],
            output=encoder,
            read=lambda: read_encoder_manifest(MODELS / "encoder"),
        ),
        Step(
            title="Write The Complete Journey as a shop's files: products and purchases",
            command=["python", "-m", "demo", "--write-store"],
            output=EVENTS,
        ),
        Step(
            title="Import 1.47 million purchases into state",
            command=["mercato", "events", "import", str(EVENTS), "--state", state],
            inputs=[EVENTS],
            output=imported,
            mark=True,
        ),
        Step(
            title="Index 92,331 products: vectors, words, columns, what is bought together",
            command=["mercato", "index", str(PRODUCTS), "--out", str(CATALOG), "--state", state]
            + ["--encode", "title,categories"],
            inputs=[PRODUCTS, encoder, imported],
            output=catalog,
            read=lambda: verify_snapshot(CATALOG),
        ),
        Step(
            title="Train the ranker on earlier weeks, compare it on later ones",
            command=["mercato", "train", "ranker", "--catalog", str(CATALOG), "--state", state]
            + ["--out", str(TRAINED)],
            inputs=[imported],
            output=TRAINED / "metrics.json",
            read=check_trained,
        ),
        Step(
            title="Export the ranker to ONNX",
            command=["mercato", "export", "ranker", "--weights", str(TRAINED), "--out", str(RANKER)],
            inputs=[TRAINED / "metrics.json"],
            output=RANKER / "manifest.json",
            read=lambda: read_ranker_manifest(RANKER, FEATURE_NAMES),
        ),
    ]


def check_trained() -> None:
    """Check that the ranker was trained on the features that are served.

    Raises:
        ModelError: on others.
    """
    trained = orjson.loads((TRAINED / "config.json").read_bytes()).get("feature_names")
    if trained != list(FEATURE_NAMES):
        raise ModelError(f"ranker: {TRAINED} was trained on other features; train it again")


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the server running until Ctrl-C")
    parser.add_argument("--prepare", action="store_true", help="stop before serving")
    parser.add_argument("--write-store", action="store_true", help="write products and purchases, nothing else")
    parser.add_argument("--port", type=int, default=8001, help="gRPC port; HTTP is one below, metrics one above")
    arguments = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # rich takes 80 columns where it writes to a file
    try:
        if arguments.write_store:
            from demo.store import write_store  # pandas is only needed here

            write_store(STORE, now=datetime.now(timezone.utc))
            return 0
        seconds = run_steps(demo_steps(), console)
        console.print(f"[bold]The store is ready[/bold] ({seconds:.0f} s); starting Triton")
        if not arguments.prepare:
            serve_and_show(console, keep=arguments.keep, port=arguments.port)
    except MercatoError as exc:
        console.print(f"error: {exc}", style="red", markup=False, highlight=False)
        return 1
    return 0


def serve_and_show(console: Console, *, keep: bool, port: int) -> None:
    """Serve the store, print answers, and stop or stay.

    Raises:
        MercatoError: the server cannot be started.
    """
    options = ServerOptions(
        catalog=CATALOG,
        state=f"sqlite:{STATE}",
        encoder=MODELS / "encoder",
        ranker=RANKER,
        ports=Ports(grpc=port, http=port - 1, metrics=port + 1),
        log=Path("var/log/demo-server.log"),
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    started = time.monotonic()
    with TritonServer(options) as server:
        address, http = server.grpc_address, server.http_address
        console.print(f"Triton is ready at {address} after {time.monotonic() - started:.1f} s\n")
        household = pick_household(EVENTS)
        with Client(address) as client:
            show_searches(client, console)
            show_search_features(client, console)
            show_recommendations(client, console, EVENTS, PRODUCTS, household)
            show_live_changes(client, console)
        console.print("\n[bold]Next[/bold]" + ("" if keep else ", with the server left running (make demo KEEP=1)"))
        for command in list_next_steps(address, http, household):
            console.print(f"    {command}", markup=False, highlight=False, soft_wrap=True)
        if keep:
            console.print("\nThe server runs until Ctrl-C.")
            try:
                stop.wait()
            except KeyboardInterrupt:
                console.print("stopping")


if __name__ == "__main__":
    sys.exit(main())
