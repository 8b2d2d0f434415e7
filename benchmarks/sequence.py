"""The sequence model beside ItemKNN, EASE and ALS on generated histories with a real order in them, leave-last-out.

.venv/bin/python -m benchmarks.sequence

Every method learns from all events but each user's last. What is tuned of the others (their one parameter each, and
whether products of the history are shown again) is chosen for the events before the last, so nothing is tuned on what
is reported. The sequence model is trained as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from scipy import sparse

from benchmarks.baselines_recommend import Method, Purchases, score_als, score_ease, score_item_knn, score_popularity
from benchmarks.command import run_command
from benchmarks.generated_sequences import Recipe, make_histories
from benchmarks.record import write_record
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.result import describe_comparison, describe_values
from training.sequence import SequenceOptions, train_sequence
from training.sequence_data import last_windows
from training.sequence_fit import SequenceFitOptions
from training.sequence_model import SequenceNetwork

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

CUTOFF = 10
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


def measure_scores(scores: Float32, right: Int64) -> dict[str, Values]:
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


def score_sequence(network: SequenceNetwork, product_ids: list[str], histories: list[Int64], products: int) -> Float32:
    """Score with a trained sequence model; what it has no code for comes last.

    Args:
        network: the network.
        product_ids: of its codes, as `train_on` names products.
        histories: what came before.
        products: how many there are.
    """
    code = np.zeros(products, np.int64)
    known = np.array([int(name) for name in product_ids])
    code[known] = np.arange(1, len(known) + 1)
    # one product more, which `last_windows` takes for the one to be foretold
    windows = last_windows([np.append(coded[coded > 0], 0) for coded in (code[h] for h in histories)], 50)
    scores = np.full((len(histories), products), -np.inf, np.float32)
    with torch.inference_mode():
        for start in range(0, len(windows), 256):
            states = network(torch.from_numpy(windows.read[start : start + 256]))
            scores[start : start + 256, known] = network.score(states, torch.arange(1, len(known) + 1)).numpy()
    return scores


def train_on(
    histories: list[Int64], *, epochs: int, layers: int = 2, out: Path | None = None, console: Console | None = None
) -> tuple[SequenceNetwork, list[str], dict[str, Any]]:
    """Train the sequence model on histories, products named by their numbers."""
    users = [str(user) for user, codes in enumerate(histories) for _ in codes]
    names = [str(product) for codes in histories for product in codes.tolist()]
    say = console.print if console is not None else (lambda line: None)
    return train_sequence(
        users,
        names,
        out,
        options=SequenceOptions(layers=layers),
        fit_options=SequenceFitOptions(epochs=epochs),
        source="generated",
        say=say,
    )


def main(
    users: Annotated[int, typer.Option(help="users of the generated set")] = 2_000,
    products: Annotated[int, typer.Option(help="products of the generated set")] = 1_000,
    epochs: Annotated[int, typer.Option(help="most passes of the sequence model")] = 20,
    write: Annotated[Path | None, typer.Option(help="write the histories before the last event here, as CSV")] = None,
) -> None:
    """Measure the sequence model beside ItemKNN, EASE and ALS on a generated set."""
    torch.set_num_threads(1)
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
    network, product_ids, metrics = train_on(past, epochs=epochs, console=console)
    scores["sequence"] = score_sequence(network, product_ids, past, products)
    values = {name: measure_scores(one, right) for name, one in scores.items()}
    figures: dict[str, Any] = {
        "recipe": asdict(recipe),
        "events": sum(map(len, histories)),
        "settings": chosen,
        "training": {name: metrics[name] for name in ("config", "options", "seconds", "results")},
        "methods": {name: describe_values(one) for name, one in values.items()},
        "sequence_less": {
            name: {
                metric: describe_comparison(compare_values(values["sequence"][metric], one[metric])) for metric in one
            }
            for name, one in values.items()
            if name != "sequence"
        },
    }
    for name, one in figures["methods"].items():
        console.print(f"{name}: {one['metrics']}")
    console.print(f"written: {write_record('sequence', figures).name}")


def write_histories(histories: list[Int64], path: Path) -> None:
    """Write histories as a CSV of ``user_id``, ``product_id`` and ``order``, the last event included."""
    rows = [
        f"u{user},p{product},{place}"
        for user, codes in enumerate(histories)
        for place, product in enumerate(codes.tolist())
    ]
    path.write_text("\n".join(["user_id,product_id,order", *rows]) + "\n")


if __name__ == "__main__":
    run_command(main)
