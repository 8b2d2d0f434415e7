"""A request as it comes in, checked: parameter by parameter, each with a message that says what to do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson

from mercato.errors import InvalidInputError
from mercato.features.inputs import Context
from mercato.filters import parse_filter
from mercato.requests.dials import SORTING, Dials
from mercato.requests.options import list_options, member_of, option, parse_flag, parse_options
from mercato.requests.page_token import NOTHING_SHOWN, ShownPages, parse_page_token, write_page_token
from mercato.requests.retrieval import MAX_RANKED, WINDOW, Kind, Placement, RetrievalRequest
from mercato.requests.understand import Understand, parse_ignored
from mercato.text.normalize import decode_utf8, normalize_query
from mercato.text.timestamps import read_timestamp

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 500
MAX_OFFSET = 100_000
MAX_ID_BYTES = 256
MAX_SEEDS = 100
MAX_SECONDS = 1e11  # the year 5138; what is later is milliseconds, sent by mistake
RECOMMEND_PLACEMENTS = tuple(placement for placement in Placement if placement is not Placement.SEARCH)
SEARCH_FIELDS = ("QUERY", "VISITOR_ID", "USER_ID", "FILTER", "PAGE_SIZE", "OFFSET", "CONTEXT", "OPTIONS")
RECOMMEND_FIELDS = ("PLACEMENT", "SEED_PRODUCT_IDS", *SEARCH_FIELDS[1:])
_CONTEXT = ("time", "utc_offset_s", "device", "region", "language")

Fields = Mapping[str, bytes | int | None]
"""Input tensors by name: bytes for strings, int for numbers, None where not given."""


def parse_collapse(value: object, parameter: str) -> bool | str:
    """Check what is shown as one: near-duplicates or not, or the name of a field."""
    if isinstance(value, bool) or (isinstance(value, str) and 0 < len(value) <= MAX_ID_BYTES):
        return value
    raise InvalidInputError(parameter, f"must be true, false or the name of a field, got {value!r}"[:200])


_APART: bool | str = False


@dataclass(frozen=True, kw_only=True)
class PageRequest(Dials):
    """A request for one page of an answer, with its dials.

    Attributes:
        retrieval: what is asked for.
        offset: position of the page's first product, from 0.
        page_size: most products of the page, from 1.
        rerank: whether the reranker, where one is served, orders the top again.
        collapse: whether near-duplicates are shown as one; or the field whose equal values make them so.
        understand: how far what is understood of the query may go.
        ignore_conditions: texts, types or fields of conditions of the query that are not wanted.
        page_token: what was shown of the list before.
        sent: the query as it was sent; empty where it is the normalised one.
        pin_positions: where the pinned products of ``retrieval`` are shown, from 1.
        answer_key: all that a search's answer depends on, as it was sent; empty where it depends on who asks, or when.
    """

    retrieval: RetrievalRequest
    offset: int
    page_size: int
    rerank: bool = option(parse_flag, True)
    collapse: bool | str = option(parse_collapse, _APART)
    understand: Understand = option(member_of(Understand), Understand.AUTO, lambda choice: choice.value)
    ignore_conditions: tuple[str, ...] = option(parse_ignored, (), list)
    page_token: ShownPages = option(parse_page_token, NOTHING_SHOWN, write_page_token)
    sent: str = ""
    pin_positions: tuple[int, ...] = ()
    answer_key: bytes = b""

    @property
    def explain(self) -> bool:
        """Whether each product says why it stands where it stands."""
        return self.retrieval.explain


OPTION_NAMES = (*list_options(RetrievalRequest), *list_options(PageRequest))
"""What OPTIONS may have."""


def parse_search(fields: Fields) -> PageRequest:
    """Check the inputs of `search`.

    Raises:
        InvalidInputError: names the parameter, the constraint, what was given and what to do.
    """
    query = fields.get("QUERY")
    if not isinstance(query, bytes):
        raise InvalidInputError("QUERY", "must be given", "send the shopper's words")
    text, sent = normalize_query(query), decode_utf8(query, "QUERY")
    page = _parse_page(fields, Placement.SEARCH, text, ())
    asked = page.retrieval
    key = b""
    if not (asked.user_id or asked.visitor_id or asked.as_of):
        key = repr([fields.get(name) for name in SEARCH_FIELDS]).encode()
    return replace(page, sent=sent if sent != text else "", answer_key=key)


def parse_recommend(fields: Fields) -> PageRequest:
    """Check the inputs of `recommend`.

    Raises:
        InvalidInputError: names the parameter, the constraint, what was given and what to do.
    """
    label = _text(fields, "PLACEMENT")
    placements = {placement.label: placement for placement in RECOMMEND_PLACEMENTS}
    if label not in placements:
        raise InvalidInputError("PLACEMENT", f"must be one of {', '.join(placements)}, got {label[:64]!r}")
    seeds = _list(fields, "SEED_PRODUCT_IDS")
    placement = placements[label]
    most = MAX_RANKED if placement is Placement.RANK else MAX_SEEDS
    if len(seeds) > most:
        raise InvalidInputError(
            "SEED_PRODUCT_IDS", f"at most {most} products at placement {label}, got {len(seeds)}", "send the first ones"
        )
    return _parse_page(fields, placement, "", tuple(seeds))


def _parse_page(fields: Fields, placement: Placement, text: str, seeds: tuple[str, ...]) -> PageRequest:
    # Who gives a list wants all of it back.
    default_size = MAX_RANKED if placement is Placement.RANK else DEFAULT_PAGE_SIZE
    page_size = _number(fields, "PAGE_SIZE", default_size, 1, MAX_PAGE_SIZE)
    offset = _number(fields, "OFFSET", 0, 0, MAX_OFFSET)
    options = _object(fields, "OPTIONS", OPTION_NAMES)
    retrieval_options, page_options = parse_options(RetrievalRequest, options), parse_options(PageRequest, options)
    kind = retrieval_options.get("kind", Kind.BOTH)
    if kind is not Kind.BOTH and placement is not Placement.PRODUCT_PAGE:
        raise InvalidInputError(
            "OPTIONS.kind", f"{kind.value!r} is for placement product-page, got {placement.label}", "leave it out"
        )
    _check_dials(page_options, placement, sorts=retrieval_options.get("order_by") is not None)
    if retrieval_options.get("bundles", 0) and placement not in (Placement.PRODUCT_PAGE, Placement.CART):
        raise InvalidInputError(
            "OPTIONS.bundles", f"is for placements product-page and cart, got {placement.label}", "leave it out"
        )
    filter_text = _text(fields, "FILTER")
    # What folds into others makes room: at most a window of products moves up. So does what was shown before.
    depth = max(offset, page_options.get("page_token", NOTHING_SHOWN).stop) + page_size
    depth += WINDOW if page_options.get("collapse") else 0
    retrieval = RetrievalRequest(
        placement=placement,
        text=text,
        user_id=_id(fields, "USER_ID"),
        visitor_id=_id(fields, "VISITOR_ID"),
        seed_ids=seeds,
        condition=parse_filter(filter_text) if filter_text.strip() else None,
        context=_context(fields),
        as_of=_object(fields, "CONTEXT", _CONTEXT).get("time") is not None,
        depth=depth,
        **retrieval_options,
    )
    return PageRequest(retrieval=retrieval, offset=offset, page_size=page_size, **page_options)


def _check_dials(options: Mapping[str, Any], placement: Placement, *, sorts: bool) -> None:
    """Refuse dials that contradict what else is asked."""
    turned = next((name for name in SORTING if options.get(name)), None)
    if sorts and turned is not None:
        raise InvalidInputError(
            f"OPTIONS.{turned}",
            "is an order of its own, and OPTIONS.order_by asks for another",
            "leave one of them out",
        )
    if options.get("coverage") and placement is Placement.SEARCH:
        raise InvalidInputError(
            "OPTIONS.coverage", "is for recommendations: a search finds the same for everybody", "leave it out"
        )


def _context(fields: Fields) -> Context:
    given = _object(fields, "CONTEXT", _CONTEXT)
    moment = given.get("time")
    seconds = time.time() if moment is None else _seconds(moment)
    offset = given.get("utc_offset_s", 0.0)
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not -86_400 < offset < 86_400:
        raise InvalidInputError(
            "CONTEXT.utc_offset_s", f"must be seconds between -86400 and 86400, got {offset!r}"[:200]
        )
    labels = {name: given.get(name, "") for name in ("device", "region", "language")}
    for name, value in labels.items():
        if not isinstance(value, str) or len(value) > MAX_ID_BYTES:
            raise InvalidInputError(f"CONTEXT.{name}", f"must be a text of at most {MAX_ID_BYTES} characters")
    return Context(time=seconds, utc_offset_s=float(offset), **labels)


def _seconds(moment: object) -> float:
    seconds = None
    with suppress(ValueError):
        seconds = read_timestamp(moment)
    if seconds is None or not 0 <= seconds < MAX_SECONDS:
        raise InvalidInputError("CONTEXT.time", f"must be seconds since 1970 or RFC 3339, got {moment!r}"[:200])
    return seconds


def _number(fields: Fields, name: str, default: int, least: int, most: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    number = int(value)
    if not least <= number <= most:
        raise InvalidInputError(name, f"must be between {least} and {most}, got {number}", _PAGE_REMEDIES.get(name, ""))
    return number


_PAGE_REMEDIES = {
    "PAGE_SIZE": "ask for more products page by page with OFFSET",
    "OFFSET": "narrow the answer with FILTER instead of paging that deep",
}


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    return decode_utf8(value, name) if isinstance(value, bytes) else str(value)


def _id(fields: Fields, name: str) -> str:
    value = _text(fields, name)
    if len(value.encode()) > MAX_ID_BYTES:
        raise InvalidInputError(name, f"must have at most {MAX_ID_BYTES} bytes, got {len(value.encode())}")
    return value


def _json(fields: Fields, name: str) -> Any:
    text = _text(fields, name)
    if not text.strip():
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise InvalidInputError(name, f"must be JSON, got {text[:64]!r} ({exc})") from exc


def _object(fields: Fields, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    value = _json(fields, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError(name, f"must be a JSON object, got {type(value).__name__}")
    unknown = sorted(set(value) - set(keys))
    if unknown:
        raise InvalidInputError(name, f"knows {', '.join(keys)}, got {', '.join(unknown)[:200]!r}")
    return value


def _list(fields: Fields, name: str) -> list[str]:
    value = _json(fields, name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInputError(name, "must be a JSON list of product ids (texts)", 'for example ["123", "456"]')
    return list(dict.fromkeys(value))
