"""A shop's rules: what is pinned, blocked, boosted, filtered and restricted, and its dials; what fits no catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mercato.catalog.columns import ColumnSet
from mercato.errors import DataError, InvalidInputError
from mercato.filters import Filter, evaluate, parse_filter
from mercato.requests.boost import MAX_RULE_BOOSTS, Boost
from mercato.requests.dials import NO_DIALS, Dials, fill_dials, parse_dials
from mercato.requests.page import PageRequest
from mercato.requests.restriction import Restriction, RestrictionKind
from mercato.requests.retrieval import Placement
from mercato.text.normalize import normalize_query

MAX_PIN_POSITION = 100
MAX_RULES = 10_000
RECOMMEND = "recommend"
"""Stands in ``dials`` for every placement but search and rank."""
_EXAMPLE = '{"rules": [{"query": "milk", "pins": [{"product": "p1", "position": 1}], "blocked": ["p2"]}]}'
_MATCHED_QUERIES = 4_096


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Pin(_Model):
    """A product with a position of its own.

    Attributes:
        product: its id.
        position: from 1.
    """

    product: str = Field(min_length=1)
    position: int = Field(ge=1, le=MAX_PIN_POSITION)


class BoostRule(_Model):
    """A boost as a rules file has it; see `Boost`."""

    condition: str
    boost: float = Field(ge=-1, le=1)

    @field_validator("condition")
    @classmethod
    def _check_condition(cls, text: str) -> str:
        return _check_filter(text)


class Rule(_Model):
    """What holds for some searches.

    Attributes:
        name: for messages.
        query: the whole query, case and white space aside.
        contains: words that the query holds, one after the other.
        pins: products with positions of their own.
        blocked: ids of products that are not shown.
        boosts: conditions that move products.
        filter: what products must pass.
    """

    name: str = ""
    query: str | None = None
    contains: str | None = None
    pins: tuple[Pin, ...] = ()
    blocked: tuple[str, ...] = ()
    boosts: tuple[BoostRule, ...] = ()
    filter: str | None = None

    @field_validator("filter")
    @classmethod
    def _check_condition(cls, text: str | None) -> str | None:
        return None if text is None else _check_filter(text)

    @field_validator("query", "contains")
    @classmethod
    def _regulate(cls, text: str | None) -> str | None:
        try:
            return None if text is None else fold_query(text)
        except InvalidInputError as exc:
            raise ValueError(str(exc).removeprefix(f"{exc.parameter}: ")) from exc

    @field_validator("pins")
    @classmethod
    def _check_pins(cls, pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
        for what in ("product", "position"):
            given = [getattr(pin, what) for pin in pins]
            twice = [value for value in dict.fromkeys(given) if given.count(value) > 1]
            if twice:
                raise ValueError(f"a {what} can be pinned once, {twice[0]!r} is pinned twice")
        return pins

    def model_post_init(self, _: Any) -> None:
        """Refuse a rule that says neither when it holds, or says it twice."""
        if (self.query is None) == (self.contains is None):
            raise ValueError("give either query (the whole query) or contains (words in it)")
        both = sorted({pin.product for pin in self.pins} & set(self.blocked))
        if both:
            raise ValueError(f"product {both[0]!r} is pinned and blocked; decide for one")

    def holds_for(self, query: str) -> bool:
        """Tell whether the rule holds for a query, one that `fold_query` made."""
        if self.query is not None:
            return query == self.query
        words = self.contains or ""
        # Scripts without spaces have no words to compare with.
        return f" {words} " in f" {query} " if words.isascii() else words in query


class RestrictedProducts(_Model):
    """Products that not everybody is recommended; a filter alone stands for one that searches find.

    Attributes:
        filter: which products.
        search: whether searches find them, whoever asks.
    """

    filter: str
    search: bool = True

    @model_validator(mode="before")
    @classmethod
    def _read_filter(cls, given: Any) -> Any:
        return {"filter": given} if isinstance(given, str) else given

    @field_validator("filter")
    @classmethod
    def _check_condition(cls, text: str) -> str:
        return _check_filter(text)


class RuleFile(_Model):
    """A rules file.

    Attributes:
        blocked: ids of products that are never shown, nor recommended.
        boosts: conditions that always move products.
        filter: what products of any answer must pass.
        age_restricted: products for adults, see `mercato.retrieval.restricted`.
        sensitive: products that say something of who bought them, see there.
        dials: the shop's dials by placement, ``recommend`` for all but search and rank; see `Dials`.
        rules: what holds for some searches. Of several that hold, all apply; the first has its pin.
    """

    blocked: tuple[str, ...] = ()
    boosts: tuple[BoostRule, ...] = ()
    filter: str | None = None
    age_restricted: RestrictedProducts | None = None
    sensitive: RestrictedProducts | None = None
    dials: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)

    @field_validator("filter")
    @classmethod
    def _check_condition(cls, text: str | None) -> str | None:
        return None if text is None else _check_filter(text)

    @field_validator("dials")
    @classmethod
    def _check_dials(cls, dials: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        places = [RECOMMEND, *(placement.label for placement in Placement)]
        for place, given in dials.items():
            if place not in places:
                raise ValueError(f"are for {', '.join(places)}, got {place!r}")
            try:
                read = parse_dials(given)
            except InvalidInputError as exc:
                raise ValueError(f"{place}: {str(exc).removeprefix('OPTIONS.')}") from exc
            if read.coverage and place == Placement.SEARCH.label:
                raise ValueError(f"{place}: coverage is for recommendations: a search finds the same for everybody")
        return dials


@dataclass(frozen=True, kw_only=True)
class RuleEffects:
    """What the rules say of one query.

    Attributes:
        pins: ids and positions.
        hidden: ids of products that are not shown.
        boosts: conditions that move products.
        narrowing: what products must pass.
    """

    pins: tuple[tuple[str, int], ...] = ()
    hidden: tuple[str, ...] = ()
    boosts: tuple[Boost, ...] = ()
    narrowing: tuple[Filter, ...] = ()


class Rules:
    """The rules that are served."""

    def __init__(self, file: RuleFile | None = None) -> None:
        """Prepare rules.

        Args:
            file: the file's content; None for no rules.
        """
        self.file = file or RuleFile()
        always = _join_effects([_always(self.file)])
        self._always = always
        self._exact: dict[str, list[tuple[int, Rule]]] = {}
        self._contained: list[tuple[int, Rule]] = []
        for index, rule in enumerate(self.file.rules):
            if rule.query is not None:
                self._exact.setdefault(rule.query, []).append((index, rule))
            else:
                self._contained.append((index, rule))
        self._find = lru_cache(_MATCHED_QUERIES)(self._find_effects)
        self._restrictions = _read_restrictions(self.file)
        dials = {placement: _read_dials(self.file, placement) for placement in Placement}
        self._dials = {placement: one for placement, one in dials.items() if one != NO_DIALS}

    def find_effects(self, query: str) -> RuleEffects:
        """Return what the rules say of a query; "" is a recommendation, for which only what always holds counts."""
        return self._find(query) if query and self.file.rules else self._always

    def apply(self, request: PageRequest) -> PageRequest:
        """Give a request what the rules add to it.

        A request that is sorted has no pins: who asks for the cheapest first gets the cheapest first. Blocks and
        filters hold all the same. What a request says of a dial goes before what the shop says of it.
        """
        retrieval = request.retrieval
        effects = self.find_effects(retrieval.text)
        dials = self._dials.get(retrieval.placement)
        if dials is not None:
            request = fill_dials(request, dials)
        if effects == _NOTHING and not self._restrictions:
            return request
        pins = effects.pins if retrieval.order_by is None else ()
        narrowed = replace(
            retrieval,
            rule_boosts=effects.boosts[:MAX_RULE_BOOSTS],
            narrowing=(*retrieval.narrowing, *effects.narrowing),
            restrictions=self._restrictions,
            hidden_ids=(*retrieval.hidden_ids, *effects.hidden),
            pinned_ids=tuple(product for product, _ in pins),
        )
        return replace(request, retrieval=narrowed, pin_positions=tuple(position for _, position in pins))

    def _find_effects(self, query: str) -> RuleEffects:
        folded = fold_query(query)
        held = [*self._exact.get(folded, ()), *(item for item in self._contained if item[1].holds_for(folded))]
        return _join_effects([self._always, *(_effects_of(rule) for _, rule in sorted(held, key=lambda item: item[0]))])


def read_rules(path: Path) -> RuleFile:
    """Read a rules file.

    Raises:
        DataError: it is missing, no JSON, or breaks a rule; every problem is listed with its path.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataError(f"rules {path}: cannot be read ({exc.strerror}); give a JSON file, such as {_EXAMPLE}") from exc
    try:
        return RuleFile.model_validate_json(content)
    except ValidationError as exc:
        problems = [
            f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg'].removeprefix('Value error, ')}"
            for error in exc.errors()
        ]
        raise DataError(f"rules {path}: {'; '.join(problems)[:2000]}; correct the file, such as {_EXAMPLE}") from exc


