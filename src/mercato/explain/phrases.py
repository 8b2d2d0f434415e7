"""The sentences of explanations, in one table: another language is another table with the same keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from mercato.catalog.field_names import ATTRIBUTES, parse_field
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.retrieval.sources.registry import SOURCES

TITLE_CHARS = 60
"""A product's title is cut here, at the end of a word."""


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """What explanations say in one language.

    Attributes:
        texts: by key; names in braces are filled in.
        months: short names, January first.
        deeds: what a shopper did with a product, by event type; ``{what}`` is a pronoun, or nothing.
        fields: fields of a product as they are spoken of.
    """

    texts: Mapping[str, str]
    months: Sequence[str]
    deeds: Mapping[int, str]
    fields: Mapping[str, str]

    def say(self, key: str, **values: object) -> str:
        """Fill in a phrase."""
        return self.texts[key].format(**values)

    def knows(self, key: str) -> bool:
        """Whether there is such a phrase."""
        return key in self.texts

    def deed(self, event_type: int, what: str = "") -> str:
        """Name what was done with a product."""
        return " ".join(self.deeds.get(event_type, self.texts["deed"]).format(what=what).split())

    def field(self, name: str) -> str:
        """Name a field, as filters write it; an attribute by its key."""
        return self.fields.get(name) or parse_field(name).removeprefix(ATTRIBUTES).replace("_", " ")

    def date(self, time: float, *, now: float, utc_offset_s: float) -> str:
        """Write the shopper's local date of a moment, with the year where it is not the present one.

        Of an event without a time (below 0) nothing is known but that it was earlier.
        """
        if time < 0:
            return self.texts["no date"]
        day = datetime.fromtimestamp(time + utc_offset_s, timezone.utc)
        today = datetime.fromtimestamp(now + utc_offset_s, timezone.utc)
        values = {"day": day.day, "month": self.months[day.month - 1], "year": day.year}
        return self.say("date" if day.year == today.year else "date with year", **values)

    def join(self, parts: Sequence[str]) -> str:
        """Join the items of a list."""
        return self.texts["comma"].join(parts)


def shorten_title(title: str) -> str:
    """Cut a title at `TITLE_CHARS`, at the end of a word."""
    if len(title) <= TITLE_CHARS:
        return title
    return title[: TITLE_CHARS + 1].rsplit(" ", 1)[0][:TITLE_CHARS] + "…"


def list_source_phrases() -> dict[str, str]:
    """Return what the sources themselves say in English: label and case, as ``lately seed counted``."""
    return {f"{source.label} {key}".strip(): text for source in SOURCES for key, text in source.phrases.items()}


ENGLISH = Phrases(
    texts={
        "comma": ", ",
        "semicolon": "; ",
        "date": "{day} {month}",
        "date with year": "{day} {month} {year}",
        "no date": "an earlier day",
        "deed": "chose {what}",
        "it": "it",
        # What matched.
        "matches": "matches {words}",
        "words in field": "{words} in {field}",
        "word": "'{word}'",
        "other": "'{word}' for '{meant}'",
        "close": "close in meaning to '{query}'",
        "beyond": "does not match, among the nearest of what is left",
        # Sources: {title} is the evidence, {deed} and {date} its event; {buyers} were counted. What nobody counted is
        # not said to be bought.
        **list_source_phrases(),
        "source": "found by {source}",
        # When shoppers were counted: to this day, to another day, to a day that nobody knows.
        "week now": "this week",
        "week then": "in the week to {date}",
        "week": "within a week",
        "month now": "in the last four weeks",
        "month then": "in the four weeks to {date}",
        "month": "within four weeks",
        "five weeks now": "in the last five weeks",
        "five weeks then": "in the five weeks to {date}",
        "five weeks": "within five weeks",
        # Bundles: how many bought all of it, of the purchases of what the shopper has of it.
        "bundle": "{buyers} shoppers bought these together, {percent} of the times that {titles} was bought",
        # What moved it: by group, for a value above and below the window's mean.
        "words more": "fits the words better than the others",
        "kind of product more": "the kind of thing that most results are",
        "similarity more search": "closer in meaning than the others",
        "similarity more": "close to what you chose before",
        "taste more": "close to what you chose before",
        "chosen for this query more": "chosen by others who searched for this",
        "bought together more": "goes with what you chose",
        "bought by the same shoppers more": "goes with what you chose",
        "popularity more": "bought often",
        "trend more": "bought more than usual lately",
        "bought again by others more": "many buy it again",
        "price less": "cheaper than the others",
        "price more": "dearer than the others",
        "age less": "newer than the others",
        "stock more": "in stock",
        "own views more": "you looked at it before",
        "own purchases more": "you bought it before",
        "category more": "of a category you often choose",
        "brand more": "of a brand you often choose",
        # What a shop decided.
        "pinned": "pinned by a rule",
        "seated": "shown here for being new",
        "boosted": "boosted by {what}",
        "buried": "lowered by {what}",
        "disliked": "lowered for what you disliked",
        "sorted": "sorted by {what}",
        "raised novelty": "raised for being less known",
        "lowered novelty": "lowered for being well known",
        "raised margin": "raised for what its sale brings",
        "lowered margin": "lowered for what its sale brings",
        "unvalued": "no margin or price of it is known",
        "raised coverage": "raised by a draw, so that shoppers see different products",
        "lowered coverage": "lowered by a draw, so that shoppers see different products",
        "raised diversity": "raised for being unlike those before",
        "lowered diversity": "lowered for being like those before",
        "capped": "lowered, as {what} had its share of the page",
    },
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    deeds={
        EVENT_TYPE_CODES["detail-page-view"]: "looked at {what}",
        EVENT_TYPE_CODES["add-to-cart"]: "put {what} into the cart",
        EVENT_TYPE_CODES["purchase-complete"]: "bought {what}",
        EVENT_TYPE_CODES["rating"]: "liked {what}",
        EVENT_TYPE_CODES["like"]: "liked {what}",
        EVENT_TYPE_CODES["wishlist-add"]: "wished for {what}",
    },
    fields={
        "id": "the id",
        "title": "the title",
        "brand": "the brand",
        "categories": "the categories",
        "description": "the description",
    },
)
