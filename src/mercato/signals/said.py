"""What shoppers say themselves: which opinions, wishes and other traces of taste still stand.

Of somebody's opinions of a product the last one counts. One against it takes what was done with the product before out
of what its shopper likes: views, carts and wishes, but no purchase. What is taken off a wishlist was never a wish.
`forget` takes back one statement about one product, `reset` all that is no purchase. All of them look back only: what
is done afterwards counts again. Nothing is deleted, so that as of an earlier moment it all holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float64, Int32, Int64, UInt8
from mercato.events.event_type import (
    DISLIKE_TYPES,
    DISLIKED_STARS,
    EVENT_TYPE_CODES,
    LIKED_STARS,
    OPINION_TYPES,
    SAID_TYPES,
    STARS_STEPS,
    STATEMENT_TYPES,
    STATEMENTS,
)

NEVER = np.inf


def _mark(names: Iterable[str]) -> Bool:
    marks = np.zeros(256, np.bool_)
    marks[[EVENT_TYPE_CODES[name] for name in names]] = True
    return marks


IS_SAID = _mark(SAID_TYPES)
"""bool [256]: the types, by code, of what shoppers say themselves."""
_IS_OPINION = _mark(OPINION_TYPES)
_IS_DISLIKE = _mark(DISLIKE_TYPES)
_IS_STATEMENT = {number: _mark(STATEMENT_TYPES[name]) for number, name in enumerate(STATEMENTS, start=1)}
_GOES_WITH_A_DISLIKE = _mark(("detail-page-view", "add-to-cart", "wishlist-add"))
_SURVIVES_A_RESET = _mark(("purchase-complete", "refund"))
_SAYS_NOTHING = _mark(("wishlist-remove", "reset", "forget"))
_RATING, _WISH, _UNWISH, _RESET, _FORGET = (
    EVENT_TYPE_CODES[name] for name in ("rating", "wishlist-add", "wishlist-remove", "reset", "forget")
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """What became of some events through what their shoppers said.

    Attributes:
        until: float64 [n], the moment from which an event says nothing any more; `NEVER` for what stands.
        against: bool [n], opinions against a product.
        silent: bool [n], what is no sign of liking anything: opinions against a product or neither way, and what only
            takes others back.
    """

    until: Float64
    against: Bool
    silent: Bool


def find_said(actor: Int32, product: Int32, time: Float64, event_type: UInt8, number: Int32) -> Said | None:
    """Find what still stands of some events through what their shoppers said.

    Args:
        actor: int32 [n], who did it; of one person all are alike.
        product: int32 [n], any number of the product; -1 for none, or an unknown one.
        time: float64 [n], seconds since 1970, or what stands for the order of events without times. Of one moment
            those later in the arrays came later.
        event_type: uint8 [n], codes of `mercato.events.event_type.EVENT_TYPE_CODES`.
        number: int32 [n], pieces, hundredths of a star, or the number of a statement.

    Returns:
        It; None where nobody says anything.
    """
    said = IS_SAID[event_type]
    if not said.any():
        return None
    count = len(event_type)
    against, silent = judge_opinions(event_type, number)
    place = np.empty(count, np.int64)
    place[np.lexsort((np.arange(count), time))] = np.arange(count)
    # One number for each pair of shopper and product; a product that is unknown has none in common with another.
    pair = actor.astype(np.int64) * (int(product.max(initial=0)) + 2) + product + 1
    known = product >= 0
    opinions = _IS_OPINION[event_type] & known
    finder = _Finder(place=place, time=time, until=np.full(count, NEVER))
    finder.end(opinions, opinions, pair)
    finder.end(_GOES_WITH_A_DISLIKE[event_type] & known, against & known, pair)
    finder.end((event_type == _WISH) & known, (event_type == _UNWISH) & known, pair)
    forgets = (event_type == _FORGET) & known
    if forgets.any():
        for statement, types in _IS_STATEMENT.items():
            finder.end(types[event_type] & known, forgets & (number == statement), pair)
    finder.end(~_SURVIVES_A_RESET[event_type], event_type == _RESET, actor.astype(np.int64))
    return Said(until=finder.until, against=against, silent=silent)


def judge_opinions(event_type: UInt8, number: Int32) -> tuple[Bool, Bool]:
    """Tell which events speak against their product, and which are no sign of liking it: bool [n] each.

    Args:
        event_type: uint8 [n].
        number: int32 [n], of a rating its stars in hundredths.
    """
    rated = event_type == _RATING
    against = _IS_DISLIKE[event_type] | (rated & (number <= DISLIKED_STARS * STARS_STEPS))
    silent = against | _SAYS_NOTHING[event_type] | (rated & (number < LIKED_STARS * STARS_STEPS))
    return against, silent


@dataclass(slots=True, eq=False)
class _Finder:
    """Ends events at the first later one that ends them."""

    place: Int64
    time: Float64
    until: Float64

    def end(self, ended: Bool, ending: Bool, key: Int64) -> None:
        """End some events at the first of some others that comes later and has the same key.

        Args:
            ended: bool [n].
            ending: bool [n].
            key: int64 [n], not negative.
        """
        ends = np.flatnonzero(ending)
        if not len(ends):
            return
        ends = ends[np.lexsort((self.place[ends], key[ends]))]
        candidates = np.flatnonzero(ended & np.isin(key, key[ends]))
        # Both sorted by key and place: of each candidate the first end behind it.
        joined = np.concatenate([candidates, ends])
        is_end = np.arange(len(joined)) >= len(candidates)
        order = np.lexsort((~is_end, self.place[joined], key[joined]))
        number = np.cumsum(is_end[order])
        behind = np.empty(len(joined), np.int64)
        behind[order] = number  # for a candidate: how many ends stand before it, itself among them where it is one
        following = behind[: len(candidates)]
        found = following < len(ends)
        found[found] = key[ends[following[found]]] == key[candidates[found]]
        events, by = candidates[found], ends[following[found]]
        self.until[events] = np.minimum(self.until[events], self.time[by])
