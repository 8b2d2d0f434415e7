"""What each method asks of a server: built here once, carried out by the two clients."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tritonclient.grpc import InferInput, InferResult

from mercato_client._codec import (
    decode_page,
    decode_profile,
    decode_suggestions,
    decode_write,
    encode_inputs,
    encode_list,
)
from mercato_client._options import RecommendOptions, SearchOptions, merge_options
from mercato_client._pages import PageMemory
from mercato_client.contract import CATALOG, EVENTS, MAX_RANKED, PROFILE, RECOMMEND, SEARCH, SUGGEST, ModelSpec
from mercato_client.errors import InvalidArgumentError
from mercato_client.settings import check_timeout
from mercato_client.types import JsonObject, Profile, ResultPage, Statement, Suggestion, WriteResult

if TYPE_CHECKING:  # Python 3.11 has it
    from typing import Unpack

Answer = TypeVar("Answer")

PRODUCT_PLACEMENT = "product-page"
RANK_PLACEMENT = "rank"


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Answer]):
    """One inference request and how to read its answer.

    Attributes:
        model: name of the model.
        inputs: its tensors.
        decode: reads the answer, or raises ``ProtocolError``.
        repeatable: whether it may be made twice without harm.
        timeout_s: seconds allowed, possibly infinite.
    """

    model: str
    inputs: list[InferInput]
    decode: Callable[[InferResult], Answer]
    repeatable: bool
    timeout_s: float

    def to_infer_arguments(self) -> dict[str, Any]:
        """The arguments of tritonclient's ``infer``; the deadline goes to the server too, as microseconds."""
        arguments: dict[str, Any] = {"model_name": self.model, "inputs": self.inputs}
        if self.timeout_s != math.inf:
            arguments["client_timeout"] = self.timeout_s
            # Triton drops a request that has waited in its queue for longer; 0 would mean no limit.
            arguments["timeout"] = max(1, round(self.timeout_s * 1e6))
        return arguments


def call_search(
    query: str,
    *,
    user_id: str | None,
    visitor_id: str | None,
    filter: str | None,
    page_size: int | None,
    offset: int | None,
    context: JsonObject | None,
    options: JsonObject | None,
    timeout_s: float,
    pages: PageMemory | None = None,
    **named: Unpack[SearchOptions],
) -> Call[ResultPage]:
    """Build a search; the parameters are those of ``Client.search``, and the lists that are being paged through."""
    options = merge_options(options, named, SearchOptions)
    values: dict[str, object] = {"QUERY": query, "USER_ID": user_id, "VISITOR_ID": visitor_id}
    page = {"FILTER": filter, "PAGE_SIZE": page_size, "OFFSET": offset, "CONTEXT": context, "OPTIONS": options}
    return _call_page(SEARCH, values | page, timeout_s, pages)


def call_recommend(
    placement: str,
    *,
    user_id: str | None,
    visitor_id: str | None,
    seed_product_ids: Sequence[str] | None,
    filter: str | None,
    page_size: int | None,
    offset: int | None,
    context: JsonObject | None,
    options: JsonObject | None,
    timeout_s: float,
    pages: PageMemory | None = None,
    **named: Unpack[RecommendOptions],
) -> Call[ResultPage]:
    """Build a recommendation; the parameters are those of ``Client.recommend``, and the lists of `call_search`."""
    options = merge_options(options, named, RecommendOptions)
    if page_size is None and placement == RANK_PLACEMENT:
        page_size = MAX_RANKED
    seeds = None if seed_product_ids is None else encode_list("seed_product_ids", seed_product_ids)
    values: dict[str, object] = {"PLACEMENT": placement, "USER_ID": user_id, "VISITOR_ID": visitor_id}
    values["SEED_PRODUCT_IDS"] = seeds
    page = {"FILTER": filter, "PAGE_SIZE": page_size, "OFFSET": offset, "CONTEXT": context, "OPTIONS": options}
    return _call_page(RECOMMEND, values | page, timeout_s, pages)


def _call_page(
    model: ModelSpec, values: Mapping[str, object], timeout_s: float, pages: PageMemory | None
) -> Call[ResultPage]:
    offset, options = values["OFFSET"], values["OPTIONS"]
    first_rank = 1 + (int(offset) if isinstance(offset, int) else 0)
    name = pages.name_list(model.name, values) if pages is not None else ""
    token = pages.find_token(name) if pages is not None and first_rank > 1 else None
    if token is not None and (options is None or (isinstance(options, Mapping) and "page_token" not in options)):
        values = {**values, "OPTIONS": {**(options or {}), "page_token": token}}
    inputs = encode_inputs(model, values)

    def decode(answer: InferResult) -> ResultPage:
        page = decode_page(model, answer, first_rank=first_rank)
        return page if pages is None else pages.keep_token(name, page)

    return Call(
        model=model.name,
        inputs=inputs,
        decode=decode,
        repeatable=True,
        timeout_s=check_timeout("timeout_s", timeout_s),
    )


