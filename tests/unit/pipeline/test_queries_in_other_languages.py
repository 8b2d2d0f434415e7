"""Queries in another language than the shop's, through the pipeline: what is found, what the encoder hears."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from mercato.index import layout
from mercato.index.glosses import write_glosses
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from mercato.text import TextRole
from tests.stores import HashEncoder, build, product

GLOSSES = {
    "de": {"milch": ["milk"], "käse": ["cheese"], "gift": ["poison"]},
    "zh": {"牛奶": ["milk"], "奶酪": ["cheese"]},
}


class ListeningEncoder(HashEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> np.ndarray:  # type: ignore[type-arg]
        assert role == "query"
        self.heard += texts
        return super().encode(texts)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A small shop with glosses of two languages, put beside the files of the build."""
    folder = tmp_path_factory.mktemp("shop") / "catalog"
    titles = {"m": "Oat milk", "c": "Goat cheese", "g": "Gift box", "p": "Rat poison", "k": "Kilch kettle"}
    build(folder, [product(identifier, title) for identifier, title in titles.items()])
    write_glosses(Snapshot(folder).folder / layout.GLOSSES, GLOSSES)
    return Snapshot(folder)


def ask(shop: Snapshot, query: str, language: str = "", *, knows_languages: bool = False) -> tuple[list[str], Any, str]:
    """Return the products that hold the words, best first, the details, and what the encoder heard."""
    catalog, encoder = LiveCatalog(shop, None), ListeningEncoder()
    pipeline = Pipeline(catalog, encoder, Retriever(catalog, None), None, knows_languages=knows_languages)
    context = {"language": language} if language else {}
    request = parse_search({"QUERY": query.encode(), "CONTEXT": orjson.dumps(context), "OPTIONS": b'{"explain": true}'})
    (answer,) = pipeline.answer([request])
    assert isinstance(answer, Answer)
    details = orjson.loads(answer.details)
    by_words = [one["id"] for one in details["results"] if "words" in one["explanation"]["stages"]]
    return by_words, details, encoder.heard[0]


def test_words_of_the_language_that_a_request_names_are_looked_up(shop: Snapshot) -> None:
    assert ask(shop, "Milch", "de")[0] == ["m"]
    assert ask(shop, "牛奶", "zh-CN")[0] == ["m"]


def test_the_encoder_hears_the_meaning_unless_it_knows_the_language(shop: Snapshot) -> None:
    assert ask(shop, "Käse", "de")[2] == "cheese"
    assert ask(shop, "käse", "de", knows_languages=True)[2] == "käse"
    assert ask(shop, "cheese")[2] == "cheese"


def test_without_a_language_only_words_that_no_product_has_are_looked_up(shop: Snapshot) -> None:
    assert ask(shop, "milch")[0] == ["m"]
    assert ask(shop, "奶酪")[0] == ["c"]
    assert ask(shop, "gift")[0] == ["g"]
    assert ask(shop, "gift", "de")[0] == ["p"]


def test_a_language_without_glosses_is_read_as_the_shops(shop: Snapshot) -> None:
    assert ask(shop, "cheese", "fr")[0] == ["c"]
    assert ask(shop, "cheese", "tlh")[0] == ["c"]
    assert ask(shop, "cheese", "en")[0] == ["c"]


def test_what_is_looked_up_is_not_corrected(shop: Snapshot) -> None:
    _, details, heard = ask(shop, "milch")  # one letter from "kilch"
    assert "corrected_query" not in details
    assert heard == "milk"


def test_an_explanation_names_the_meaning_and_speaks_the_language(shop: Snapshot) -> None:
    _, details, _ = ask(shop, "牛奶", "zh")
    first = details["results"][0]["explanation"]
    assert first["matched"]["words"] == ["milk"]
    assert first["text"].startswith("匹配标题中的“milk”")
