"""User events in: checked one by one, written in one transaction for all callers of a batch.

The boundary between the model `events` and the state store.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from mercato.errors import InvalidInputError, MercatoError
from mercato.events.event import parse_events
from mercato.incoming import Rejected, WriteResult
from mercato.state.store import StateStore


class EventWriter:
    """Writes user events to state."""

    def __init__(self, state: StateStore) -> None:
        """Make a writer.

        Args:
            state: where events go.
        """
        self._state = state

    def write(self, documents: Sequence[bytes | MercatoError]) -> list[WriteResult | MercatoError]:
        """Write the events of a batch of callers.

        Args:
            documents: for each caller a JSON array of events, or the error of a request that could not be read.

        Returns:
            For each caller what became of its events, once they are durable, or its error.

        Raises:
            StateError: nothing was written.
        """
        now = time.time()
        outcomes: list[WriteResult | MercatoError | None] = [None] * len(documents)
        events = []
        parsed: dict[int, tuple[int, list[Rejected]]] = {}
        for position, document in enumerate(documents):
            if isinstance(document, MercatoError):
                outcomes[position] = document
                continue
            try:
                good, bad = parse_events(document, now=now)
            except InvalidInputError as exc:
                outcomes[position] = exc
                continue
            events.extend(good)
            parsed[position] = len(good), bad
        sequence = self._state.append_events(events).sequence if events else self._state.event_sequence()
        for position, (accepted, rejected) in parsed.items():
            outcomes[position] = WriteResult(accepted=accepted, rejected=rejected, sequence=sequence)
        return [outcome for outcome in outcomes if outcome is not None]
