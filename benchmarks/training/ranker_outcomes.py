"""Whether a ranker that learns looks and carts too predicts purchases better, on a generated log.

.venv/bin/python -m benchmarks.training.ranker_outcomes

Shoppers look at products by a taste of their own, put into the cart some of what they looked at, and buy some of that:
each step by the same true function of shopper and product, so that every look tells of the taste. Purchases are few.
A ranker learns from moments of the first weeks, once for each share of the other outcomes in the loss, and orders what
was retrieved at a later moment for all shoppers. Differences to purchases alone are paired by shopper and seed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from mercato.arrays import Float64
from mercato.catalog.product import Product
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.progress import Progress
from mercato.signals.events import SECONDS_PER_DAY
from mercato.state.values import EventTable
from mercato.text import TextRole
from mercato_export.networks.ranker import RankerConfig, RankerNetwork
from mercato_training.common.metrics import Estimate
from mercato_training.ranker.evaluate import estimate_mean, measure_orders, order_by_scores
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.fit import Vectors, compute_scores, fit_ranker
from mercato_training.ranker.prediction_window import WindowOptions, build_window_examples, split_shoppers
from mercato_training.ranker.prediction_window_data import WINDOW_FIT, WINDOW_SHAPE

NEEDS = "PyTorch"

VIEW, CART, BUY = (EVENT_TYPE_CODES[name] for name in ("detail-page-view", "add-to-cart", "purchase-complete"))
START = 17_000 * SECONDS_PER_DAY
DIMENSION = 16
LOSSES: Mapping[str, tuple[float, float]] = {
    "purchases alone": (0.0, 0.0),
    "cart 0.3, click 0.1": (0.3, 0.1),
    "cart 1, click 0.3": (1.0, 0.3),
    "click 0.3": (0.0, 0.3),
}
"""What the losses of cart and click count beside 1 for purchases."""
BLEND = {"purchase": 1.0, "cart": 0.2, "click": 0.05}
"""What each counts in a blended score, which is measured beside that of purchases."""
BLENDED = "cart 1, click 0.3"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A shop that does not exist.

    Attributes:
        products: how many.
        shoppers: how many.
        days: length of the log.
        visit_days: mean time between two visits of a shopper.
        looks: products looked at in a visit.
        cart: mean chance that what was looked at is put into the cart, at the mean of its utility.
        buy: likewise that this is bought.
        factors: length of the vectors of taste.
        seed: of every draw.
    """

    products: int = 1_000
    shoppers: int = 700
    days: int = 112
    visit_days: float = 9.0
    looks: int = 8
    cart: float = 0.2
    buy: float = 0.4
    factors: int = 6
    seed: int = 1


