"""What a server says that it was learned from, against the time of the holdout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mercato.errors import DataError
from mercato.evaluation.holdout import Split
from mercato.text.timestamps import format_timestamp, parse_timestamp

LearnedFrom = Mapping[str, Mapping[str, Any]]
"""Part of the server -> ``last_event_time``, as `mercato.pipeline.answer` writes it."""

NAMES = {"catalog": "catalogue", "sequence": "sequence model"}
REMEDIES = {
    "catalog": "index what came before it alone: `mercato index --until {start}`",
    "ranker": "train it on what came before it alone (`mercato train ranker`, from a state or a file that ends"
    " there) and export it, or serve without it",
    "sequence": "train it on what came before it alone (`mercato train sequence`, from a state or a file that ends"
    " there) and export it, or serve without it",
}
_OTHER_REMEDY = "train it on what came before it alone, or serve without it"


def refuse_late_learning(split: Split, learned_from: LearnedFrom) -> list[str]:
    """Refuse a server that learned from events of the holdout's time.

    Where each user has a moment of their own, others' events may be later than it, but not later than all moments.

    Args:
        split: what is to be recommended.
        learned_from: what the server says.

    Returns:
        A warning for each part that does not say it, or has seen what some users are asked for; nothing without times.

    Raises:
        DataError: a part did; the message has the dates.
    """
    if not split.moment:
        return []
    if not learned_from:
        return [
            "nobody checked that the server has learned from nothing of the holdout's time: it does not say how late"
            " its events are; serve it with this version of Mercato"
        ]
    start = max(split.moment.values())
    warnings = []
    for part, facts in learned_from.items():
        name = NAMES.get(part, part)
        last, known = _read_last(facts)
        if not known:
            warnings.append(
                f"nobody checked that the {name} that is served has learned from nothing of the holdout's time: it does"
                f" not say how late its events are; {'index' if part == 'catalog' else 'train and export'} it again"
            )
        elif last is not None and last >= start:
            remedy = REMEDIES.get(part, _OTHER_REMEDY).format(start=format_timestamp(start))
            raise DataError(
                f"the {name} that is served has learned from events up to {format_timestamp(last)}, the holdout starts"
                f" at {format_timestamp(start)}; {remedy}"
            )
        elif last is not None and (late := sum(moment <= last for moment in split.moment.values())):
            warnings.append(
                f"the {name} that is served has learned from events up to {format_timestamp(last)}: {late:,} users are"
                " asked for as of an earlier moment, and what they bought then may be among them, such as the rest of a"
                " basket of which a row is kept back; keep whole orders out of what is learned"
            )
    return warnings


def _read_last(facts: object) -> tuple[float | None, bool]:
    """Return the latest time, and whether it is known; what cannot be read is not."""
    if not isinstance(facts, Mapping) or "last_event_time" not in facts:
        return None, False
    given = facts["last_event_time"]
    if given is None:
        return None, True
    if not isinstance(given, str):
        return None, False
    try:
        return parse_timestamp(given), True
    except ValueError:
        return None, False
