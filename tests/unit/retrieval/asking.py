"""Asking a retriever as the pipeline does, page by page."""

from __future__ import annotations

from dataclasses import replace

from mercato.errors import MercatoError
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.retrieval.retriever import Retriever
from tests.stores import HashEncoder


def ask(retriever: Retriever, request: RetrievalRequest, *, encoder: bool = True) -> Retrieved:
    """Ask alone; an error fails the test."""
    (answer,) = ask_all(retriever, [request], encoder=encoder)
    assert isinstance(answer, Retrieved), answer
    return answer


def ask_all(
    retriever: Retriever, requests: list[RetrievalRequest], *, encoder: bool = True
) -> list[Retrieved | MercatoError]:
    vectors = HashEncoder().encode([request.text for request in requests]) if encoder else None
    return retriever.retrieve(requests, vectors)


def ids_of(retriever: Retriever, answer: Retrieved) -> list[str]:
    """What can be shown, in order: the window, then the tail."""
    return [retriever.catalog.id_of(row) for row in [*answer.rows.tolist(), *answer.tail.tolist()]]


def page(retriever: Retriever, request: RetrievalRequest, offset: int, size: int) -> list[str]:
    """One page in the order of retrieval."""
    answer = ask(retriever, replace(request, depth=offset + size))
    return ids_of(retriever, answer)[offset : offset + size]


def all_pages(retriever: Retriever, request: RetrievalRequest, size: int) -> list[str]:
    """Every page until one is empty, one after the other."""
    found: list[str] = []
    while fresh := page(retriever, request, len(found), size):
        found += fresh
        if len(fresh) < size:
            assert page(retriever, request, len(found), size) == []
            break
    return found
