"""Words within words, from the index to what a query finds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.context import prepare_context
from mercato.retrieval.sources.words import find_words
from tests.stores import build, open_store, product, search_request, upsert

GERMAN = {
    "stool": "Gartenhocker Eiche",
    "chair": "Gartenstühle weiß",
    "seat": "Stuhl Buche",
    "bag": "Schultasche rot",
    "umbrella": "Regenschirm",
    "cup": "Tasse Keramik",
    "pan": "Bratpfanne 28 cm",
    "knife": "Messer",
    "ring": "Ring, Durchmesser 5 cm",
    "table": "Tisch für den Garten",
}


def open_shop(folder: Path, titles: dict[str, str], language: str) -> LiveCatalog:
    build(folder / "catalog", [product(name, title) for name, title in titles.items()], language=language)
    return LiveCatalog(Snapshot(folder / "catalog"), None)


def find_all(catalog: LiveCatalog, text: str) -> list[str]:
    """Products that hold all words of a query, best first."""
    context = prepare_context(catalog, search_request(text), History.empty(), None)
    words = find_words(catalog, QueryAnalyzer(catalog), context)
    best = words.select_best(20)
    return [catalog.id_of(row) for row in best[words.coverage(best) == 1].tolist()]


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> LiveCatalog:
    return open_shop(tmp_path_factory.mktemp("german"), GERMAN, "german")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("stuhl", ["seat", "chair"]),  # the word itself first
        ("stühle", ["seat", "chair"]),
        ("stuehle garten", ["chair"]),
        ("garten", ["table", "chair", "stool"]),
        ("hocker", ["stool"]),  # no text has it alone
        ("tasche", ["bag"]),
        ("tasche schule", ["bag"]),
        ("schirm", ["umbrella"]),
        ("pfannen", ["pan"]),
        ("keramiktasse", ["cup"]),
        ("gartentisch", ["table"]),
        ("messer", ["knife"]),
    ],
)
def test_parts_of_compounds(german: LiveCatalog, query: str, found: Sequence[str]) -> None:
    assert find_all(german, query) == found


@pytest.mark.parametrize("query", ["hocker", "tasche", "schirm"])
def test_a_word_within_others_is_not_misspelt(german: LiveCatalog, query: str) -> None:
    assert QueryAnalyzer(german).correct(query) is None


def test_changed_products_are_found_by_parts_too(tmp_path: Path) -> None:
    build(tmp_path / "catalog", [product(name, title) for name, title in GERMAN.items()], language="german")
    store = open_store(tmp_path / "state.db")
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), store)
    store.append_product_changes([upsert(product("new", "Klappstuhl Alu"))])
    catalog.refresh()
    assert set(find_all(catalog, "stuhl")) == {"seat", "chair", "new"}
    store.close()


def test_no_parts_without_compounds_in_the_language(tmp_path: Path) -> None:
    catalog = open_shop(tmp_path, {"keys": "keyboard", "board": "board", "key": "key"}, "english")
    assert find_all(catalog, "board") == ["board"]


def test_words_behind_a_particle(tmp_path: Path) -> None:
    catalog = open_shop(tmp_path, {"the": "הכיסא הלבן", "for": "כרית לכיסא", "tall": "המנורה"}, "none")
    assert set(find_all(catalog, "כיסא")) == {"the", "for"}
    assert find_all(catalog, "מנורה") == ["tall"]


def test_one_character_and_the_word(tmp_path: Path) -> None:
    titles = {"alone": "伞 黑色", "within": "雨伞", "other": "雨衣", "japanese": "日傘カバー"}
    catalog = open_shop(tmp_path, titles, "none")
    assert find_all(catalog, "伞") == ["alone", "within"]
    assert find_all(catalog, "傘") == ["japanese"]
    assert find_all(catalog, "雨伞") == ["within"]


def test_scores_of_parts_are_those_of_words_times_their_worth(german: LiveCatalog) -> None:
    index = german.snapshot.words
    plain = index.weigh([["stuhl"], [], [], [], [], []])
    part = index.weigh([[], ["gartenstuhl"], [], [], [], []], [[], [("stuhl", 0.5)], [], [], [], []])
    title = index.weigh([[], ["stuhl"], [], [], [], []])
    assert plain and np.isclose(part["stuhl"], 0.5 * title["stuhl"])
