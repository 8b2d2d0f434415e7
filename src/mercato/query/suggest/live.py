"""The suggestions of the catalogue as it is now: those of the snapshot, and what changes of products made of them."""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from mercato.errors import MercatoError
from mercato.query.suggest.added import AddedSuggestions
from mercato.query.suggest.collect import Entry, ProductTexts, Role, Suggestible, list_texts
from mercato.query.suggest.index import SuggestionIndex
from mercato.query.suggest.stored import SnapshotTexts
from mercato.state.store import StateStore
from mercato.state.values import ProductChange

logger = logging.getLogger(__name__)

CHANGES_AT_ONCE = 500
REFRESH_BUDGET_S = 0.25
"""After a bulk change whoever asks next waits for no more of it than so long; the next ones read on."""
_ALPHABET_CHARS = 40  # Latin, Greek or Cyrillic letters and digits; scripts of thousands of characters have no typos


class LiveSuggestions:
    """Suggestions of products that follow the products.

    A text is suggested while some product has it. The arrays of the snapshot stay: a text of theirs that no product has
    any more is passed over, one that they lack is kept beside.

    Attributes:
        words: the distinct words of all suggestions, sorted by code points.
        alphabet: the most frequent letters of the snapshot's.
        changes: how many product changes had an effect.
    """

    def __init__(
        self,
        index: SuggestionIndex,
        snapshot: SnapshotTexts | None,
        state: StateStore | None,
        clock: Callable[[], float],
    ) -> None:
        """Begin with a snapshot's suggestions.

        Args:
            index: those of the snapshot.
            snapshot: its products; None for suggestions that stay as they are.
            state: where changes are read from; None for none.
            clock: seconds that only grow.
        """
        self._index = index
        self._snapshot = snapshot
        self._state = state if snapshot is not None else None
        self._clock = clock
        self._sequence = snapshot.sequence if snapshot is not None else 0
        self._added = AddedSuggestions(snapshot.stopwords if snapshot is not None else frozenset())
        self._products: dict[str, Suggestible | None] = {}
        self._word_counts = Counter(word for entry in range(len(index)) for word in set(index.text(entry).split()))
        self.words = sorted(self._word_counts)
        letters = Counter("".join(word for word in self.words if word.isalnum()))
        self.alphabet = "".join(letter for letter, _ in letters.most_common(_ALPHABET_CHARS))
        self.changes = 0

    def find(self, prefix: str, limit: int) -> list[list[Entry]]:
        """Find suggestions by prefix, several lists; see `SuggestionIndex.find`."""
        return [self._index.find(prefix, limit), *self._added.find(prefix, limit)]

    def refresh(self) -> None:
        """Read the changes of products since the last time, for `REFRESH_BUDGET_S` at most.

        Raises:
            StateError: state cannot be read; the suggestions stay as they were.
        """
        if self._state is None:
            return
        end = self._clock() + REFRESH_BUDGET_S
        while True:
            changes = self._state.product_changes_since(self._sequence, limit=CHANGES_AT_ONCE)
            for change in changes:
                self._apply(change)
                self._sequence = change.sequence
            if len(changes) < CHANGES_AT_ONCE or self._clock() >= end:
                return

    def _apply(self, change: ProductChange) -> None:
        fields: dict[str, Any] = {}
        known = change.product_id in self._products
        try:
            fields = orjson.loads(change.document) if change.document is not None else {}
            if change.operation == "patch" and _FIELDS.isdisjoint(fields):
                return
            old = self._products[change.product_id] if known else self._read_old(change.product_id)
            new = _follow(change, fields, old)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            # A newer version may have written it; the product stays as it was, for search too.
            logger.exception("change %d of product %r cannot be read; left out", change.sequence, change.product_id)
            return
        if old != new:
            self.changes += 1
            self._products[change.product_id] = new
            self._exchange(old, new, of_snapshot=not known)

    def _read_old(self, product_id: str) -> Suggestible | None:
        document = self._snapshot.find(product_id) if self._snapshot is not None else None
        return read_suggestible(orjson.loads(document)) if document is not None else None

    def _exchange(self, old: Suggestible | None, new: Suggestible | None, *, of_snapshot: bool) -> None:
        """Count the texts of a product anew: only what differs."""
        before, after = _list(old), _list(new)
        for text, role in after.names - before.names:
            self._count(text, role, 1)
        for text, role in before.names - after.names:
            self._count(text, role, -1, only_index=of_snapshot)
        gained, lost = after.phrases - before.phrases, before.phrases - after.phrases
        for text, turn in self._added.count_phrases(self._count_known(gained, 1), 1):
            self._turn(text, turn)
        others = self._count_known(lost, -1)
        if not of_snapshot:
            for text, turn in self._added.count_phrases(others, -1):
                self._turn(text, turn)

    def _count_known(self, phrases: set[tuple[str, ...]], by: int) -> list[tuple[str, ...]]:
        """Count those phrases that the snapshot suggests; return the others."""
        others = []
        for phrase in phrases:
            text = " ".join(phrase)
            if text not in self._index.entries:
                others.append(phrase)
            elif self._index.counts(self._index.entries[text])[Role.PHRASE]:
                self._count(text, Role.PHRASE, by)
        return others

    def _count(self, text: str, role: Role, by: int, *, only_index: bool = False) -> None:
        entry = self._index.entries.get(text)
        if entry is None:
            # Of the snapshot's own products the arrays may lack texts, the lightest of very many.
            if not only_index:
                self._turn(text, self._added.change(text, role, by))
            return
        counts = self._index.counts(entry)
        before = any(counts)
        counts[role] = max(counts[role] + by, 0)
        self._index.recount(entry, counts)
        self._turn(text, any(counts) - before)

    def _turn(self, text: str, turn: int) -> None:
        """Take over the words of a text that comes (1) or goes (-1)."""
        if not turn:
            return
        for word in set(text.split()):
            held = self._word_counts[word]
            self._word_counts[word] = held + turn
            if not held:
                insort(self.words, word)
                if len(self.alphabet) < _ALPHABET_CHARS and word.isalnum():
                    self.alphabet += "".join(dict.fromkeys(letter for letter in word if letter not in self.alphabet))
            elif not held + turn:
                del self._word_counts[word], self.words[bisect_left(self.words, word)]


_FIELDS = frozenset(Suggestible._fields)
_NO_TEXTS = ProductTexts(set(), set())


def _list(product: Suggestible | None) -> ProductTexts:
    try:
        return _NO_TEXTS if product is None else list_texts(product)
    except MercatoError:  # a title of nothing that can be typed
        return _NO_TEXTS


def _follow(change: ProductChange, fields: Mapping[str, Any], old: Suggestible | None) -> Suggestible | None:
    """Apply a change as `mercato.index.current.follow_change` does: a patch brings no product back that is gone."""
    if change.document is None or (change.operation == "patch" and old is None):
        return None
    if change.operation == "patch" and old is not None:
        return read_suggestible({**old._asdict(), **fields})
    return read_suggestible(fields)


def read_suggestible(fields: Mapping[str, Any]) -> Suggestible:
    """Read what suggestions need of a product's JSON document.

    Raises:
        KeyError: it has no title.
        ValueError: the title is no text, or blank.
    """
    title = fields["title"]
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"title: must be text, got {title!r:.80}")
    return Suggestible(title, fields.get("brand") or "", tuple(fields.get("categories") or ()))
