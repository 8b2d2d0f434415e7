"""How much each source of recommendations weighs in the fusion, per placement; a shop may change it."""

from __future__ import annotations

from collections.abc import Mapping

from mercato.errors import ServerError
from mercato.retrieval.request import Placement, Source

Weights = Mapping[Placement, Mapping[Source, float]]

# Before a ranker, what a shopper buys again and again is the strongest single signal of what comes next: repeats weigh
# as much as all other sources together, so that these fill the window after them (docs/decisions/0013). Around one
# product it is what resembles or joins it.
_HOME = {
    Source.REPEAT: 5.0,
    Source.LATELY: 3.0,
    Source.ALSO_BOUGHT: 1.0,
    Source.COOCCURRENCE: 0.25,
    Source.SIMILAR: 0.25,
    Source.POPULAR: 0.25,
    Source.TRENDING: 0.2,
    Source.ARRIVAL: 0.1,
}
WEIGHTS: dict[Placement, dict[Source, float]] = {
    Placement.HOME_PAGE: _HOME,
    Placement.CATEGORY: dict(_HOME),
    Placement.RANK: dict(_HOME),
    Placement.PRODUCT_PAGE: {Source.SIMILAR: 2.0, Source.COOCCURRENCE: 1.0, Source.ALSO_BOUGHT: 0.5},
    Placement.CART: {Source.COOCCURRENCE: 2.0, Source.ALSO_BOUGHT: 1.0, Source.SIMILAR: 0.5},
}


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
    names = {source.labels[0]: source for sources in WEIGHTS.values() for source in sources}
    problems = []
    for key, weight in sorted(changes.items(), key=lambda item: "." in item[0]):
        label, _, name = key.rpartition(".")
        if name not in names or (label and label not in placements):
            problems.append(f"{key!r} is no source")
        elif not 0 <= weight < float("inf"):
            problems.append(f"{key} must weigh 0 or more, given {weight}")
        else:
            for placement in [placements[label]] if label else list(weights):
                if label or names[name] in weights[placement]:
                    weights[placement][names[name]] = weight
    if problems:
        raise ServerError(
            f"weights of sources: {'; '.join(problems)}; the sources are {', '.join(sorted(names))}, "
            f"alone or after one of {', '.join(placements)} and a dot"
        )
    return {placement: {s: w for s, w in sources.items() if w > 0} for placement, sources in weights.items()}
