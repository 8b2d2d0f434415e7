"""Understanding the query of a page: what the page then asks retrieval for, and what its answer says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.speller import Correction
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Placement, Spelling
from mercato.text.normalize import align_query, normalize_query
from mercato.understanding.condition import Condition, list_boosts, list_narrowing
from mercato.understanding.understander import Understander, Understanding


def read_page(
    page: PageRequest, understander: Understander, queries: QueryAnalyzer
) -> tuple[Understanding, Correction | None]:
    """Understand the query of a search, its spelling corrected.

    Spelling sees only what grammar has not read: "unter 30 Euro" is no misspelt "hunter" in an English shop.

    Args:
        page: a search.
        understander: understands queries.
        queries: corrects them.

    Returns:
        What is meant, and the whole query as it seems to be meant, conditions included; None where it is fine. It is
        applied where that is nearly certain, unless the request wants it only to be asked.
    """
    wanted = page.retrieval.spelling
    found: Correction | None = None

    def correct(text: str) -> str:
        nonlocal found
        better = queries.correct(text, page.retrieval.context.language) if wanted is not Spelling.OFF else None
        if better is None:
            return text
        found = replace(better, applied=better.applied and wanted is Spelling.AUTO)
        return found.text if found.applied else text

    query = page.retrieval.text
    meant = understander.understand(query, page.understand, page.ignore_conditions, correct)
    return meant, None if found is None else replace(found, text=meant.pieces.replace_in(query, found.text))


def ask_for(page: PageRequest, meant: Understanding) -> PageRequest:
    """Return what retrieval is asked for: the words that are left, and what the conditions add.

    A query of conditions alone asks for all products that pass, the most popular first.
    """
    request = page.retrieval
    return replace(
        page,
        retrieval=replace(
            request,
            text=meant.text,
            placement=request.placement if meant.text else Placement.CATEGORY,
            narrowing=(*request.narrowing, *list_narrowing(meant.conditions)),
            rule_boosts=(*request.rule_boosts, *list_boosts(meant.conditions)),
        ),
    )


def place_conditions(conditions: Sequence[Condition], sent: str) -> list[dict[str, Any]]:
    """Describe conditions as JSON values, with their places in the query as it was sent.

    Args:
        conditions: with their places in the normalised query.
        sent: the query as it was sent; empty where it is the normalised one.
    """
    if not sent:
        return [one.as_json() for one in conditions]
    places = align_query(sent, normalize_query(sent))
    described = []
    for one in conditions:
        start, end = places[one.start][0], places[one.end - 1][1]
        described.append(replace(one, text=sent[start:end], start=start, end=end).as_json())
    return described
