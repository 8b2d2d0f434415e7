"""Requests to retrieval as JSON, as one process sends them to another."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from mercato.errors import InvalidInputError
from mercato.features.inputs import Context
from mercato.filters import VALUES_LIMIT, parse_filter
from mercato.requests.boost import MAX_RULE_BOOSTS, parse_boosts
from mercato.requests.options import parse_options, write_options
from mercato.requests.restriction import read_restrictions
from mercato.requests.retrieval import Placement, RetrievalRequest


def write_request(request: RetrievalRequest) -> bytes:
    """Write a request as JSON."""
    return orjson.dumps(
        {
            "placement": request.placement.label,
            "text": request.text,
            "user_id": request.user_id,
            "visitor_id": request.visitor_id,
            "seed_ids": request.seed_ids,
            "filter": request.condition.text if request.condition is not None else "",
            "context": asdict(request.context),
            "as_of": request.as_of,
            "depth": request.depth,
            "options": write_options(request),
            "rule_boosts": [boost.as_json() for boost in request.rule_boosts],
            "narrowing": [condition.text for condition in request.narrowing],
            "restrictions": [one.as_json() for one in request.restrictions],
            "hidden_ids": request.hidden_ids,
            "pinned_ids": request.pinned_ids,
        }
    )


def read_request(document: bytes) -> RetrievalRequest:
    """Read what `write_request` wrote.

    Raises:
        InvalidInputError: it is something else.
    """
    try:
        fields = orjson.loads(document)
        return RetrievalRequest(
            placement=Placement[fields["placement"].upper().replace("-", "_")],
            text=fields["text"],
            user_id=fields["user_id"],
            visitor_id=fields["visitor_id"],
            seed_ids=tuple(fields["seed_ids"]),
            condition=parse_filter(fields["filter"]) if fields["filter"] else None,
            context=Context(**fields["context"]),
            as_of=fields.get("as_of", False),
            depth=fields["depth"],
            rule_boosts=parse_boosts(
                fields.get("rule_boosts"), most=MAX_RULE_BOOSTS, most_values=MAX_RULE_BOOSTS * VALUES_LIMIT
            ),
            narrowing=tuple(parse_filter(text) for text in fields.get("narrowing", ())),
            restrictions=read_restrictions(fields.get("restrictions", ())),
            hidden_ids=tuple(fields.get("hidden_ids", ())),
            pinned_ids=tuple(fields.get("pinned_ids", ())),
            **parse_options(RetrievalRequest, fields.get("options", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InvalidInputError(
            "REQUEST", f"is not a retrieval request ({exc!r})", "ask `search` or `recommend`"
        ) from exc
