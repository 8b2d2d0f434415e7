"""Which outcomes a ranker has heads for, and what each counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mercato.errors import InvalidInputError
from mercato_export.networks.ranker import PURCHASE_OUTCOME
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.timeline import FURTHER

OUTCOMES = (PURCHASE_OUTCOME, *FURTHER)
PURCHASES_ALONE: Mapping[str, float] = {PURCHASE_OUTCOME: 1.0}


def read_weights(text: str, *, option: str, names: Collection[str] = OUTCOMES) -> dict[str, float]:
    """Read ``purchase=1,cart=0.2,click=0.05``.

    Args:
        text: names and numbers from 0 on; what is not named counts 0.
        option: where it was given, for the message.
        names: those that may be given.

    Raises:
        InvalidInputError: a name that is none of them, or a number that is none or below 0; all that is wrong is named.
    """
    weights: dict[str, float] = {}
    problems: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            problems.append(f"{part!r} must be NAME=NUMBER")
            continue
        if name not in names:
            problems.append(f"{name!r} must be one of {', '.join(names)}")
        elif not 0 <= weights[name] < float("inf"):
            problems.append(f"{name} must be a number from 0 on, given {number}")
    if problems:
        raise InvalidInputError(option, "; ".join(problems))
    return weights


def choose_outcomes(
    train: ExampleSet, losses: Mapping[str, float], blend: Mapping[str, float]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the outcomes to have heads for, purchases first, and what each counts in the score that is served.

    An outcome besides purchases has one where the log has it and its loss counts anything.

    Args:
        train: what is learned from.
        losses: outcome to what its loss counts.
        blend: outcome to what its score counts.

    Raises:
        InvalidInputError: an outcome is to be served that is not learned, or none is.
    """
    learned = [kind for kind, hits in train.further.items() if losses.get(kind) and hits.any()]
    missing = [kind for kind in FURTHER if blend.get(kind) and kind not in learned]
    if missing:
        raise InvalidInputError(
            "--task-weights",
            f"{', '.join(missing)} cannot count in the score, as it is not learned",
            "the log has none of it, or --task-losses leaves it out",
        )
    outcomes = (PURCHASE_OUTCOME, *(kind for kind in FURTHER if kind in learned))
    counts = tuple(float(blend.get(kind, 0.0)) for kind in outcomes)
    if not any(counts):
        raise InvalidInputError("--task-weights", "one must be more than 0, given none", "purchase=1 is the usual one")
    return outcomes, counts