class TasteEncoder:
    """Gives each title of the generated shop its product's vector of taste, blurred."""

    dimension = DIMENSION
    identity = "taste-16"

    def __init__(self, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take the vectors by title."""
        self._vectors = vectors

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> npt.NDArray[np.float32]:
        """Encode queries as `encode_many` does texts."""
        return self.encode_many(texts, role=role, workers=1, progress=None)

    def encode_many(
        self,
        texts: Sequence[str],
        *,
        role: TextRole = "product",
        workers: int = 1,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return float32 [texts, D] of unit length; zeros for other texts."""
        nothing = np.zeros(DIMENSION, np.float32)
        return np.stack([self._vectors.get(text, nothing) for text in texts])


def make_log(recipe: Recipe) -> tuple[list[Product], EventTable, TasteEncoder]:
    """Draw the shop: products, events by time, and the encoder of the titles."""
    rng = np.random.default_rng(recipe.seed)
    of_product = rng.normal(size=(recipe.products, recipe.factors))
    of_shopper = rng.normal(size=(recipe.shoppers, recipe.factors))
    utility = of_shopper @ of_product.T / np.sqrt(recipe.factors) * 1.5 + rng.normal(size=recipe.products)
    events: list[tuple[float, int, int, int, int]] = []
    order = 0
    for shopper in range(recipe.shoppers):
        time = START + rng.exponential(recipe.visit_days) * SECONDS_PER_DAY
        chance = np.exp(utility[shopper] - utility[shopper].max())
        while time < START + recipe.days * SECONDS_PER_DAY:
            seen = rng.choice(recipe.products, recipe.looks, replace=False, p=chance / chance.sum())
            spread = _sigmoid(utility[shopper, seen] - utility[shopper, seen].mean())
            carted = rng.random(len(seen)) < 2 * recipe.cart * spread
            bought = carted & (rng.random(len(seen)) < 2 * recipe.buy * spread)
            for position, product in enumerate(seen.tolist()):
                events.append((time + 60.0 * position, VIEW, shopper, product, -1))
                if carted[position]:
                    events.append((time + 60.0 * position + 30.0, CART, shopper, product, -1))
                if bought[position]:
                    events.append((time + 60.0 * len(seen), BUY, shopper, product, order))
            order += int(bought.any())
            time += rng.exponential(recipe.visit_days) * SECONDS_PER_DAY
    events.sort()
    when, kind, user, product, orders = (np.array(column) for column in zip(*events, strict=True))
    count = len(events)
    titles = [f"thing {number}" for number in range(recipe.products)]
    table = EventTable(
        sequence=np.arange(1, count + 1),
        time=when,
        event_type=kind.astype(np.uint8),
        user=user.astype(np.int32),
        visitor=np.full(count, -1, np.int32),
        product=product.astype(np.int32),
        order=orders.astype(np.int32),
        quantity=np.ones(count, np.int32),
        price=np.ones(count, np.float32),
        users=[f"u{number}" for number in range(recipe.shoppers)],
        visitors=[],
        products=titles,
        orders=[f"o{number}" for number in range(order)],
    )
    blurred = np.concatenate((of_product, np.zeros((recipe.products, DIMENSION - recipe.factors))), axis=1)
    blurred += rng.normal(size=blurred.shape)
    unit = (blurred / np.linalg.norm(blurred, axis=1, keepdims=True)).astype(np.float32)
    products = [Product(id=title, title=title, price=1.0) for title in titles]
    return products, table, TasteEncoder(dict(zip(titles, unit, strict=True)))


def _sigmoid(values: Float64) -> Float64:
    result: Float64 = 1 / (1 + np.exp(-values))
    return result


def build_examples(recipe: Recipe, folder: Path, window: WindowOptions) -> tuple[ExampleSet, ExampleSet, Vectors]:
    """Build what is learned from and what is reported.

    The reported moment's weeks are the log's last; those of the moments that are learned from end when they begin.

    Args:
        recipe: the shop.
        folder: where its snapshot is written.
        window: moments.
    """
    products, events, encoder = make_log(recipe)
    build_snapshot(products, events, encoder, folder, BuildOptions(workers=1))
    snapshot = Snapshot(folder)
    last = START + (recipe.days - window.days) * SECONDS_PER_DAY
    snapshot_dates = [
        last - (window.days + position * window.step_days) * SECONDS_PER_DAY
        for position in range(window.snapshot_dates)
    ]
    learned = build_window_examples(snapshot, events, encoder, snapshot_dates, window)
    reported = build_window_examples(snapshot, events, encoder, [last], window)
    queries = np.zeros((0, DIMENSION), np.float32)
    return learned, reported, Vectors(snapshot.dense.vectors, snapshot.texts.text_of_row, queries)


def compare_losses(
    recipe: Recipe, seeds: Sequence[int], report: Callable[[str], None]
) -> dict[str, dict[str, Estimate]]:
    """Train with each of :data:`LOSSES` and each seed.

    Returns:
        By name the metrics, means over seeds and shoppers; ``NAME - purchases alone`` is the paired difference.
    """
    window = WindowOptions(days=21.0, snapshot_dates=3, seed=recipe.seed)
    with tempfile.TemporaryDirectory() as folder:
        learned, reported, vectors = build_examples(recipe, Path(folder) / "catalog", window)
    figures: dict[str, dict[str, Float64]] = {}
    shape = {"hidden": WINDOW_SHAPE["hidden"], "projection": WINDOW_SHAPE["projection"]}
    for name, (cart, click) in LOSSES.items():
        kinds = [kind for kind, loss in (("cart", cart), ("click", click)) if loss]
        config = RankerConfig(
            feature_names=FEATURE_NAMES,
            dimension=DIMENSION,
            outcomes=("purchase", *kinds),
            blend=(1.0, *(0.0 for _ in kinds)),
            **shape,
        )
        runs, blended = [], []
        for seed in seeds:
            train, validation = split_shoppers(learned, 0.15, seed)
            options = replace(WINDOW_FIT, outcome_losses={"cart": cart, "click": click}, seed=seed)
            network = fit_ranker(train, validation, vectors, config, options).network
            runs.append(_measure(network, reported, vectors))
            if name == BLENDED:
                network.config = replace(config, blend=tuple(BLEND[kind] for kind in config.outcomes))
                blended.append(_measure(network, reported, vectors))
        figures[name] = _average(runs)
        if blended:
            figures[f"{name}, blended"] = _average(blended)
        report(f"{name}: nDCG@10 {figures[name]['ndcg@10'].mean():.4f}")
    first, *others = figures
    for name in others:
        figures[f"{name} - {first}"] = {
            metric: values - figures[first][metric] for metric, values in figures[name].items()
        }
    actors = np.array([task.actor for task in reported.tasks])
    return {
        name: {
            metric: estimate_mean(values, actors, rng=np.random.default_rng(recipe.seed))
            for metric, values in own.items()
        }
        for name, own in figures.items()
    }


def _measure(network: RankerNetwork, reported: ExampleSet, vectors: Vectors) -> dict[str, Float64]:
    scores = compute_scores(network, reported, vectors)
    return measure_orders(reported.tasks, order_by_scores(reported, scores))


def _average(runs: Sequence[Mapping[str, Float64]]) -> dict[str, Float64]:
    """Return the mean over runs of each metric, float64 [tasks]."""
    return {metric: np.mean([run[metric] for run in runs], axis=0) for metric in runs[0]}


def main(
    seeds: Annotated[int, typer.Option(help="networks of each kind, each with its own seed", min=1)] = 4,
    shoppers: Annotated[int, typer.Option(help="shoppers of the generated log", min=50)] = 700,
    log: Annotated[int, typer.Option(help="seed of the generated log")] = 1,
) -> None:
    """Compare rankers that learn purchases alone with those that learn carts and clicks too."""
    torch.set_num_threads(1)
    console = Console()
    recipe = Recipe(shoppers=shoppers, seed=log)
    results = compare_losses(recipe, range(seeds), lambda line: console.print(line, highlight=False))
    for name, own in results.items():
        cells = [f"{metric} {one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for metric, one in own.items()]
        console.print(f"{name}: {'  '.join(cells)}", highlight=False)
    record = {
        "recipe": asdict(recipe),
        "seeds": seeds,
        "results": {name: {metric: asdict(one) for metric, one in own.items()} for name, own in results.items()},
    }
    console.print(f"written: {write_record(f'ranker_outcomes_{log}', record).name}")


if __name__ == "__main__":
    run_command(main)