def fold_query(text: str) -> str:
    """Make a query comparable: normalised as requests are, case folded."""
    return normalize_query(text).casefold()


_NOTHING = RuleEffects()


def _check_filter(text: str) -> str:
    try:
        parse_filter(text)
    except InvalidInputError as exc:
        raise ValueError(str(exc).removeprefix(f"{exc.parameter}: ")) from exc
    return text


def _read_boosts(boosts: Iterable[BoostRule]) -> tuple[Boost, ...]:
    return tuple(Boost(parse_filter(boost.condition), boost.boost) for boost in boosts)


def _always(file: RuleFile) -> RuleEffects:
    return RuleEffects(
        hidden=file.blocked,
        boosts=_read_boosts(file.boosts),
        narrowing=(parse_filter(file.filter),) if file.filter is not None else (),
    )


def _read_restrictions(file: RuleFile) -> tuple[Restriction, ...]:
    given = {RestrictionKind.AGE_RESTRICTED: file.age_restricted, RestrictionKind.SENSITIVE: file.sensitive}
    return tuple(Restriction(kind, parse_filter(one.filter), one.search) for kind, one in given.items() if one)


def _read_dials(file: RuleFile, placement: Placement) -> Dials:
    """Return the dials of a placement: its own, then those of all recommendations."""
    own = parse_dials(file.dials.get(placement.label, {}))
    everywhere = placement not in (Placement.SEARCH, Placement.RANK)
    return fill_dials(own, parse_dials(file.dials.get(RECOMMEND, {}))) if everywhere else own


