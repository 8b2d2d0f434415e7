"""How much each source of recommendations weighs in the fusion, per placement; a shop may change it.

The defaults stand with the sources themselves, in `mercato.retrieval.sources`; what a shop's own log says of them lies
in its snapshot (`mercato.index.source_tuning`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from mercato.errors import InvalidInputError, ServerError
from mercato.index.source_tuning import SourceTuning
from mercato.requests.retrieval import Kind, Placement
from mercato.retrieval.sources.registry import SOURCES

Weights = Mapping[Placement, Mapping[str, float]]
"""By placement and label of the source."""

WEIGHTS: dict[Placement, dict[str, float]] = {
    placement: {source.label: source.weights[placement] for source in SOURCES if placement in source.weights}
    for placement in Placement
    if placement is not Placement.SEARCH
}
KIND_SOURCES: Mapping[Kind, frozenset[str]] = {
    kind: frozenset(source.label for source in SOURCES if kind in source.kinds)
    for kind in Kind
    if kind is not Kind.BOTH
}
"""The sources of one kind of product page; what they leave free, the popular products fill."""


KNOWN, NEW, EXPLORING = "known", "new", "exploring"
"""Who has a history, who has none, and who has one but wants nothing of it again (``exclude_purchased_days``)."""
LIGHT, HEAVY = "light", "heavy"
"""Those of the known who have few products and many; what is learned of neither of them goes by the known."""
TUNED = (Placement.HOME_PAGE, Placement.CATEGORY, Placement.RANK)
"""Placements that go by what was learned of the home page, for each kind of shopper."""
AROUND = (Placement.PRODUCT_PAGE, Placement.CART)
"""Placements that start from products; what is learned of them holds for every shopper, and is called as they are."""
OCCASIONS = (KNOWN, LIGHT, HEAVY, EXPLORING, NEW, *(placement.label for placement in AROUND))
"""What weights are learned for."""


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """What the sources of one request weigh.

    Attributes:
        weights: by rank; a source without one is not asked.
        slopes: by score; 0 for those that are not named.
    """

    weights: Mapping[str, float]
    slopes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ShopWeights:
    """The weights of a shop's sources: the defaults, what its log says, and what the shop changes.

    Attributes:
        general: of every placement, with the shop's changes; what goes by no learned weights has these.
        learned: by kind of shopper for the placements `TUNED`, and by name of a placement of `AROUND` for itself.
        heavy: distinct products from which on a known shopper is a heavy one; 0 where nobody is told apart.
    """

    general: Weights
    learned: Mapping[str, Mapping[Placement, Weighing]] = field(default_factory=dict)
    heavy: int = 0

    def choose(self, placement: Placement, kind: Kind, shopper: str, products: int = 0) -> Weighing:
        """Return what the sources of a request weigh.

        Args:
            placement: of the request.
            kind: of product page; what was learned is of both kinds together.
            shopper: known, new or exploring.
            products: how many distinct products the shopper's history has.
        """
        names = [shopper]
        if placement in AROUND:
            names = [placement.label] if kind is Kind.BOTH else []
        elif shopper == KNOWN and self.heavy:
            names = [HEAVY if products >= self.heavy else LIGHT, KNOWN]
        for name in names:
            if placement in self.learned.get(name, {}):
                return self.learned[name][placement]
        return Weighing(weights=choose_sources(self.general, placement, kind))


def weigh_shop(tuning: SourceTuning, changes: Mapping[str, float] | None = None) -> ShopWeights:
    """Join what a shop's log says of its sources with the shop's own changes, which go before.

    Args:
        tuning: what was learned; of a source that it does not know, the default stays.
        changes: as `change_weights` takes them.

    Raises:
        ServerError: see `change_weights`.
    """
    changes = changes or {}
    general = change_weights(changes)
    around = {placement.label: (placement,) for placement in AROUND}
    learned = {
        name: {
            placement: _join(general, placement, weights, tuning.slopes.get(name, {}), changes)
            for placement in around.get(name, TUNED)
        }
        for name, weights in tuning.weights.items()
    }
    return ShopWeights(general=general, learned=learned, heavy=tuning.heavy)


def _join(
    general: Weights,
    placement: Placement,
    weights: Mapping[str, float],
    slopes: Mapping[str, float],
    changes: Mapping[str, float],
) -> Weighing:
    """Return the weights of a placement: the changed ones, else the learned ones, else the defaults."""
    changed = {name for name in weights if {name, f"{placement.label}.{name}"} & changes.keys()}
    own = {name: slope for name, slope in slopes.items() if slope > 0 and name not in changed}
    joined = {name: weights.get(name, weight) for name, weight in WEIGHTS[placement].items()}
    joined |= {name: general[placement].get(name, 0.0) for name in WEIGHTS[placement] if name not in weights}
    joined |= {name: general[placement].get(name, 0.0) for name in changed}
    return Weighing(weights={name: w for name, w in joined.items() if w > 0 or name in own}, slopes=own)


def choose_sources(weights: Weights, placement: Placement, kind: Kind = Kind.BOTH) -> Mapping[str, float]:
    """Return the sources of a placement, of one kind alone where a kind is asked for, and their weights."""
    chosen = {label: weight for label, weight in weights[placement].items() if weight > 0}
    if kind not in KIND_SOURCES:
        return chosen
    return {label: weight for label, weight in chosen.items() if label in KIND_SOURCES[kind]}


def read_changes(items: Sequence[str]) -> dict[str, float]:
    """Read a shop's changes as the command line gives them: ``lately=1.5``, or a JSON file of such names and numbers.

    Args:
        items: the later goes before the earlier.

    Raises:
        InvalidInputError: neither a pair nor a file, or a file of something else.
        ServerError: see `change_weights`.
    """
    changes: dict[str, float] = {}
    for item in items:
        name, equals, number = item.partition("=")
        if equals and not Path(item).is_file():
            changes[name.strip()] = _read_number(item, number)
        else:
            changes |= _read_file(Path(item))
    change_weights(changes)
    return changes


def _read_number(item: str, number: str) -> float:
    try:
        return float(number)
    except ValueError as exc:
        raise InvalidInputError("--sources", f"must be SOURCE=WEIGHT or a JSON file, got {item[:80]!r}") from exc


def _read_file(path: Path) -> dict[str, float]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as exc:
        remedy = 'write lately=1.5, or a file with {"lately": 1.5, "cart.also_bought": 0}'
        raise InvalidInputError("--sources", f"{path} cannot be read as JSON ({exc})", remedy) from exc
    if not isinstance(found, dict) or any(
        isinstance(w, bool) or not isinstance(w, int | float) for w in found.values()
    ):
        raise InvalidInputError("--sources", f"{path} must hold a JSON object of sources and weights (numbers)")
    return {name: float(weight) for name, weight in found.items()}


def change_weights(changes: Mapping[str, float]) -> Weights:
    """Return the weights with a shop's changes.

    Args:
        changes: by source (``lately``) or by placement and source (``cart.lately``) a weight; 0 switches it off. The
            latter goes before the former.

    Raises:
        ServerError: an unknown placement or source, or a negative weight; names all of them.
    """
    weights = {placement: dict(sources) for placement, sources in WEIGHTS.items()}
    placements = {placement.label: placement for placement in WEIGHTS}
    names = {label for sources in WEIGHTS.values() for label in sources}
    problems = []
    for key, weight in sorted(changes.items(), key=lambda item: "." in item[0]):
        label, _, name = key.rpartition(".")
        if name not in names or (label and label not in placements):
            problems.append(f"{key!r} is no source")
        elif not 0 <= weight < float("inf"):
            problems.append(f"{key} must weigh 0 or more, given {weight}")
        else:
            for placement in [placements[label]] if label else list(weights):
                if label or name in weights[placement]:
                    weights[placement][name] = weight
    if problems:
        raise ServerError(
            f"weights of sources: {'; '.join(problems)}; the sources are {', '.join(sorted(names))}, "
            f"alone or after one of {', '.join(placements)} and a dot"
        )
    return {
        placement: {s: w for s, w in sources.items() if w > 0 or w == WEIGHTS[placement][s]}  # what waits to be learned
        for placement, sources in weights.items()
    }
