"""Misspelt searches through the pipeline: what is searched, what is offered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mercato.errors import InvalidInputError, MercatoError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.speller import Correction
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.text import TextRole
from tests.stores import HashEncoder, build, open_store, product, upsert


class ListeningEncoder(HashEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> np.ndarray:  # type: ignore[type-arg]
        self.heard += texts
        return super().encode(texts)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Two hundred cheeses and one product with a mistake in its title."""
    folder = tmp_path_factory.mktemp("shop") / "catalog"
    items = [product(f"c{n}", f"Mountain cheese {n}") for n in range(200)]
    build(folder, [*items, product("odd", "Chese knife"), product("pen", "Pen LC51C")])
    return Snapshot(folder)


def ask(snapshot: Snapshot, query: str, state: SqliteStateStore | None = None, **options: Any) -> tuple[Any, list[str]]:
    """Return the details of the answer and what the encoder was asked."""
    catalog, encoder = LiveCatalog(snapshot, state), ListeningEncoder()
    pipeline = Pipeline(catalog, encoder, Retriever(catalog, state), None)
    request = parse_search({"QUERY": query.encode(), "OPTIONS": orjson.dumps(options)})
    (answer,) = pipeline.answer([request])
    assert isinstance(answer, Answer) and not isinstance(answer, MercatoError)
    return orjson.loads(answer.details), encoder.heard


def test_an_unknown_word_is_searched_as_it_was_meant(shop: Snapshot) -> None:
    details, heard = ask(shop, "Mountian cheese")

    assert details["corrected_query"] == "mountain cheese"
    assert heard == ["mountain cheese"]
    assert details["total"] >= 200


def test_a_rare_word_is_searched_as_typed_and_the_other_offered(shop: Snapshot) -> None:
    details, heard = ask(shop, "chese")

    assert details["corrected_query"] == "cheese"
    assert heard == ["chese"]
    assert details["results"][0]["id"] == "odd"


def test_a_correction_can_be_asked_for_alone(shop: Snapshot) -> None:
    details, heard = ask(shop, "mountian cheese", spelling="suggest")

    assert (details["corrected_query"], details["corrected_applied"]) == ("mountain cheese", False)
    assert heard == ["mountian cheese"]


@pytest.mark.parametrize("spelling", ["auto", True])
def test_automatic_spelling_has_two_names(shop: Snapshot, spelling: object) -> None:
    details, heard = ask(shop, "mountian cheese", spelling=spelling)

    assert details["corrected_applied"]
    assert heard == ["mountain cheese"]


def test_another_name_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"OPTIONS\.spelling: must be one of off, suggest, auto, got 'on'"):
        parse_search({"QUERY": b"cheese", "OPTIONS": b'{"spelling": "on"}'})


@pytest.mark.parametrize("query", ["mountain cheese", "LC51X", "xyzzy", "奶酪"])
def test_what_is_fine_or_beyond_help_is_not_corrected(shop: Snapshot, query: str) -> None:
    details, heard = ask(shop, query)

    assert "corrected_query" not in details
    assert heard == [query]


@pytest.mark.parametrize("spelling", ["off", False])
def test_correction_can_be_switched_off(shop: Snapshot, spelling: object) -> None:
    details, heard = ask(shop, "mountian cheese", spelling=spelling)

    assert "corrected_query" not in details
    assert heard == ["mountian cheese"]


def test_a_word_of_a_product_that_is_new_is_known(shop: Snapshot, tmp_path: Path) -> None:
    state = open_store(tmp_path / "state.db")
    state.append_product_changes([upsert(product("new", "Mountein pen"))])
    catalog = LiveCatalog(shop, state)
    queries = QueryAnalyzer(catalog)
    assert queries.correct("mountein") == Correction(text="mountain", applied=True)
    catalog.refresh()
    assert queries.correct("mountein") == Correction(text="mountain", applied=False)
    state.close()
