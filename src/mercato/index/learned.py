"""What a snapshot learned from events: named arrays, those of each signal under its name.

A signal is declared by what uses it, a source of candidates or a feature of the ranker. Nothing here knows which there
are: reading and writing go by names alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mercato.arrays import Int32
from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.signals.events import EventColumns
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.query_log import QueryLog

if TYPE_CHECKING:
    from mercato.signals.going_on import Since

Array = npt.NDArray[Any]
T = TypeVar("T")

UNTIL = "until"
BOUGHT = "together.bought"
OWN_FILES = {"cooccurrence": layout.SIGNALS, "together": layout.TOGETHER}
"""Names whose arrays lie in a file of their own, without the name; all others lie together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningInput:
    """The events that signals are learned from.

    Attributes:
        events: all events that say something about a product; product is a row.
        purchases: the purchases among them.
        product_count: number of rows.
        until: seconds since 1970 UTC; only strictly earlier events count.
        regions: the name of each code of a region; empty where nothing is learned by region.
        queries: searches and what followed from them; None where nothing is learned of queries.
        settings: how it is learned.
        categories: int32 [rows], code of each product's most specific category, -1 for none; None where nothing is
            known of categories.
    """

    events: EventColumns
    purchases: EventColumns
    product_count: int
    until: float
    regions: Sequence[str] = ()
    queries: QueryLog | None = None
    settings: LearningSettings = LearningSettings()
    categories: Int32 | None = None
    _results: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def has_purchases(self) -> bool:
        """Whether anything was bought before the moment."""
        return bool((self.purchases.time < self.until).any())

    @property
    def bought(self) -> EventColumns:
        """The purchases; all events where there are none."""
        return self.purchases if self.has_purchases else self.events

    def once(self, compute: Callable[[LearningInput], T]) -> T:
        """Compute something of these events that several signals need, and keep it."""
        if compute not in self._results:
            self._results[compute] = compute(self)
        return cast(T, self._results[compute])

    def learn(self, signal: Signal[T]) -> T:
        """Learn a signal, once."""
        return self.once(signal.learn)


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal(Generic[T]):
    """Something that is learned when a catalogue is indexed, and stored in its snapshot.

    Attributes:
        name: what its arrays are stored under, as ``name.array``; signals may share one where their arrays differ.
        kind: a dataclass of arrays.
        learn: learns it.
        missing: makes what is known where a snapshot was built before there was the signal; None refuses the snapshot.
        stored_as: how arrays are stored that are not called as the dataclass calls them.
        go_on: adds what was counted since the snapshot to what it learned of the signal, given what it learned of
            others; None for what is learned anew alone.
        needs: the others.
    """

    name: str
    kind: type[T]
    learn: Callable[[LearningInput], T]
    missing: Callable[[], T] | None = None
    stored_as: Mapping[str, str] = field(default_factory=dict)
    go_on: Callable[[T, Learned, Since], T] | None = None
    needs: tuple[Signal[Any], ...] = ()

    def write(self, value: T) -> dict[str, Array]:
        """Return the arrays of a value by the names that they are stored under."""
        return {f"{self.name}.{stored}": getattr(value, name) for name, stored in self.arrays().items()}

    def read(self, arrays: Mapping[str, Array]) -> T:
        """Return the value that was stored.

        Raises:
            SnapshotError: it is not there, and nothing may stand for it.
        """
        found = {name: arrays.get(f"{self.name}.{stored}") for name, stored in self.arrays().items()}
        if all(array is not None for array in found.values()):
            return self.kind(**found)
        if self.missing is None:
            raise SnapshotError(
                f"{layout.BEHAVIOUR}: nothing was learned of {self.name!r}; build the snapshot again with "
                "`mercato index`"
            )
        return self.missing()

    def arrays(self) -> dict[str, str]:
        """Return by the name of each array what it is stored under, below the name of the signal."""
        return {one.name: self.stored_as.get(one.name, one.name) for one in fields(cast(Any, self.kind))}


class Learned:
    """What was learned of a catalogue's rows, by signal.

    Attributes:
        until: the moment that it was learned for, seconds since 1970 UTC; NaN where nobody knows.
        bought: whether purchases were counted: without any, signals are learned from what there is.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        *,
        values: Mapping[Signal[Any], Any] | None = None,
        until: float,
        bought: bool,
    ) -> None:
        """Hold what was learned.

        Args:
            arrays: by the names that they are stored under.
            values: signals that need not be read from arrays.
            until: see above.
            bought: see above.
        """
        self._arrays = arrays
        self._values: dict[Signal[Any], Any] = dict(values or {})
        self.until = until
        self.bought = bought

    def get(self, signal: Signal[T]) -> T:
        """Return what was learned of a signal.

        Raises:
            SnapshotError: the snapshot does not have it, and nothing may stand for it.
        """
        if signal not in self._values:
            self._values[signal] = signal.read(self._arrays)
        return cast(T, self._values[signal])

    def holds(self, signal: Signal[Any]) -> bool:
        """Tell whether a signal was learned, and not only made up for want of it."""
        return signal in self._values or all(
            f"{signal.name}.{name}" in self._arrays for name in signal.arrays().values()
        )

    def arrays(self) -> dict[str, Array]:
        """Return everything as named arrays."""
        facts: dict[str, Array] = {UNTIL: np.array([self.until], np.float64), BOUGHT: np.array([self.bought], np.uint8)}
        written = [signal.write(value) for signal, value in self._values.items()]
        return {**self._arrays, **{name: array for one in written for name, array in one.items()}, **facts}


def write_learned(folder: Path, learned: Learned) -> None:
    """Write the files of what was learned.

    Args:
        folder: the snapshot's.
        learned: what was learned.
    """
    files: dict[str, dict[str, Array]] = {layout.BEHAVIOUR: {}, **{file: {} for file in OWN_FILES.values()}}
    for name, array in learned.arrays().items():
        prefix, _, rest = name.partition(".")
        if prefix in OWN_FILES:
            files[OWN_FILES[prefix]][rest] = array
        else:
            files[layout.BEHAVIOUR][name] = array
    for file, arrays in files.items():
        write_arrays(folder / file, arrays)


def read_learned(folder: Path) -> Learned:
    """Read what `write_learned` wrote; of a snapshot from before purchases were counted no counts are known.

    Raises:
        SnapshotError: a file is missing, truncated or not of this format.
    """
    arrays = map_arrays(folder / layout.BEHAVIOUR)
    for prefix, file in OWN_FILES.items():
        if file != layout.TOGETHER or (folder / file).exists():
            arrays |= {f"{prefix}.{name}": array for name, array in map_arrays(folder / file).items()}
    until, bought = arrays.pop(UNTIL, None), arrays.pop(BOUGHT, None)
    return Learned(
        arrays,
        until=float("nan") if until is None else float(until[0]),
        bought=bought is not None and bool(bought[0]),
    )