def _effects_of(rule: Rule) -> RuleEffects:
    return RuleEffects(
        pins=tuple((pin.product, pin.position) for pin in rule.pins),
        hidden=rule.blocked,
        boosts=_read_boosts(rule.boosts),
        narrowing=(parse_filter(rule.filter),) if rule.filter is not None else (),
    )


def _join_effects(effects: Iterable[RuleEffects]) -> RuleEffects:
    """Join what several rules say: a block beats a pin, the first pin of a product or position beats later ones."""
    listed = list(effects)
    hidden = tuple(dict.fromkeys(product for effect in listed for product in effect.hidden))
    pins: dict[str, int] = {}
    for product, position in (pin for effect in listed for pin in effect.pins):
        if product not in pins and position not in pins.values() and product not in hidden:
            pins[product] = position
    return RuleEffects(
        pins=tuple(pins.items()),
        hidden=hidden,
        boosts=tuple(boost for effect in listed for boost in effect.boosts),
        narrowing=tuple(dict.fromkeys(condition for effect in listed for condition in effect.narrowing)),
    )


_LISTED = 10


def list_unknown(file: RuleFile, columns: ColumnSet) -> list[str]:
    """List what rules name and a catalogue does not have.

    Args:
        file: the rules.
        columns: the catalogue's columns.

    Returns:
        One sentence for each kind of thing or condition; none where all is there.
    """
    hints = []
    products = dict.fromkeys(_list_products(file))
    unknown = [product for product in products if columns.row_of(product) is None]
    if unknown:
        more = f" and {len(unknown) - _LISTED:,} more" if len(unknown) > _LISTED else ""
        listed = ", ".join(map(repr, unknown[:_LISTED]))
        hints.append(f"{len(unknown):,} of {len(products):,} products are not in the catalogue: {listed}{more}")
    for path, condition in _list_conditions(file):
        try:
            evaluate(parse_filter(condition), columns)
        except InvalidInputError as exc:
            hints.append(f"{path} is left out until it fits the catalogue: {str(exc).splitlines()[0]}")
    for path, field in _list_fields(file):
        try:
            columns.resolve_written(field)
        except InvalidInputError as exc:
            hints.append(f"{path} moves nothing until it fits the catalogue: {str(exc).splitlines()[0]}")
    return hints


def _list_fields(file: RuleFile) -> Iterator[tuple[str, str]]:
    """Yield each field that a dial names, with its path in the file."""
    for place, given in file.dials.items():
        dials = parse_dials(given)
        if dials.margin_field is not None:
            yield f"dials.{place}.margin_field", dials.margin_field
        for number, cap in enumerate(dials.caps or ()):
            yield f"dials.{place}.caps.{number}.field", cap.field


def _list_products(file: RuleFile) -> Iterator[str]:
    yield from file.blocked
    for rule in file.rules:
        yield from (pin.product for pin in rule.pins)
        yield from rule.blocked


def _list_conditions(file: RuleFile) -> Iterator[tuple[str, str]]:
    """Yield each condition with its path in the file."""
    for name, restricted in (("age_restricted", file.age_restricted), ("sensitive", file.sensitive)):
        if restricted is not None:
            yield f"{name}.filter", restricted.filter
    owners: list[tuple[str, RuleFile | Rule]] = [("", file)]
    owners += [(f"rules.{number}.", rule) for number, rule in enumerate(file.rules)]
    for owner, rule in owners:
        if rule.filter is not None:
            yield f"{owner}filter", rule.filter
        for number, boost in enumerate(rule.boosts):
            yield f"{owner}boosts.{number}.condition", boost.condition
