"""Learning the weights of spelling from made-up slips in the words of several shops, large and small.

.venv/bin/python -m benchmarks spelling_weights        prints them as `mercato.query.correction_odds` has them
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import orjson
import typer
from rich.console import Console
from scipy.optimize import minimize

from benchmarks.harness.command import run_command
from benchmarks.harness.store import CATALOG, ENCODER, VAR, CatalogOption, EncoderOption
from benchmarks.search.foreign_words import LISTS
from benchmarks.search.icecat import DATA, WORK, build_catalog
from benchmarks.search.spelling_queries import ShopQueries, misspell
from mercato.arrays import Float64
from mercato.catalog.product import parse_product
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.query.correction_odds import describe
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.state.values import EventTable

NEEDS = "the demo store and the evaluation data"
SEED = 5
PART = "tuning"
SMALL_SHOPS = (("icecat", 1_000), ("icecat", 100), ("demo_store", 3_000), ("demo_store", 200))
"""Shops that are made of some products of others, so that the weights hold for small ones too."""
TWICE = 0.1
"""Share of the misspelt words with a second slip."""
JOINED = 0.1
"""Joined words beside misspelt ones."""
PENALTY = 2.0
"""Of the squared weights: keeps those small that little speaks for."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A word of a query, and what was meant.

    Attributes:
        features: of each word that may have been meant.
        right: which of them was; -1 for the typed one.
    """

    features: Sequence[Mapping[str, float]]
    right: int


class LearningShop:
    """A shop to learn from."""

    def __init__(self, folder: Path) -> None:
        """Open a snapshot."""
        catalog = LiveCatalog(Snapshot(folder), None)
        self._analyzer = QueryAnalyzer(catalog)
        self.queries = ShopQueries(catalog, self._analyzer)

    def make_examples(
        self, words: Mapping[str, Sequence[str]], count: int, rng: np.random.Generator
    ) -> Iterator[Example]:
        """Make queries with slips, joined words and foreign ones, and describe what is doubted of them."""
        for _ in range(count):
            query = self.queries.misspell(self.queries.make(rng), rng, PART)
            if query is None:
                continue
            place = next(i for i, word in enumerate(query.typed.split(" ")) if word != query.right.split(" ")[i])
            typed, right = query.typed.split(" "), query.right.split(" ")[place]
            if rng.random() < TWICE and len(typed[place]) > 2:
                typed[place] = misspell(typed[place], rng)[0]
            yield from self._describe(" ".join(typed), typed[place], right)
        for _ in range(round(JOINED * count)):
            text, joined = self.queries.join_words(rng, PART)
            yield from self._describe(text, joined, joined)
        known = {source: self.queries.list_missing(found, PART) for source, found in words.items()}
        known = {source: found for source, found in known.items() if found}
        for turn in range(count):
            source = list(known)[turn % len(known)]
            query_of_word = self.queries.add_foreign(str(rng.choice(known[source])), source, rng)
            yield from self._describe(query_of_word.text, query_of_word.word, query_of_word.word)

    def _describe(self, text: str, typed: str, right: str) -> Iterator[Example]:
        for doubt in self._analyzer.find_doubts(text):
            if doubt.typed.word == typed and not doubt.products:
                words = [meant.near.word for meant in doubt.candidates]
                features = [describe(doubt.typed, meant) for meant in doubt.candidates]
                yield Example(features=features, right=words.index(right) if right in words else -1)


def learn_weights(examples: Sequence[Example], penalty: float = PENALTY) -> dict[str, float]:
    """Find the weights under which what was meant is likeliest: conditional logit (McFadden 1973), ridge penalty."""
    names = sorted({name for example in examples for one in example.features for name in one})
    numbers = {name: number for number, name in enumerate(names)}
    sizes = np.array([len(example.features) for example in examples])
    table = np.zeros((int(sizes.sum()), len(names)))
    for row, one in enumerate(features for example in examples for features in example.features):
        for name, value in one.items():
            table[row, numbers[name]] = value
    starts = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(examples)), sizes)
    right = np.array([example.right for example in examples])
    chosen = (starts + right)[right >= 0]

    def measure(weights: Float64) -> tuple[float, Float64]:
        sums = table @ weights
        highest = np.maximum(np.maximum.reduceat(sums, starts), 0)
        odds = np.exp(sums - highest[owner])
        total = np.add.reduceat(odds, starts) + np.exp(-highest)
        loss = np.sum(highest + np.log(total)) - sums[chosen].sum() + penalty * np.sum(weights**2)
        slope = table.T @ (odds / total[owner]) - table[chosen].sum(axis=0) + 2 * penalty * weights
        return float(loss), slope

    found = minimize(measure, np.zeros(len(names)), jac=True, method="L-BFGS-B", options={"maxiter": 1_000})
    weights: npt.NDArray[np.float64] = found.x
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)}


def cut_shop(name: str, folder: Path, products: int, encoder: OnnxEncoder) -> Path:
    """Build a shop of some products of another."""
    out = VAR / "spelling" / f"{name}-{products}"
    snapshot = Snapshot(folder)
    rows = np.random.default_rng(SEED).choice(snapshot.count, products, replace=False)
    kept = [parse_product(orjson.loads(snapshot.documents.document(int(row)))) for row in sorted(rows)]
    build_snapshot(kept, EventTable.empty(), encoder, out, BuildOptions(reuse=folder))
    return out


def main(
    encoder: EncoderOption = ENCODER,
    catalog: CatalogOption = CATALOG,
    icecat: Annotated[Path, typer.Option(help="The evaluation data of icecat.")] = DATA,
    queries: Annotated[int, typer.Option(help="Queries of each kind and shop.", min=10)] = 3_000,
) -> None:
    """Learn and print the weights."""
    model = OnnxEncoder(encoder)
    folders = {"demo_store": catalog, "icecat": build_catalog(icecat, WORK, encoder, rebuild=False)}
    titles = {name: LearningShop(folder).queries.words for name, folder in folders.items()}
    small = {f"{name} {size}": cut_shop(name, folders[name], size, model) for name, size in SMALL_SHOPS}
    examples: list[Example] = []
    for number, (name, folder) in enumerate({**folders, **small}.items()):
        rng = np.random.default_rng([SEED, number])
        count = queries if name in folders else queries // 3
        others = {other: words for other, words in titles.items() if other != name}
        examples += LearningShop(folder).make_examples({**others, **LISTS}, count, rng)
    weights = learn_weights(examples)
    Console().print(f"{len(examples):,} examples", weights, highlight=False)


if __name__ == "__main__":
    run_command(main)
