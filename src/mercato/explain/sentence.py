"""One readable line for a product, made of phrases that are each true of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mercato.explain.matches import FieldMatch
from mercato.explain.phrases import Phrases, shorten_title
from mercato.explain.rules import RuleNote
from mercato.features.inputs import Context
from mercato.requests.trace import NO_EVENT
from mercato.retrieval.evidence import Counts
from mercato.retrieval.sources.dense import DENSE
from mercato.retrieval.sources.registry import BY_LABEL

MAX_WORDS = 4
"""Words of a query that a line names."""
MAX_MOVES = 2
"""Groups of features that a line names."""
LEAST_EFFECT = 0.1
"""Standard deviations by which a group must raise a product to be named."""
MEANING_RANK = 10
"""A product among this many of the nearest is called close in meaning besides the words it holds."""
OFTEN = 5
"""Orders from which on two products are said to be bought together often."""


@dataclass(frozen=True, kw_only=True)
class Because:
    """The source that gave most to a product's rank among the candidates, and its evidence there.

    Attributes:
        source: its name.
        product_id: the product of the event, or the seed; empty where the source goes by none.
        title: that product's.
        event_type: code of what was done; `NO_EVENT` for a seed.
        time: seconds since 1970 UTC; 0 without an event.
        follows: the product came after the fused ones, in the source's order.
        filtered: the products that fit the request's filter were compared, not all of the shop.
        category: the most specific category of the product of the event; empty where it has none.
        sold: somebody bought the product before.
        counts: the shoppers that the source counted; None where it counts none.
        since: when the product came, seconds since 1970 UTC; NaN where nobody says.
    """

    source: str
    product_id: str = ""
    title: str = ""
    event_type: int = NO_EVENT
    time: float = 0.0
    follows: bool = False
    filtered: bool = False
    category: str = ""
    sold: bool = True
    counts: Counts | None = None
    since: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Move:
    """What one group of features did to a product.

    Attributes:
        group: the group's name.
        effect: standard deviations of the window's scores; above 0 it speaks for the product.
        side: ``more`` or ``less`` than the window's mean, for the product's value; empty for neither.
    """

    group: str
    effect: float
    side: str


def write_search_line(
    phrases: Phrases,
    query: str,
    rules: Sequence[RuleNote],
    matches: Sequence[FieldMatch],
    stages: Mapping[str, Mapping[str, object]],
    moves: Sequence[Move],
    because: Because | None,
    *,
    least_cosine: float = -1.0,
    beyond: bool = False,
) -> str:
    """Write the line of a search result.

    Args:
        phrases: the language.
        query: as it was searched.
        rules: what was decided about it beside its relevance.
        matches: the words that it holds.
        stages: the stages that saw it, as an explanation has them.
        moves: what moved it, the strongest first.
        because: the source that gave most.
        least_cosine: the floor of the catalogue: what is less near to the query is not called close in meaning.
        beyond: it does not match.
    """
    parts = [phrases.say(rule.phrase, what=rule.what) for rule in rules]
    spoken: set[str] = set()
    if beyond:
        parts.append(phrases.say("beyond"))
    if matches:
        parts.append(phrases.say("matches", words=_list_matches(phrases, matches)))
        spoken.add("words")
    rank, cosine = (stages.get("dense", {}).get(name) for name in ("rank", "score"))
    is_close = cosine is not None and float(str(cosine)) >= least_cosine
    if isinstance(rank, int) and is_close and (not matches or rank <= MEANING_RANK):
        parts.append(phrases.say("close", query=shorten_title(query)))
        spoken.add("similarity")
    parts += _name_moves(phrases, moves, spoken, suffix=" search")
    if not parts and because is not None and (is_close or because.source != DENSE.label):
        parts.append(_name_source(phrases, because))
    return phrases.texts["semicolon"].join(parts)


def write_recommendation_line(
    phrases: Phrases, rules: Sequence[RuleNote], because: Because | None, moves: Sequence[Move], context: Context
) -> str:
    """Write the line of a recommended product; arguments as of `write_search_line`, and when it was asked for."""
    parts = [phrases.say(rule.phrase, what=rule.what) for rule in rules]
    spoken: set[str] = set()
    if because is not None:
        parts.append(_name_evidence(phrases, because, context))
        spoken |= BY_LABEL[because.source].speaks_of if because.source in BY_LABEL else set()
    parts += _name_moves(phrases, moves, spoken, suffix=" recommendation")
    return phrases.texts["semicolon"].join(parts)


def _list_matches(phrases: Phrases, matches: Sequence[FieldMatch]) -> str:
    """Name each word once, in the first field that holds it."""
    by_field: dict[str, list[str]] = {}
    told: set[str] = set()
    for match in matches:
        for word in match.words:
            if word not in told and len(told) < MAX_WORDS:
                told.add(word)
                meant = match.stands_for.get(word)
                said = phrases.say("word", word=word) if meant is None else phrases.say("other", word=word, meant=meant)
                by_field.setdefault(match.field, []).append(said)
    in_fields = [
        phrases.say("words in field", words=phrases.join(words), field=phrases.field(field))
        for field, words in by_field.items()
    ]
    return phrases.join(in_fields)


def _name_moves(phrases: Phrases, moves: Sequence[Move], spoken: set[str], suffix: str) -> list[str]:
    """Name the groups that raised the product most and have something to say."""
    named: list[str] = []
    for move in moves:
        if move.effect < LEAST_EFFECT or move.group in spoken:
            continue
        key = f"{move.group} {move.side}".strip()
        key = key + suffix if phrases.knows(key + suffix) else key
        text = phrases.say(key) if phrases.knows(key) else ""
        if text and text not in named:
            named.append(text)
        if len(named) == MAX_MOVES:
            break
    return named


def write_bundle_line(phrases: Phrases, titles: Sequence[str], people: int, share: float) -> str:
    """Say how often a bundle was bought together.

    Args:
        phrases: the language.
        titles: of what the shopper has of it.
        people: how many bought all of it.
        share: of the times that they bought what the shopper has of it, how often all of it, 0 to 1.
    """
    named = phrases.join([shorten_title(title) for title in titles])
    return phrases.say("bundle", buyers=people, percent=f"{share:.0%}", titles=named)


def _name_source(phrases: Phrases, because: Because) -> str:
    key = f"{because.source} after" if because.follows else f"{because.source} alone"
    if because.filtered and not because.follows and phrases.knows(f"{because.source} filtered"):
        key = f"{because.source} filtered"
    return phrases.say(key) if phrases.knows(key) else phrases.say("source", source=because.source)


def _name_evidence(phrases: Phrases, because: Because, context: Context) -> str:
    key = f"{because.source} seed" if because.event_type == NO_EVENT and because.product_id else because.source
    if because.counts is not None and phrases.knows(f"{key} counted"):
        key = f"{key} counted"
        if because.counts.buyers < OFTEN and phrases.knows(f"{key} few"):
            key = f"{key} few"
    elif not math.isnan(because.since) and phrases.knows(f"{key} since"):
        key = f"{key} since"
    elif not because.product_id or not phrases.knows(key):
        return _name_source(phrases, because)
    elif not because.sold and phrases.knows(f"{key} unsold"):
        key = f"{key} unsold"
    return phrases.say(
        key,
        title=shorten_title(because.title or because.product_id),
        category=because.category,
        deed=phrases.deed(because.event_type),
        deed_it=phrases.deed(because.event_type, phrases.texts["it"]),
        date=phrases.date(because.time, now=context.time, utc_offset_s=context.utc_offset_s),
        since=_name_day(phrases, because.since, context),
        **_name_counts(phrases, because.counts, context),
    )


def _name_day(phrases: Phrases, time: float, context: Context) -> str:
    return "" if math.isnan(time) else phrases.date(time, now=context.time, utc_offset_s=context.utc_offset_s)


def _name_counts(phrases: Phrases, counts: Counts | None, context: Context) -> dict[str, object]:
    """Return what a phrase may say of counts."""
    if counts is None:
        return {}
    span = next((name for days, name in _SPANS.items() if counts.days <= days), "")
    if counts.is_present(context.time):
        span += " now"
    elif counts.has_date:
        span += " then"
    return {
        "region": shorten_title(counts.region),
        "when": phrases.say(span, date=_name_day(phrases, counts.until, context)),
        "buyers": counts.buyers,
        "month": counts.month_buyers,
    }


_SPANS = {7: "week", 28: "month", 35: "five weeks"}
"""How days are called, up to so many."""
