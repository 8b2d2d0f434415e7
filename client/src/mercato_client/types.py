"""What the client answers: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JsonObject = Mapping[str, Any]
"""A JSON object: text, numbers, booleans, None, lists and objects of these."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product of a page, best first.

    Attributes:
        id: the product's id.
        score: what the page is ordered by, higher is better; comparable within one answer only.
        rank: place in the whole list, from 1; the second page goes on where the first ended.
        title: the product's title; empty where the server did not send one.
        price: in ``currency``; None where unknown.
        currency: ISO 4217 code; None where unknown.
        brand: None where unknown.
        categories: general to specific.
        availability: ``IN_STOCK``, ``OUT_OF_STOCK``, ``PREORDER`` or ``BACKORDER``; None where unknown.
        attributes: the shop's own fields.
        sources: the ways by which retrieval found it.
        reasons: why it is here, in words for a person.
        fields: everything that the server sent about the product, the above included.
    """

    id: str
    score: float
    rank: int
    title: str = ""
    price: float | None = None
    currency: str | None = None
    brand: str | None = None
    categories: tuple[str, ...] = ()
    availability: str | None = None
    attributes: JsonObject = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    fields: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class ResultPage:
    """A page of products, from ``search``, ``recommend`` or ``similar``.

    Attributes:
        results: best first; fewer than asked for where there are no more, possibly none.
        total: how many products the whole list has.
        token: names this answer; give it back in the context of later events, so that they can be traced to it.
        missing_ids: seed products that the catalogue does not hold.
        degraded: stages that were left out because they were late or broken; empty when all is well.
        timings: microseconds by stage, as measured by the server (``encode_us``, ``total_us``, ...).
        details: the whole of the server's DETAILS, for what this version of the client does not know.
    """

    results: tuple[Product, ...]
    total: int
    token: str = ""
    missing_ids: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    details: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One element of a write that was refused.

    Attributes:
        index: its place in what was written, from 0.
        reason: constraint, what was given, remedy.
    """

    index: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """What became of a write. What is accepted is durable.

    Attributes:
        accepted: number of elements taken.
        rejected: the others, each with its reason.
        sequence: number of the last entry in the server's log; what is read from a server that has come this far
            includes the write.
    """

    accepted: int
    rejected: tuple[Rejection, ...]
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Health:
    """The state of the server that answered; with several servers, one of them.

    Attributes:
        live: a server answers.
        ready: it says that it takes work.
        models: for each model of a shop whether it serves: ``search`` and ``recommend`` by answering a canary request
            (unless turned off), because Triton calls a model ready whose process has died; the others by their word.
        problems: for what is not well, why; keys are models, or ``server``.
    """

    live: bool
    ready: bool
    models: Mapping[str, bool]
    problems: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether shoppers get answers: live, ready, and ``search`` and ``recommend`` serve."""
        return self.live and self.ready and all(self.models.get(name, False) for name in ("search", "recommend"))
