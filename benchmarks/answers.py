"""What a server answers, recorded before a change of structure and compared after it.

    .venv/bin/python -m benchmarks.answers record demo before.json                 serves the demo store itself
    .venv/bin/python -m benchmarks.answers record icecat before.json --server 127.0.0.1:8001
    .venv/bin/python -m benchmarks.answers compare before.json after.json

A change that only moves code answers the same: the same products in the same order, scores within 1e-5, the same
facets, reasons and totals. Requests are sent one at a time, each at a fixed moment, so that nothing but the code
decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer
from rich.console import Console
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from benchmarks.harness.command import BenchmarkError, run_app
from benchmarks.harness.record import REPOSITORY
from benchmarks.harness.store import VAR, Store
from benchmarks.harness.workload import list_households, list_queries
from mercato.evaluation.judgements import read_judgements
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

Request = Mapping[str, Any]
"""A model and one of its requests: input name to its one element, JSON inputs as values."""

SCORE_TOLERANCE = 1e-5
TIMEOUT_S = 60.0
# After the demo store's last purchase: a moment that does not move with the clock.
MOMENT = "2018-01-01T12:00:00Z"
# What differs from one run to the next whatever the code does.
OF_THE_RUN = ("timings", "token", "learned_from")
OF_EACH_KIND = 60
ICECAT = REPOSITORY.parent / "shared" / "data" / "icecat_chorus" / "judgements.parquet"
ICECAT_CATALOG = VAR / "icecat" / "catalog"


def list_demo_requests() -> list[Request]:
    """Return 300 searches of the demo store, plain, personal, filtered, sorted, and 300 pages of all placements."""
    queries, households = list_queries(), list_households()
    options: list[dict[str, Any]] = [
        {},
        {"facets": ["brand", "price", "categories"]},
        {"order_by": "price desc"},
        {"diversity": 0.5, "collapse": True},
        {"boosts": [{"condition": 'brand: ANY("Private")', "boost": 0.3}], "spelling": False},
    ]
    searches = [
        {
            "model": "search",
            "QUERY": queries[number % len(queries)] if number % 7 else queries[number % len(queries)][:-1],
            **({"USER_ID": households[number]} if number % 3 == 0 else {}),
            **({"FILTER": "price: IN(*, 5)"} if number % 4 == 1 else {}),
            "OFFSET": 20 * (number % 11 == 5),
            "OPTIONS": {**options[number % len(options)], "explain": True},
        }
        for number in range(5 * OF_EACH_KIND)
    ]
    seeds = list_seeds()
    placements: list[dict[str, Any]] = []
    for number in range(OF_EACH_KIND):
        household, seed = households[number], seeds[number % len(seeds)]
        placements += [
            {"PLACEMENT": "home-page", "USER_ID": household},
            {"PLACEMENT": "home-page", "VISITOR_ID": f"never seen {number}", "PAGE_SIZE": 10 + number},
            {"PLACEMENT": "product-page", "USER_ID": household, "SEED_PRODUCT_IDS": [seed]},
            {"PLACEMENT": "cart", "USER_ID": household, "SEED_PRODUCT_IDS": [seed, seeds[number - 1], "gone"]},
            {"PLACEMENT": "category", "FILTER": f'categories: ANY("{KINDS[number % len(KINDS)]}")'},
        ]
    return searches + [{"model": "recommend", **one, "OPTIONS": {"explain": True}} for one in placements]


KINDS = ("Coffee", "Soup", "Cheese", "Yogurt", "Cold cereal", "Frozen pizza")


def list_seeds() -> list[str]:
    """Return products of the demo store to start from, in an order that repeats."""
    ids = sorted(map(str, pq.read_table(VAR / "demo" / "products.parquet", columns=["id"])["id"].to_pylist()))
    return [ids[index] for index in np.random.default_rng(1).choice(len(ids), OF_EACH_KIND, replace=False)]


def list_icecat_requests() -> list[Request]:
    """Return a search for each of icecat's rated queries.

    Raises:
        BenchmarkError: the evaluation data does not lie beside the checkout.
    """
    if not ICECAT.is_file():
        raise BenchmarkError(f"{ICECAT.name} not found beside the checkout")
    return [
        {"model": "search", "QUERY": query, "OPTIONS": {"explain": True, "facets": ["brand", "price"]}}
        for query in read_judgements(ICECAT).queries
    ]


SETS = {"demo": list_demo_requests, "icecat": list_icecat_requests}


def ask(client: triton.InferenceServerClient, request: Request) -> dict[str, Any]:
    """Send one request.

    Returns:
        ``ids``, ``scores`` and the details; ``error`` in their place where the server refused it.
    """
    tensors = []
    for name, value in request.items():
        if name == "model":
            continue
        element = value if isinstance(value, (str, int)) else json.dumps(value, sort_keys=True)
        if isinstance(element, int):
            data = np.array([[element]], dtype=np.int32)
        else:
            data = np.array([[element.encode()]], dtype=object)
        tensor = triton.InferInput(name, [1, 1], "INT32" if isinstance(element, int) else "BYTES")
        tensor.set_data_from_numpy(data)
        tensors.append(tensor)
    try:
        answer = client.infer(request["model"], tensors, client_timeout=TIMEOUT_S)
    except InferenceServerException as exc:
        return {"error": exc.message()}
    details = json.loads(answer.as_numpy("DETAILS")[0, 0])
    return {
        "ids": [value.decode() for value in answer.as_numpy("PRODUCT_ID")[0]],
        "scores": [float(score) for score in answer.as_numpy("SCORE")[0]],
        **{name: value for name, value in details.items() if name not in OF_THE_RUN},
    }


def find_differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Compare two answers; numbers may differ by `SCORE_TOLERANCE`, relative to the larger where that is above 1.

    Yields:
        A line for each difference, with the path of the value in the answer.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            if name not in before or name not in after:
                yield f"{path}.{name}: only {'before' if name in before else 'after'}"
            else:
                yield from find_differences(before[name], after[name], f"{path}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from find_differences(one, other, f"{path}[{number}]")
    elif isinstance(before, float) and isinstance(after, (int, float)):
        if abs(before - after) > SCORE_TOLERANCE * max(1.0, abs(before)):
            yield f"{path}: {before} before, {after} after"
    elif before != after:
        yield f"{path}: {str(before)[:80]} before, {str(after)[:80]} after"


app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def record(
    which: Annotated[str, typer.Argument(help=f"the requests: {' or '.join(SETS)}")],
    out: Annotated[Path, typer.Argument(help="JSON file to write")],
    server: Annotated[
        str | None, typer.Option(help="a running server, HOST:PORT; none serves the store itself")
    ] = None,
) -> None:
    """Send the requests one after another and write down what came back."""
    if which not in SETS:
        raise typer.BadParameter(f"must be one of {', '.join(SETS)}, given {which!r}")
    requests = [{"model": one["model"], "PAGE_SIZE": 20, "CONTEXT": {"time": MOMENT}, **one} for one in SETS[which]()]
    with ExitStack() as stack:
        if server is None:
            server = stack.enter_context(_serve(which)).grpc_address
        client = stack.enter_context(triton.InferenceServerClient(server))
        answers = [{"request": request, "answer": ask(client, request)} for request in requests]
    out.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in answers) + "\n", encoding="utf-8")
    refused = sum("error" in one["answer"] for one in answers)
    empty = sum(not one["answer"].get("ids") for one in answers)
    Console().print(f"{out}: {len(answers)} answers, {empty} empty, {refused} refused")


@app.command()
def compare(before: Annotated[Path, typer.Argument()], after: Annotated[Path, typer.Argument()]) -> None:
    """List what differs; exit status 1 where something does."""
    console = Console()
    one, other = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (before, after)
    )
    if [item["request"] for item in one] != [item["request"] for item in other]:
        console.print("error: the two were asked different things; record both with one version of this command")
        raise typer.Exit(2)
    differing = 0
    for number, (old, new) in enumerate(zip(one, other, strict=True)):
        found = list(find_differences(old["answer"], new["answer"]))
        differing += bool(found)
        for line in found[:3]:
            console.print(f"{number} {json.dumps(old['request'])[:120]}: {line}", markup=False, soft_wrap=True)
    console.print(f"{len(one)} answers compared, {differing} differ")
    raise typer.Exit(1 if differing else 0)


def _serve(which: str) -> TritonServer:
    store = Store()
    if which == "demo":
        settings = store.settings
        return TritonServer(
            ServerOptions(
                catalog=settings.catalog,
                state=settings.state,
                encoder=settings.encoder,
                ranker=settings.ranker,
                ports=Ports(grpc=0, http=0, metrics=0),
            )
        )
    return TritonServer(
        ServerOptions(catalog=ICECAT_CATALOG, encoder=store.encoder, ports=Ports(grpc=0, http=0, metrics=0))
    )


if __name__ == "__main__":
    run_app(app)
