"""What the client answers: frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JsonObject = Mapping[str, Any]
"""A JSON object: text, numbers, booleans, None, lists and objects of these."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range of numbers, to ask facets for and as they answer.

    Attributes:
        minimum: the lower bound, itself in; None where open.
        exclusive_minimum: the lower bound, itself not in.
        maximum: the upper bound, itself in; None where open.
        exclusive_maximum: the upper bound, itself not in.
    """

    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    exclusive_maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class FacetSpec:
    """A facet to ask for.

    Attributes:
        key: a field, named as in filters.
        limit: most values wanted; 20 when not given.
        intervals: of a number field; none lets the server make them.
        excluded_filter_keys: fields whose conditions in ``filter`` do not count for this facet, so that a shopper who
            chose a value still sees how many the others have.
        order_by: ``count`` (when not given) or ``value``.
    """

    key: str
    limit: int | None = None
    intervals: Sequence[Interval] = ()
    excluded_filter_keys: Sequence[str] = ()
    order_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Boost:
    """A condition that moves the products passing it.

    Attributes:
        condition: in the grammar of filters.
        boost: from -1 (down) to 1 (up).
    """

    condition: str
    boost: float


@dataclass(frozen=True, kw_only=True)
class Cap:
    """How much of a page the products of one value of a field may take: a count or a share of the page.

    Attributes:
        field: named as in filters, such as ``brand``.
        count: most products of a page, from 1.
        share: above 0 to 1.
    """

    field: str
    count: int | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class FacetValue:
    """A value of a facet, or an interval of its numbers.

    Attributes:
        count: how many products of the whole result have it.
        value: the text; None for an interval.
        interval: None for a text.
        minimum: the lowest number in the interval; None where there is none.
        maximum: the highest.
    """

    count: int
    value: str | None = None
    interval: Interval | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Facet:
    """How many products of the whole result have which value of a field.

    Attributes:
        key: the field, as it was asked for.
        values: in the order asked for; intervals ascend.
        distinct: how many values there are, those beyond the limit too; None for numbers.
        minimum: the lowest number of the result; None for texts.
        maximum: the highest.
    """

    key: str
    values: tuple[FacetValue, ...]
    distinct: int | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a product stands where it stands.

    Attributes:
        text: one line for a person.
        stages: by stage its ``rank`` (from 1) and ``score``; a stage that did not see the product is absent.
        matched: ``words`` and ``fields`` of the product that the query found.
        features: what moved it most, each with ``name``, ``value`` and ``effect``.
        fields: everything that the server sent, the above included.
    """

    text: str = ""
    stages: JsonObject = field(default_factory=dict)
    matched: JsonObject = field(default_factory=dict)
    features: tuple[JsonObject, ...] = ()
    fields: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A size, colour or pack of a product.

    Attributes:
        id: its code.
        title: None where it has the product's.
        price: in the product's ``currency``; None where unknown.
        availability: ``IN_STOCK``, ``OUT_OF_STOCK``, ``PREORDER`` or ``BACKORDER``; None where unknown.
        attributes: what sets it apart, such as size and colour.
        image_uri: of a picture; None where it has the product's.
        uri: of its page; None where it has the product's.
    """

    id: str
    title: str | None = None
    price: float | None = None
    availability: str | None = None
    attributes: JsonObject = field(default_factory=dict)
    image_uri: str | None = None
    uri: str | None = None


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product of a page, best first.

    Attributes:
        id: the product's id.
        score: what the page is ordered by, higher is better; comparable within one answer only.
        rank: its number in the whole list, from 1; the second page goes on where the first ended.
        title: the product's title; empty where the server did not send one.
        price: in ``currency``; None where unknown.
        currency: ISO 4217 code; None where unknown.
        brand: None where unknown.
        categories: general to specific.
        availability: ``IN_STOCK``, ``OUT_OF_STOCK``, ``PREORDER`` or ``BACKORDER``; None where unknown.
        attributes: the shop's own fields.
        sources: the ways by which retrieval found it.
        reasons: why it is here, in words for a person.
        variant: of its sizes, colours and packs the one that matches the request best; None where it has none.
        variants: ids of its near-duplicates, which are not shown, where collapsing was asked for.
        pinned: whether the shop's rules put it here.
        beyond: whether it does not match and is only among the nearest, where these were asked for.
        purchase_probability: how likely the shopper is to buy it, 0 to 1; None for a search, for a shopper of whom no
            purchase is known, and where the server's ranker is not calibrated.
        explanation: why it stands here; None unless asked for.
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
    variant: Variant | None = None
    variants: tuple[str, ...] = ()
    pinned: bool = False
    beyond: bool = False
    purchase_probability: float | None = None
    explanation: Explanation | None = None
    fields: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a part of a query is understood to say.

    Attributes:
        text: the part.
        start: of its first character in the query as it was sent.
        end: behind its last.
        type: ``price``, ``quantity``, ``pack``, ``brand``, ``category``, ``colour``, ``size``, ``material`` or
            ``word``.
        effect: what it does: ``filter``, ``exclude`` or ``boost``.
        status: ``applied``, ``relaxed`` (it would leave nothing, and boosts) or ``unused``.
        field: that it is about, as filters write it; empty where there is none.
        filter: what it stands for, in the language of filters; empty where that cannot be said.
        reason: why it is not applied; empty where it is.
    """

    text: str
    start: int
    end: int
    type: str
    effect: str
    status: str = "applied"
    field: str = ""
    filter: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class BundleProduct:
    """A product of a bundle.

    Attributes:
        id: the product's id.
        added: whether it completes what is on the page or in the cart; the others are there already.
        title: the product's title; empty where the server did not send one.
        price: in ``currency``; None where unknown.
        currency: ISO 4217 code; None where unknown.
        availability: ``IN_STOCK``, ``OUT_OF_STOCK``, ``PREORDER`` or ``BACKORDER``; None where unknown.
        variant: of its sizes, colours and packs the one that matches the request best; None where it has none.
        fields: everything that the server sent about the product, the above included.
    """

    id: str
    added: bool
    title: str = ""
    price: float | None = None
    currency: str | None = None
    availability: str | None = None
    variant: Variant | None = None
    fields: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A set of two to four products that people buy together, with its evidence.

    Attributes:
        products: those that are on the page or in the cart, then those that complete the set.
        people: how many bought all of it in one order.
        share: of the times that people bought what is there, how often all of it, 0 to 1; each person counts as one.
        price: of all of it; None where one price is not known, or currencies differ.
        currency: of the price; None where unknown.
        explanation: the evidence in words; empty unless asked for.
    """

    products: tuple[BundleProduct, ...]
    people: int
    share: float
    price: float | None = None
    currency: str | None = None
    explanation: str = ""

    @property
    def added_ids(self) -> tuple[str, ...]:
        """The ids of the products that complete the set."""
        return tuple(product.id for product in self.products if product.added)


@dataclass(frozen=True, kw_only=True)
class ResultPage:
    """A page of products, from ``search``, ``recommend`` or ``similar``.

    Attributes:
        results: best first; fewer than asked for where there are no more, possibly none.
        total: how many products the whole list has; what is ``beyond`` is not counted.
        match: how the result of a search matches: ``exact`` (the query is a product's code), ``words``, ``meaning`` or
            ``none``; None for anything but a search.
        page_token: what was shown of the list so far: the option ``page_token`` of the next page.
        token: names this answer; give it back in the context of later events, so that they can be traced to it.
        missing_ids: seed products that the catalogue does not hold.
        variant_products: of the seeds that name a variant, variant id -> id of its product.
        degraded: stages that were left out because they were late or broken; empty when all is well.
        facets: those asked for, in the order asked for.
        bundles: sets that complete the product of the page or the cart, the best first; none unless asked for.
        corrected_query: what the shopper seems to have meant; None where the query is fine.
        corrected_applied: that was searched; else it is offered, and the query was searched as it is.
        conditions: what the query is understood to say, in its order; without those that ``ignore_conditions`` names.
        timings: microseconds by stage, as measured by the server (``encode_us``, ``total_us``, ...).
        details: the whole of the server's DETAILS, for what this version of the client does not know.
    """

    results: tuple[Product, ...]
    total: int
    match: str | None = None
    token: str = ""
    page_token: str = ""
    missing_ids: tuple[str, ...] = ()
    variant_products: Mapping[str, str] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    facets: tuple[Facet, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    corrected_query: str | None = None
    corrected_applied: bool = False
    conditions: tuple[Condition, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    details: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A completion of what a shopper has typed.

    Attributes:
        text: the whole query to search for.
        score: what suggestions are ordered by, higher is better.
        kind: where it comes from: ``query`` (what others searched for), ``category``, ``brand`` or ``product``.
    """

    text: str
    score: float
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that is known of a shopper.

    Attributes:
        id: names it within the profile, as ``view:1234``.
        statement: what it is about: ``purchase``, ``cart``, ``view``, ``wishlist`` or ``opinion`` of a product, or a
            ``category`` or ``brand``.
        says: whether it speaks ``for`` the product or kind, ``against`` it, or ``neither``.
        text: the whole in English.
        product_id: of a statement about a product; empty for a kind.
        title: of the product; empty for a kind, and for what the catalogue does not hold.
        name: of the kind; empty for a product.
        count: how many events it is made of.
        first_time: when the first of them was, RFC 3339; None where they have no times.
        last_time: when the last was.
        rating: the stars given, 1 to 5; None where it is no rating.
        weight: of a kind that is disliked, by how much its products are worth less, as a boost counts; else None.
        evidence: the newest of the events: ``event_type``, ``product_id`` and ``time``.
        rests_on: of a kind the ids of the statements that it follows from.
        forget: the events that take it back, as ``write_events`` takes them.
        fields: the whole of it as the server wrote it.
    """

    id: str
    statement: str
    says: str
    text: str
    product_id: str = ""
    title: str = ""
    name: str = ""
    count: int = 0
    first_time: str | None = None
    last_time: str | None = None
    rating: float | None = None
    weight: float | None = None
    evidence: tuple[JsonObject, ...] = ()
    rests_on: tuple[str, ...] = ()
    forget: tuple[JsonObject, ...] = field(default=(), repr=False)
    fields: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is known of a shopper.

    Attributes:
        statements: those about kinds first, then the newest; none of somebody of whom nothing is known.
        total: how many there are, whatever the limit was.
        left_out: how many products of the catalogue recommendations leave out for what the shopper said.
    """

    statements: tuple[Statement, ...]
    total: int
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One element of a write that was refused.

    Attributes:
        index: its position in what was written, from 0.
        reason: constraint, what was given, remedy.
    """

    index: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """What became of a write. What is accepted is durable.

    Attributes:
        accepted: number of elements taken.
        unchanged: how many of these changed nothing, and asked not to be written then (``if_changed``).
        rejected: the others, each with its reason.
        sequence: number of the last entry in the server's log; what is read from a server that has come this far
            includes the write.
    """

    accepted: int
    rejected: tuple[Rejection, ...]
    sequence: int
    unchanged: int = 0


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
