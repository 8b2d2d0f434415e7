"""What is understood of generated queries whose conditions are known, over a snapshot; and what it costs a query.

.venv/bin/python -m benchmarks understanding
.venv/bin/python -m benchmarks understanding --catalog var/demo/catalog --name demo
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import orjson
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import VAR
from benchmarks.search.understanding_phrases import EXCLUSIONS, MEASURES, PRICES, Measured, list_measured
from mercato.catalog.product import Product, parse_product
from mercato.filters import matches, parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.understand import Understand
from mercato.understanding.condition import Condition
from mercato.understanding.understander import Understander

NEEDS = "the evaluation data"

SEED = 14
HEAD_CHARS = 4
CATEGORY_SHARE = 0.3
"""Queries whose head is the name of a category, of those whose product has a plain one."""
KINDS = ("colour", "color", "size", "material")
"""Attributes of these names have values that a shopper would name."""


class Planted(NamedTuple):
    """A condition that a query was given.

    Attributes:
        text: its words.
        start: where they stand.
        type: what it is.
        meaning: of a comparison ``(lower, upper)`` in the field's unit, of an exclusion the word; else the value.
        field: of a measure, the fields that hold it.
    """

    text: str
    start: int
    type: str
    meaning: Any
    field: tuple[str, ...] = ()


@dataclass
class Generated:
    """A query under construction.

    Attributes:
        product: that it was made from.
        language: of its phrases.
        text: so far.
        planted: so far.
    """

    product: Product
    language: str
    text: str = ""
    planted: list[Planted] = field(default_factory=list)

    def add(self, text: str, kind: str = "", meaning: object = None, fields: tuple[str, ...] = ()) -> None:
        """Append words."""
        if self.text and not (self.language == "chinese" and self.text[-1] > "\u3000" and text[0] > "\u3000"):
            self.text += " "
        if kind:
            self.planted.append(Planted(text, len(self.text), kind, meaning, fields))
        self.text += text


def generate(products: Sequence[Product], count: int, measured: Sequence[Measured], seed: int) -> list[Generated]:
    """Generate queries, each from a product: its brand, values, price, measures, and words of others that it lacks.

    Args:
        products: the catalogue.
        count: how many.
        measured: fields of measures and their units, written by hand.
        seed: of the choices.
    """
    random = np.random.default_rng(seed)
    queries: list[Generated] = []
    while len(queries) < count:
        product = products[int(random.integers(len(products)))]
        head = _choose_head(product, random)
        if not head:
            continue
        query = Generated(product, str(random.choice(list(PRICES))))
        _add_values(query, product, random)
        leaf = product.categories[-1].lower() if product.categories else ""
        if leaf.replace(" ", "").isalpha() and len(leaf.split()) < 4 and random.random() < CATEGORY_SHARE:
            query.add(leaf, "category", leaf)
        else:
            query.add(head)
        tails = [_add_price, _add_measure, _add_exclusion]
        order = random.permutation(len(tails))
        for number in order[: int(random.integers(1, 3))]:
            if tails[number] is _add_measure:
                _add_measure(query, product, measured, random)
            elif tails[number] is _add_price:
                _add_price(query, product, random)
            else:
                _add_exclusion(query, product, products, random)
        if query.planted:
            queries.append(query)
    return queries


def _choose_head(product: Product, random: np.random.Generator) -> str:
    """Choose a word of the title that is no value of the product."""
    values = f"{product.brand} {' '.join(map(str, product.attributes.values()))}".casefold()
    words = [
        word
        for word in product.title.split()
        if word.isalpha() and word.isascii() and len(word) >= HEAD_CHARS and word.casefold() not in values
    ]
    return str(random.choice(words)).lower() if words else ""


def _add_values(query: Generated, product: Product, random: np.random.Generator) -> None:
    if product.brand and product.brand.isascii() and random.random() < 0.5:
        query.add(product.brand if random.random() < 0.5 else product.brand.lower(), "brand", product.brand)
    for key, value in product.attributes.items():
        kind = next((kind for kind in KINDS if kind in key.lower().replace("_", " ").split()), "")
        if not kind or kind == "size" or not isinstance(value, str) or random.random() < 0.5:
            continue
        part = value.split(",")[0].strip().lower()
        if part.replace(" ", "").isalpha() and len(part) > 2:
            query.add(part, "colour" if kind == "color" else kind, part)
            return


def _add_price(query: Generated, product: Product, random: np.random.Generator) -> None:
    if product.price is None or product.price <= 0:
        return
    near = product.price * float(random.uniform(1.05, 1.6))
    low, high = round(product.price * float(random.uniform(0.5, 0.9))), max(round(near), 1)
    phrase, shape = PRICES[query.language][int(random.integers(len(PRICES[query.language])))]
    if shape == "between" and low >= high:
        return
    bounds = {"below": (None, high), "between": (low, high), "above": (low, None)}[shape]
    query.add(phrase.format(a=low if shape != "below" else high, b=high), "price", bounds)


def _add_measure(query: Generated, product: Product, measured: Sequence[Measured], random: np.random.Generator) -> None:
    held = [one for one in measured if isinstance(product.attributes.get(one.key), int | float)]
    if not held:
        return
    one = held[int(random.integers(len(held)))]
    number = product.attributes[one.key]
    assert isinstance(number, int | float)
    if number <= 0:
        return
    phrase, shape = MEASURES[query.language][int(random.integers(len(MEASURES[query.language])))]
    bounds = (None, number) if shape == "below" else (number, None)
    query.add(phrase.format(a=f"{number:g}", unit=one.unit), "quantity", bounds, (one.key, *one.also))


def _add_exclusion(
    query: Generated, product: Product, products: Sequence[Product], random: np.random.Generator
) -> None:
    other = products[int(random.integers(len(products)))]
    word = _choose_head(other, random)
    if not word or word in product.field_text("title").casefold() or word in query.text:
        return
    phrases = EXCLUSIONS[query.language]
    query.add(phrases[int(random.integers(len(phrases)))].format(word=word), "exclude", word)


def is_found(planted: Planted, condition: Condition) -> bool:
    """Tell whether a condition is the one that was planted: its place, its type and what it means."""
    if condition.start >= planted.start + len(planted.text) or condition.end <= planted.start:
        return False
    if planted.type == "exclude":
        return condition.effect.value == "exclude" and planted.meaning in condition.filter.casefold()
    if condition.type != planted.type:
        return False
    if planted.type in ("price", "quantity"):
        return read_bounds(condition.filter) == planted.meaning and (
            planted.type == "price" or any(key in condition.field for key in planted.field)
        )
    return True


def read_bounds(text: str) -> tuple[float | None, float | None] | None:
    """Read the bounds of the filter of a comparison; None where it is none."""
    if not text:
        return None
    expression: Any = parse_filter(text).expression
    if hasattr(expression, "operator"):
        return (None, expression.value) if expression.operator.startswith("<") else (expression.value, None)
    return (expression.lower, expression.upper) if hasattr(expression, "lower") else None


def judge(queries: Sequence[Generated], understander: Understander) -> tuple[dict[str, Any], list[str]]:
    """Compare what is understood with what was planted.

    A value that nobody planted, and that the product has, is neither right nor wrong: a title's own words say it. Nor
    is a category whose very name the title's word is.

    Returns:
        Figures, and a line for each mistake.
    """
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    by_chance = 0
    mistakes: list[str] = []
    for query in queries:
        left = list(understander.understand(query.text, Understand.AUTO).conditions)
        for planted in query.planted:
            found = next((one for one in left if is_found(planted, one)), None)
            if found is None:
                missed[planted.type] += 1
                mistakes.append(f"missed {planted.type} {planted.text!r} in {query.text!r}")
            else:
                right[planted.type] += 1
                left.remove(found)
        for one in left:
            true = one.filter and matches(parse_filter(one.filter), query.product)
            if one.effect.value == "boost" and (true or one.type == "category"):
                by_chance += 1
                continue
            wrong[one.type] += 1
            mistakes.append(f"wrong {one.type} {one.text!r} {one.filter[:60]!r} in {query.text!r}")
    types = sorted({*right, *missed})
    total = sum(right.values())
    figures = {
        "queries": len(queries),
        "planted": sum(len(query.planted) for query in queries),
        "precision": total / max(total + sum(wrong.values()), 1),
        "recall": total / max(total + sum(missed.values()), 1),
        "recall_by_type": {name: right[name] / max(right[name] + missed[name], 1) for name in types},
        "by_language": {},
        "true_by_chance": by_chance,
        "wrong_by_type": dict(wrong),
    }
    return figures, mistakes


def measure_cost(queries: Sequence[str], understander: Understander, rounds: int = 5) -> float:
    """Return the microseconds of CPU that understanding takes a query, the median of some rounds."""
    costs = []
    for _ in range(rounds):
        start = time.process_time()
        for query in queries:
            understander.understand(query, Understand.AUTO)
        costs.append((time.process_time() - start) / len(queries) * 1e6)
    return float(np.median(costs))


def main(
    catalog: Annotated[Path, typer.Option(help="snapshot")] = VAR / "icecat" / "catalog",
    name: Annotated[str, typer.Option(help="of the shop, for the record and its hand-written measures")] = "icecat",
    count: Annotated[int, typer.Option(help="queries")] = 1_000,
    seed: Annotated[int, typer.Option(help="of the choices")] = SEED,
    show: Annotated[int, typer.Option(help="mistakes to print")] = 0,
) -> None:
    """Generate queries with known conditions from a shop's products, and count what is understood of them."""
    console = Console()
    live = LiveCatalog(Snapshot(catalog), None)
    understander = Understander(live, QueryAnalyzer(live).stopwords)
    documents = live.snapshot.documents
    products = [parse_product(orjson.loads(documents.document(row))) for row in range(live.base)]
    queries = generate(products, count, list_measured(name), seed)
    figures, mistakes = judge(queries, understander)
    for language in PRICES:
        own = [query for query in queries if query.language == language]
        figures["by_language"][language] = {
            key: value for key, value in judge(own, understander)[0].items() if key in ("precision", "recall")
        }
    figures["microseconds_a_query"] = measure_cost([query.text for query in queries], understander)
    for line in mistakes[:show]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(figures)
    console.print(f"written: {write_record(f'understanding_{name}', figures).name}")


if __name__ == "__main__":
    run_command(main)