def call_suggest(prefix: str, *, limit: int | None, timeout_s: float) -> Call[tuple[Suggestion, ...]]:
    """Build a question for completions; the parameters are those of ``Client.suggest``."""
    return Call(
        model=SUGGEST.name,
        inputs=encode_inputs(SUGGEST, {"PREFIX": prefix, "LIMIT": limit}),
        decode=partial(decode_suggestions, SUGGEST),
        repeatable=True,
        timeout_s=check_timeout("timeout_s", timeout_s),
    )


def call_profile(*, user_id: str | None, visitor_id: str | None, limit: int | None, timeout_s: float) -> Call[Profile]:
    """Build a question for what is known of a shopper; the parameters are those of ``Client.profile``."""
    return Call(
        model=PROFILE.name,
        inputs=encode_inputs(PROFILE, {"USER_ID": user_id, "VISITOR_ID": visitor_id, "LIMIT": limit}),
        decode=partial(decode_profile, PROFILE),
        repeatable=True,
        timeout_s=check_timeout("timeout_s", timeout_s),
    )


def call_forget(statements: Iterable[Statement], *, timeout_s: float) -> Call[WriteResult]:
    """Build a write of the events that take statements back, each of them once."""
    events = {str(event.get("event_id")): event for one in _several("statements", statements) for event in one.forget}
    return call_write_events(events.values(), timeout_s=timeout_s)


def call_write_events(events: Iterable[JsonObject], *, timeout_s: float) -> Call[WriteResult]:
    """Build a write of events, each with an id, so that repeating it counts them once."""
    return _call_write(EVENTS, encode_list("events", assign_event_ids(events)), timeout_s, repeatable=True)


def call_write_catalog(operations: Iterable[JsonObject], *, timeout_s: float) -> Call[WriteResult]:
    """Build a write of catalogue operations."""
    return _call_write(CATALOG, encode_list("operations", operations), timeout_s, repeatable=False)


def _call_write(model: ModelSpec, text: str, timeout_s: float, *, repeatable: bool) -> Call[WriteResult]:
    return Call(
        model=model.name,
        inputs=encode_inputs(model, {model.inputs[0].name: text}),
        decode=partial(decode_write, model),
        repeatable=repeatable,
        timeout_s=check_timeout("timeout_s", timeout_s),
    )


def assign_event_ids(events: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the events, those without an ``event_id`` as copies that have a new, random one.

    ``write_events`` does this by itself. Do it before, and keep the result, to be able to write the same events again
    after a ``DeadlineExceededError`` or ``UnavailableError`` without counting any of them twice.

    Args:
        events: JSON objects; they are not changed.

    Raises:
        InvalidArgumentError: an event is no mapping, or ``events`` is a single one.
    """
    assigned: list[JsonObject] = []
    if isinstance(events, Mapping):
        raise InvalidArgumentError("events: must be a list, is one event; put it into a list", parameter="events")
    for index, event in enumerate(events):
        if not isinstance(event, Mapping):
            raise InvalidArgumentError(
                f"events[{index}]: must be a mapping such as {{'event_type': 'add-to-cart', ...}}, is {event!r}",
                parameter="events",
            )
        assigned.append(event if event.get("event_id") else {**event, "event_id": uuid.uuid4().hex})
    return assigned


def upsert_operations(products: Iterable[JsonObject]) -> list[JsonObject]:
    """The operations that put whole products in place of what the catalogue holds."""
    return [{"operation": "upsert", "product": product} for product in _several("products", products)]


def patch_operations(products: Iterable[JsonObject]) -> list[JsonObject]:
    """The operations that merge fields into products."""
    return [{"operation": "patch", "product": product} for product in _several("products", products)]


def delete_operations(product_ids: Iterable[str]) -> list[JsonObject]:
    """The operations that remove products."""
    return [{"operation": "delete", "id": id_} for id_ in _several("product_ids", product_ids)]


Item = TypeVar("Item")


def _several(parameter: str, items: Iterable[Item]) -> Iterable[Item]:
    if isinstance(items, str | Mapping | Statement):
        raise InvalidArgumentError(
            f"{parameter}: must be a list, is one {type(items).__name__}; put it into a list", parameter=parameter
        )
    return items
