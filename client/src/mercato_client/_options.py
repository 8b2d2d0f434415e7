"""The options of a request that have a name of their own in the clients: each is declared here, and nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import TypedDict

from mercato_client.errors import InvalidArgumentError
from mercato_client.types import Boost, Cap, FacetSpec, JsonObject


class PageOptions(TypedDict, total=False):
    """What ``search`` and ``recommend`` take; None is as not given.

    Attributes:
        novelty: from 0 (relevance alone) to 1: how much it counts that few know a product. This and the other dials are
            as the shop's rules have them when not given.
        diversity: from 0 (relevance alone) to 1 (as unlike each other as can be).
        margin: from 0 (relevance alone) to 1 (the expected value): how much it counts what a sale brings.
        margin_field: field of numbers that says so, such as ``attributes.margin``; the price when not given.
        relevance_floor: share of the best product's probability below which a product is not raised.
        caps: how much of a page the products of one brand, category or seller may take, as `Cap`.
        adult: whether age-restricted products may be shown; by what the shopper bought when not given.
        collapse: whether near-duplicates are shown as one, the others in its ``variants``; a field's name for products
            of one value of it.
        explain: whether each product says why it stands where it stands.
        page_token: of the answer before, so that the next page repeats none of its products. A client gives it by
            itself where it asked for the page before; another client has to be given it.
    """

    novelty: float | None
    diversity: float | None
    margin: float | None
    margin_field: str | None
    relevance_floor: float | None
    caps: Iterable[Cap | JsonObject] | None
    adult: bool | None
    collapse: bool | str | None
    explain: bool | None
    page_token: str | None


class SearchOptions(PageOptions, total=False):
    """What ``search`` takes besides.

    Attributes:
        facets: fields whose values are counted over the whole result: ``["brand", "price"]``, or `FacetSpec`.
        order_by: what the whole result is sorted by, for example ``price desc``; by relevance when not given.
        boosts: conditions that move the products passing them up or down.
        rerank: False leaves the reranker out, where one is served.
        spelling: ``off`` takes the query as it is, ``suggest`` only offers a better one, ``auto`` (when not given)
            searches it where it is nearly certain; True is ``auto``, False ``off``.
        understand: ``auto`` (what is certain of a query filters, what is likely boosts; when not given), ``boost``
            (all of it boosts) or ``off`` (a query is its words).
        ignore_conditions: texts, types or fields of conditions of the query that are not wanted, as ``["under 30"]``.
        beyond: True appends what is nearest to the query and does not match it, each marked ``beyond``.
        exclude_disliked: True leaves out what the shopper does not want, as recommendations do.
    """

    facets: Iterable[str | FacetSpec | JsonObject] | None
    order_by: str | None
    boosts: Iterable[Boost | JsonObject] | None
    rerank: bool | None
    spelling: str | bool | None
    understand: str | None
    ignore_conditions: Iterable[str] | None
    beyond: bool | None
    exclude_disliked: bool | None


class RecommendOptions(PageOptions, total=False):
    """What ``recommend`` takes besides.

    Attributes:
        bundles: at a product page or cart, how many sets that are bought together are offered at most, 0 to 10; they
            are ``bundles`` of the page.
        kind: at a product page ``similar`` (in place of it), ``complementary`` (bought with it) or ``both``.
        exclude_purchased_days: leaves out what the shopper bought within so many days.
        coverage: from 0 (the likeliest products) to 1 (a draw by probability, another one for each shopper), so that
            different shoppers see more of the catalogue.
        exclude_disliked: False shows what the shopper does not want as anything else; True leaves it out of a list
            that is ordered, too.
    """

    bundles: int | None
    kind: str | None
    exclude_purchased_days: float | None
    coverage: float | None
    exclude_disliked: bool | None


def merge_options(
    options: JsonObject | None, named: Mapping[str, object], known: type[PageOptions]
) -> JsonObject | None:
    """Return OPTIONS with the options that have a name of their own.

    Args:
        options: further options; None for none.
        named: options by name; None where not given.
        known: which names there are.

    Raises:
        TypeError: one of them is no name of an option, as with any argument that a method does not have.
        InvalidArgumentError: one is given both ways, or a list is one thing and not several.
    """
    unknown = sorted(set(named) - set(known.__annotations__))
    if unknown:
        names = ", ".join(sorted(known.__annotations__))
        raise TypeError(f"got an unexpected keyword argument {unknown[0]!r}; options by name are {names}")
    given = {name: _write_option(name, value) for name, value in named.items() if value is not None}
    twice = sorted(set(given) & set(options or ()))
    if twice:
        raise InvalidArgumentError(
            f"{twice[0]}: is given twice, as a parameter and in options; give it once", parameter=twice[0]
        )
    return {**(options or {}), **given} if given else options


def _write_option(name: str, value: object) -> object:
    if name not in ("facets", "boosts", "caps", "ignore_conditions"):
        return value
    if isinstance(value, str | Mapping | FacetSpec | Boost | Cap) or not isinstance(value, Iterable):
        raise InvalidArgumentError(
            f"{name}: must be a list, is one {type(value).__name__}; put it into a list", parameter=name
        )
    return [_write_value(item) if is_dataclass(item) else item for item in value]


def _write_value(value: object) -> object:
    """A value object as JSON: members that are None or empty are left out."""
    if not is_dataclass(value):
        return [_write_value(item) for item in value] if isinstance(value, list | tuple) else value
    members = {member.name: _write_value(getattr(value, member.name)) for member in fields(value)}
    return {name: member for name, member in members.items() if member is not None and member != []}
