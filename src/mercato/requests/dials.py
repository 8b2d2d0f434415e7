"""Dials: what a page is made of besides relevance, and how much of it one value of a field may take.

A request has them among its OPTIONS, a shop in its rules file; where both say something, the request holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from mercato.errors import InvalidInputError
from mercato.requests.options import list_options, number_between, option, parse_options

MAX_CAPS = 5
MAX_FIELD_CHARS = 256
DEFAULT_FLOOR = 0.1
"""Share of the best product's probability below which a product is not moved past those above it."""
_MEMBERS = ("field", "count", "share")
_EXAMPLE = 'for example [{"field": "brand", "share": 0.3}] or [{"field": "brand", "count": 3}]'

Dialled = TypeVar("Dialled", bound="Dials")


@dataclass(frozen=True, slots=True)
class Cap:
    """How much of a page the products of one value of a field may take.

    Attributes:
        field: as filters write it, such as ``brand``, ``categories`` or ``attributes.seller``.
        count: products of a page; None where a share is given.
        share: of a page's products, above 0 to 1; None where a count is given.
    """

    field: str
    count: int | None = None
    share: float | None = None

    def most_of(self, page_size: int) -> int:
        """Return how many products of a page may have one value: at least one, a share rounded down."""
        if self.count is not None:
            return self.count
        return max(1, int((self.share or 1.0) * page_size + 1e-9))

    def as_json(self) -> dict[str, Any]:
        """Give the cap as JSON values that `parse_caps` reads back."""
        amount = {"count": self.count} if self.count is not None else {"share": self.share}
        return {"field": self.field, **amount}


def parse_caps(value: object, parameter: str) -> tuple[Cap, ...]:
    """Check caps.

    Args:
        value: a list of objects with ``field`` and either ``count`` or ``share``.
        parameter: the caller's name for it, for messages.

    Raises:
        InvalidInputError: it is something else, or names a field twice.
    """
    if not isinstance(value, list) or len(value) > MAX_CAPS:
        given = f"{len(value)}" if isinstance(value, list) else type(value).__name__
        raise InvalidInputError(parameter, f"must be a list of at most {MAX_CAPS} caps, got {given}", _EXAMPLE)
    caps = tuple(_parse_cap(item, f"{parameter}[{index}]") for index, item in enumerate(value))
    named = [cap.field for cap in caps]
    twice = next((field for field in named if named.count(field) > 1), None)
    if twice is not None:
        raise InvalidInputError(parameter, f"must cap a field once, got {twice!r} twice"[:200], "leave one out")
    return caps


def _parse_cap(item: object, parameter: str) -> Cap:
    if not isinstance(item, Mapping) or set(item) - set(_MEMBERS) or ("count" in item) == ("share" in item):
        raise InvalidInputError(
            parameter, f"must be an object with field and either count or share, got {item!r}"[:300], _EXAMPLE
        )
    field = parse_field_name(item.get("field"), f"{parameter}.field")
    if "count" in item:
        count = item["count"]
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidInputError(
                f"{parameter}.count",
                f"must be a whole number from 1, got {count!r}"[:200],
                "what is not to be shown at all is filtered out",
            )
        return Cap(field, count=count)
    share = item["share"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InvalidInputError(
            f"{parameter}.share",
            f"must be above 0 and at most 1, got {share!r}"[:200],
            "what is not to be shown at all is filtered out",
        )
    return Cap(field, share=float(share))


def parse_field_name(value: object, parameter: str) -> str:
    """Check that a value may be the name of a field.

    Raises:
        InvalidInputError: it is no text, or an empty or very long one.
    """
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_FIELD_CHARS:
        raise InvalidInputError(parameter, f"must be the name of a field, got {value!r}"[:200], "such as brand")
    return value.strip()


@dataclass(frozen=True, kw_only=True)
class Dials:
    """The dials of a page; None is what nobody said.

    Attributes:
        novelty: from 0 (relevance alone) to 1: how much a product's being known to few counts.
        diversity: from 0 (relevance alone) to 1 (difference alone).
        coverage: from 0 (the most likely products to everybody) to 1 (each shopper a draw by probability), so that the
            lists of different shoppers show more of the catalogue.
        margin: from 0 (probability alone) to 1 (probability times margin): how much what a sale brings counts.
        margin_field: field that says what the sale of a product brings; its price where there is none.
        relevance_floor: share of the best product's probability from which on a product may be moved up.
        caps: how much of a page one value of a field may take.
    """

    novelty: float | None = option(number_between(0, 1), None)
    diversity: float | None = option(number_between(0, 1), None)
    coverage: float | None = option(number_between(0, 1), None)
    margin: float | None = option(number_between(0, 1), None)
    margin_field: str | None = option(parse_field_name, None)
    relevance_floor: float | None = option(number_between(0, 1), None)
    caps: tuple[Cap, ...] | None = option(
        parse_caps, None, lambda caps: None if caps is None else [cap.as_json() for cap in caps]
    )

    @property
    def floor(self) -> float:
        """The floor of relevance."""
        return DEFAULT_FLOOR if self.relevance_floor is None else self.relevance_floor

    @property
    def weighs(self) -> bool:
        """Whether a dial weighs something else beside the probability of each product."""
        return bool(self.novelty or self.coverage or self.margin)


DIAL_NAMES = ("novelty", "diversity", "coverage", "margin")
"""Those that are turned from 0 to 1."""
SORTING = ("novelty", "coverage", "margin", "caps")
"""What a request cannot ask for beside ``order_by``: each is an order of its own."""
NO_DIALS = Dials()


def parse_dials(given: Mapping[str, Any]) -> Dials:
    """Check the dials of a rules file.

    Raises:
        InvalidInputError: a name that no dial has, or a value that it cannot have.
    """
    unknown = sorted(set(given) - set(list_options(Dials)))
    if unknown:
        raise InvalidInputError("dials", f"are {', '.join(list_options(Dials))}, got {unknown[0]!r}"[:300])
    return Dials(**parse_options(Dials, given))


def fill_dials(asked: Dialled, others: Dials) -> Dialled:
    """Return a request, or dials, with what it does not say itself taken from other dials."""
    missing = {
        one.name: value
        for one in fields(Dials)
        if (value := getattr(others, one.name)) is not None and getattr(asked, one.name) is None
    }
    return replace(asked, **missing) if missing else asked
