"""What is known of a shopper, as statements: each with the events that it is made of, and those that take it back.

A profile tells what recommendations go by and nothing else: what was bought, put into the cart, looked at, wished for
and said, and the kinds of products that this speaks for and against. Searches are no part of a history; what is learned
from all shoppers together names nobody.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from mercato.arrays import Bool, Int32, Int64
from mercato.errors import MercatoError
from mercato.events.event_order import has_time
from mercato.events.event_type import EVENT_TYPES, OPINION_TYPES, STARS_STEPS
from mercato.index.live import LiveCatalog
from mercato.requests.profile import ProfileRequest
from mercato.retrieval.histories import HistoryReader
from mercato.retrieval.taste import KindWeights, Taste
from mercato.signals.said import find_said, judge_opinions
from mercato.signals.undone import find_standing
from mercato.state.store import StateStore
from mercato.state.values import Actor, EventColumns
from mercato.text.timestamps import format_timestamp

MOST_EVENTS = 10_000
"""Events of a shopper that a profile is made of, the newest; beside them what the shopper said before."""
MOST_EVIDENCE = 5
"""Events that a statement names; it counts all."""

FOR, AGAINST, NEITHER = "for", "against", "neither"
_STATEMENT_OF = {
    "purchase-complete": "purchase",
    "add-to-cart": "cart",
    "detail-page-view": "view",
    "wishlist-add": "wishlist",
    **dict.fromkeys(OPINION_TYPES, "opinion"),
}
_DEEDS = {
    "purchase": "bought",
    "cart": "put into the cart",
    "view": "looked at",
    "wishlist": "wishes for",
    "like": "likes",
    "dislike": "dislikes",
    "not-interested": "is not interested in",
    "hide": "does not want to see",
}

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """The events of one statement about one product.

    Attributes:
        statement: what is taken back with it, of `mercato.events.event_type.STATEMENTS`.
        product_id: of the newest of them.
        row: of the product now; -1 for an unknown one.
        events: int64 [n], positions in the shopper's events, the newest first.
        says: whether it speaks for the product or against it.
    """

    statement: str
    product_id: str
    row: int
    events: Int64
    says: str

    @property
    def id(self) -> str:
        """What names it in a profile."""
        return f"{self.statement}:{self.product_id}"


class Profiler:
    """Writes the profiles of shoppers."""

    def __init__(self, catalog: LiveCatalog, state: StateStore) -> None:
        """Make a profiler.

        Args:
            catalog: the products.
            state: where histories are read from.
        """
        self._catalog = catalog
        self._state = state
        self._histories = HistoryReader(catalog)

    def write(self, requests: Sequence[ProfileRequest | MercatoError]) -> list[bytes | MercatoError]:
        """Write the profiles of a batch of requests.

        Args:
            requests: whose, or the error of a request that could not be read.

        Returns:
            For each a JSON document, or its error. Of somebody of whom nothing is known it has no statements.

        Raises:
            StateError: the state cannot be read.
        """
        self._catalog.refresh()
        return [
            request if isinstance(request, MercatoError) else orjson.dumps(self.describe(request))
            for request in requests
        ]

    def describe(self, request: ProfileRequest) -> Json:
        """Describe what is known of a shopper.

        Args:
            request: whose profile is wanted.

        Returns:
            ``statements``, those about kinds first, then the newest; ``total``, how many there are.
        """
        actor = Actor(user_id=request.user_id, visitor_id=request.visitor_id)
        [events] = self._state.recent_events([actor], MOST_EVENTS)
        groups = self._group(events)
        _, taste = self._histories.read_with_taste(events)
        statements = [*self._describe_kinds(actor, events, groups, taste)]
        statements += [self._describe_group(actor, events, group) for group in groups]
        return {
            "user_id": request.user_id,
            "visitor_id": request.visitor_id,
            "total": len(statements),
            "left_out": len(taste.unwanted),
            "statements": statements[: request.limit],
        }

    def _group(self, events: EventColumns) -> list[_Group]:
        """Put the events that still stand together by what they say, the newest first."""
        rows = self._catalog.rows_of(events.product_id)
        stands, against, silent = _find_what_stands(events, _number_products(events.product_id, rows))
        positions: dict[tuple[str, str], list[int]] = {}
        for at in np.flatnonzero(stands).tolist():
            statement = _STATEMENT_OF[EVENT_TYPES[events.event_type[at]]]
            known = str(rows[at]) if rows[at] >= 0 else f"-{events.product_id[at]}"
            positions.setdefault((statement, known), []).append(at)
        return [
            _Group(
                statement=statement,
                product_id=events.product_id[at[0]],
                row=int(rows[at[0]]),
                events=np.array(at),
                says=AGAINST if against[at[0]] else NEITHER if silent[at[0]] else FOR,
            )
            for (statement, _), at in positions.items()
        ]

    def _describe_group(self, actor: Actor, events: EventColumns, group: _Group) -> Json:
        newest = int(group.events[0])
        title = orjson.loads(self._catalog.document(group.row))["title"] if group.row >= 0 else ""
        of = f"{title!r} ({group.product_id})" if title else f"{group.product_id}, which is not in the catalogue"
        stars = float(events.quantity[newest]) / STARS_STEPS
        event_type = EVENT_TYPES[events.event_type[newest]]
        rated = {"rating": stars} if event_type == "rating" else {}
        deed = f"gave {stars:g} of 5 stars to" if rated else _DEEDS.get(event_type, _DEEDS.get(group.statement, ""))
        return {
            "id": group.id,
            "statement": group.statement,
            "says": group.says,
            "text": f"{deed} {of}{_write_times(len(group.events), group.statement)}",
            "product_id": group.product_id,
            "title": title,
            **rated,
            **_write_evidence(events, group.events),
            "forget": [_write_forget(actor, events, group)],
        }

    def _describe_kinds(self, actor: Actor, events: EventColumns, groups: Sequence[_Group], taste: Taste) -> list[Json]:
        """Describe the categories and brands that the statements about products speak for and against."""
        features, settings = self._catalog.features(), self._catalog.snapshot.settings
        described: list[Json] = []
        for kind, codes, names, weights in (
            ("category", features.leaf_category, settings["leaf_categories"], taste.categories),
            ("brand", features.brand, settings["brands"], taste.brands),
        ):
            name_of = {code: name for name, code in names.items()}
            by_kind: dict[tuple[int, str], list[_Group]] = {}
            for group in groups:
                if group.row >= 0 and codes[group.row] >= 0 and group.says != NEITHER:
                    by_kind.setdefault((int(codes[group.row]), group.says), []).append(group)
            for (code, says), members in by_kind.items():
                described.append(
                    self._describe_kind(actor, events, kind, name_of[code], says, members, _weight_of(weights, code))
                )
        return sorted(described, key=lambda one: -len(one["rests_on"]))  # type: ignore[arg-type]

    def _describe_kind(
        self,
        actor: Actor,
        events: EventColumns,
        kind: str,
        name: str,
        says: str,
        members: Sequence[_Group],
        weight: float,
    ) -> Json:
        products = {group.row for group in members}
        count = f"{len(products)} product{'s' if len(products) > 1 else ''}"
        at = np.unique(np.concatenate([group.events for group in members]))
        verb = "likes" if says == FOR else "dislikes"
        return {
            "id": f"{verb}-{kind}:{name}",
            "statement": kind,
            "says": says,
            "text": f"{verb} the {kind} {name!r}: {count}",
            "name": name,
            **({"weight": round(weight, 3)} if says == AGAINST else {}),
            **_write_evidence(events, at),
            "rests_on": [group.id for group in members],
            "forget": [_write_forget(actor, events, group) for group in members],
        }


def _find_what_stands(events: EventColumns, products: Int32) -> tuple[Bool, Bool, Bool]:
    """Find which events a profile has, which of them speak against their product, and which neither way: bool [n]."""
    backwards = slice(None, None, -1)  # as they came
    actor = np.zeros(len(events), np.int32)
    order = np.full(len(events), -1, np.int32) if events.order is None else events.order
    told = np.array([EVENT_TYPES[code] in _STATEMENT_OF for code in events.event_type.tolist()], np.bool_)
    columns = (
        actor,
        products[backwards],
        order[backwards],
        events.time[backwards],
        events.event_type[backwards],
        events.quantity[backwards],
    )
    whole = np.array([not product_id for product_id in events.product_id], np.bool_)[backwards]
    standing = find_standing(*columns, whole)
    stands = np.ones(len(events), np.bool_) if standing is None else standing.counts()[backwards]
    against, silent = judge_opinions(events.event_type, events.quantity)
    said = find_said(columns[0], columns[1], *columns[3:])
    if said is not None:  # what counts for nothing in recommendations is known all the same
        stands = stands | (silent & (said.until[backwards] == np.inf))
    return stands & told & (products >= 0), against, silent


def _number_products(product_ids: Sequence[str], rows: Int32) -> Int32:
    """Number products, int32 [n]: by their rows, unknown ones behind them, -1 for none."""
    numbers: dict[str, int] = {}
    first = int(rows.max(initial=0)) + 1
    return np.array(
        [
            row if row >= 0 else first + numbers.setdefault(known, len(numbers)) if known else -1
            for known, row in zip(product_ids, rows.tolist(), strict=True)
        ],
        np.int32,
    )


def _weight_of(weights: KindWeights, code: int) -> float:
    return float(weights.of(np.array([code], np.int32))[0])


def _write_times(count: int, statement: str) -> str:
    if statement in ("opinion", "wishlist") or count < 2:
        return ""
    return f" {count} times"


def _write_evidence(events: EventColumns, at: Int64) -> Json:
    """Write how many events there are, when the first and the last was, and the newest of them.

    Args:
        events: the shopper's.
        at: int64 [n], positions, ascending, so that the newest come first.
    """
    dated = at[has_time(events.time[at])]
    return {
        "count": len(at),
        "first_time": format_timestamp(float(events.time[dated[-1]])) if len(dated) else None,
        "last_time": format_timestamp(float(events.time[dated[0]])) if len(dated) else None,
        "events": [
            {
                "event_type": EVENT_TYPES[events.event_type[one]],
                "product_id": events.product_id[one],
                "time": format_timestamp(float(events.time[one])) if has_time(events.time[one]) else None,
            }
            for one in at[:MOST_EVIDENCE].tolist()
        ],
    }


def _write_forget(actor: Actor, events: EventColumns, group: _Group) -> Json:
    """Write the event that takes a statement back; sent twice it counts once, and what comes later stays."""
    newest = int(group.events[0])
    named = {"user_id": actor.user_id} if actor.user_id else {"visitor_id": actor.visitor_id}
    sequence = int(events.sequence[group.events].max())
    ahead = float(events.time[newest])  # by a clock that is ahead of this one
    content = orjson.dumps([named, group.statement, group.product_id, sequence])
    return {
        "event_type": "forget",
        **named,
        "product_id": events.product_id[newest],
        "statement": group.statement,
        **({"time": ahead} if ahead > time.time() else {}),
        "event_id": f"forget-{hashlib.blake2b(content, digest_size=16).hexdigest()}",
    }
