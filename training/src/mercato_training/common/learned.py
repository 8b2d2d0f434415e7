"""How late the events are that a model learned from: kept beside its weights, so that nobody measures it on them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from mercato.events.event_order import has_time
from mercato.index.snapshot import Snapshot
from mercato_export.ranker import LEARNED_FILE


def find_last_event(times: npt.NDArray[np.float64], *, until: float = math.inf) -> float | None:
    """Return the latest time before a moment, seconds since 1970 UTC; None where there is none.

    Args:
        times: float64 [events], seconds since 1970 UTC.
        until: the moment, seconds since 1970 UTC.
    """
    early = times[has_time(times) & (times < until)]
    return float(early.max()) if len(early) else None


def save_learned(folder: Path, last_event_time: float | None, *, read: Snapshot | None = None) -> None:
    """Write how late the events were, or take an earlier training's file away where it cannot be known.

    Args:
        folder: the model's.
        last_event_time: of the events that it learned from the latest time, seconds since 1970 UTC; None for none.
        read: a catalogue that it learned from as it stands, with the popularity and the like that it has from events;
            None for one that was learned again from these events.
    """
    times = [last_event_time]
    if read is not None:
        if "last_event_time" not in read.manifest.model_fields_set:
            forget_learned(folder)
            return
        times.append(read.manifest.last_event_time)
    last = max((time for time in times if time is not None), default=None)
    (folder / LEARNED_FILE).write_bytes(orjson.dumps({"last_event_time": last}, option=orjson.OPT_INDENT_2))


def forget_learned(folder: Path) -> None:
    """Take an earlier training's file away: of this one it is not known how late its events were."""
    (folder / LEARNED_FILE).unlink(missing_ok=True)
