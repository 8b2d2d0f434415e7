"""The sequence model beside ItemKNN, EASE and ALS on generated histories with a real order in them, leave-last-out.

.venv/bin/python -m benchmarks sequence

Every method learns from all events but each user's last. What is tuned of the others (their one parameter each, and
whether products of the history are shown again) is chosen for the events before the last, so nothing is tuned on what
is reported. The sequence model is trained as it comes, and is measured alone and through the server beside all other
sources, once with the weight that its training chose.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from scipy import sparse

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.recommendation.baselines_recommend import (
    Method,
    Purchases,
    score_als,
    score_ease,
    score_item_knn,
    score_popularity,
)
from benchmarks.recommendation.generated_sequences import Recipe, make_histories
from benchmarks.recommendation.sequence_server import measure_server, prepare_shop, write_histories
from mercato.arrays import Float32, Float64, Int64
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.result import describe_comparison, describe_values
from mercato.models.sequence import SequenceModel

NEEDS = "PyTorch"

CUTOFF = 10
ENCODER = REPOSITORY / "var" / "models" / "encoder"
FIXED_WEIGHTS = (0.0, 3.0)
"""Weights that are served besides the one that training chose: without the model, and the default."""
SETTINGS: Mapping[str, tuple[Method, str, tuple[float, ...]]] = {
    "item_knn": (score_item_knn, "neighbours", (20, 100, 300)),
    "ease": (score_ease, "regularisation", (10.0, 50.0, 300.0, 1000.0)),
    "als": (score_als, "factors", (32, 64, 128)),
}


def as_purchases(histories: list[Int64], products: int) -> Purchases:
    """Write histories as purchases, a day between two of a user."""
    lengths = [len(codes) for codes in histories]
    return Purchases(
        user=np.repeat(np.arange(len(histories)), lengths),
        product=np.concatenate(histories),
        time=np.concatenate([np.arange(length) * 86_400.0 for length in lengths]),
        users=len(histories),
        products=products,
    )


def measure_scores(scores: Float32, right: Int64) -> dict[str, Float64]:
    """Measure where the right product of each user stands.

    Args:
        scores: float32 [users, products].
        right: int64 [users].

    Returns:
        ``recall@10`` and ``ndcg@10``, float64 [users]; equal scores stand in order of the products.
    """
    own = np.take_along_axis(scores, right[:, None], axis=1)
    before = np.arange(scores.shape[1])[None] < right[:, None]
    rank = (scores > own).sum(axis=1) + ((scores == own) & before).sum(axis=1)
    hit = rank < CUTOFF
    return {f"recall@{CUTOFF}": hit.astype(np.float64), f"ndcg@{CUTOFF}": hit / np.log2(rank + 2.0)}


def score_transitions(histories: list[Int64], products: int) -> Float32:
    """Score by how often each product followed the last one: what a table of pairs alone reaches."""
    last = np.concatenate([codes[:-1] for codes in histories])
    following = np.concatenate([codes[1:] for codes in histories])
    table = sparse.csr_matrix((np.ones(len(last), np.float32), (last, following)), shape=(products, products))
    return np.asarray(table[[codes[-1] for codes in histories]].toarray(), np.float32)


def score_by(method: Method, histories: list[Int64], products: int, *, repeats: bool) -> Float32:
    """Score with a method that knows sets of products; without ``repeats`` those of the history come last."""
    purchases = as_purchases(histories, products)
    scores = np.array(method(purchases, np.arange(len(histories)), float(purchases.time.max()) + 1.0), np.float32)
    if not repeats:
        scores[purchases.user, purchases.product] = -np.inf
    return scores


def tune(histories: list[Int64], products: int, name: str) -> dict[str, Any]:
    """Choose a method's setting by the recall of each user's event before the last."""
    method, parameter, choices = SETTINGS[name]
    before, right = [codes[:-2] for codes in histories], np.array([codes[-2] for codes in histories])
    tried = []
    for value in choices:
        scores = score_by(partial(method, **{parameter: value}), before, products, repeats=True)
        for repeats in (True, False):
            if not repeats:
                purchases = as_purchases(before, products)
                scores[purchases.user, purchases.product] = -np.inf
            recall = float(measure_scores(scores, right)[f"recall@{CUTOFF}"].mean())
            tried.append((recall, {parameter: value, "repeats": repeats}))
    return max(tried, key=lambda one: one[0])[1]


def score_sequence(folder: Path, histories: list[Int64], products: int) -> Float32:
    """Score with an exported sequence model, as it is served; what it does not know comes last.

    Args:
        folder: the exported model; product 7 has the id ``p7``.
        histories: what came before.
        products: how many there are.
    """
    model = SequenceModel(folder)
    known = np.array([int(name.removeprefix("p")) for name in model.products.ids])
    code = np.zeros(products, np.int64)
    code[known] = np.arange(1, len(known) + 1)
    scores = np.full((len(histories), products), -np.inf, np.float32)
    scores[:, known] = model.score([coded[coded > 0] for coded in (code[codes] for codes in histories)])
    return scores


def train(histories: list[Int64], folder: Path, *, epochs: int) -> dict[str, Any]:
    """Train a sequence model on histories and export it to ``model`` in a folder, with the commands of the manual.

    Returns:
        What training measured.

    Raises:
        BenchmarkError: a command failed.
    """
    write_histories(histories, folder / "events.csv")
    trained = ["--events", folder / "events.csv", "--epochs", epochs, "--out", folder / "training", "--json"]
    metrics: dict[str, Any] = json.loads(_run("train", *trained))
    _run("export", "--weights", folder / "training", "--out", folder / "model")
    return metrics


def _run(verb: str, *arguments: object) -> str:
    command = [str(Path(sys.executable).with_name("mercato")), verb, "sequence", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode:
        raise BenchmarkError(f"mercato {verb} sequence failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def main(
    users: Annotated[int, typer.Option(help="users of the generated set")] = 2_000,
    products: Annotated[int, typer.Option(help="products of the generated set")] = 1_000,
    epochs: Annotated[int, typer.Option(help="most passes of the sequence model")] = 20,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder, which the server needs")] = ENCODER,
    write: Annotated[Path | None, typer.Option(help="write the histories here, as CSV")] = None,
) -> None:
    """Measure the sequence model beside ItemKNN, EASE and ALS on a generated set."""
    console = Console()
    recipe = Recipe(users=users, products=products)
    histories = make_histories(recipe)
    if write is not None:
        write_histories(histories, write)
    past, right = [codes[:-1] for codes in histories], np.array([codes[-1] for codes in histories])
    chosen = {name: tune(past, products, name) for name in SETTINGS}
    scores: dict[str, Float32] = {"popularity": score_by(score_popularity, past, products, repeats=True)}
    for name, setting in chosen.items():
        method = partial(SETTINGS[name][0], **{key: value for key, value in setting.items() if key != "repeats"})
        scores[name] = score_by(method, past, products, repeats=setting["repeats"])
    scores["transitions"] = score_transitions(past, products)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        metrics = train(past, folder, epochs=epochs)
        scores["sequence"] = score_sequence(folder / "model", past, products)
        values = {name: measure_scores(one, right) for name, one in scores.items()}
        prepare_shop(histories, products, folder, encoder)
        served = {"default": measure_server(folder, encoder, folder / "model")}
        for weight in FIXED_WEIGHTS:
            changes = {"sequence": weight}
            served[f"sequence={weight:g}"] = measure_server(folder, encoder, folder / "model", changes)
    figures: dict[str, Any] = {
        "recipe": asdict(recipe),
        "events": sum(map(len, histories)),
        "settings": chosen,
        "training": {name: metrics[name] for name in ("config", "options", "seconds", "results", "weight")},
        "methods": {name: describe_values(one) for name, one in values.items()},
        "sequence_less": {
            name: {
                metric: describe_comparison(compare_values(values["sequence"][metric], one[metric])) for metric in one
            }
            for name, one in values.items()
            if name != "sequence"
        },
        "server": {name: describe_values(one) for name, one in served.items()},
        "server_less": {
            name: {
                metric: describe_comparison(compare_values(served["default"][metric], one[metric])) for metric in one
            }
            for name, one in values.items()
        },
    }
    for where in ("methods", "server"):
        for name, one in figures[where].items():
            console.print(f"{where}, {name}: {one['metrics']}")
    console.print(f"written: {write_record('sequence', figures).name}")


if __name__ == "__main__":
    run_command(main)
