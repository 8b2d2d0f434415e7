"""Weights, fusion and synonyms: given when a snapshot is built, kept in it, used by what searches it."""

import json
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import SnapshotError
from mercato.features.inputs import History
from mercato.index import layout
from mercato.index.live import LiveCatalog
from mercato.index.search_weights import FieldWeights, FusionWeights
from mercato.index.snapshot import Snapshot
from mercato.index.synonyms import SynonymRule, parse_synonyms
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.context import prepare_context
from mercato.retrieval.sources.words import find_words, require_words
from mercato.state.sqlite import SqliteStateStore
from tests.stores import build, open_store, product, search_request, upsert

CIRCLE = tuple(parse_synonyms(["telly => tv", "tv => telly", "a, b", "b, a"], "test"))


def find(catalog: LiveCatalog, text: str) -> list[str]:
    """Products that hold the query's words, best first."""
    words = find_words(
        catalog, QueryAnalyzer(catalog), prepare_context(catalog, search_request(text), History.empty(), None)
    )
    enough = words.held >= min(require_words(words.size), words.held.max(initial=0.0))
    best = np.argsort(-words.scores[enough], kind="stable")
    return [catalog.id_of(row) for row in words.rows[enough][best].tolist()]


def test_weights_order_what_is_found(tmp_path: Path) -> None:
    items = [
        product("title", "wooden spoon", description="of beech wood"),
        product("description", "beech plate", description="wooden wooden"),
    ]
    for name, weights, expected in [
        ("one", {"title": 5.0, "description": 1.0}, ["title", "description"]),
        ("other", {"title": 1.0, "description": 5.0}, ["description", "title"]),
        ("alone", {"title": 1.0}, ["title"]),
    ]:
        build(tmp_path / name, items, weights=FieldWeights(weights=weights))
        assert find(LiveCatalog(Snapshot(tmp_path / name), None), "wooden") == expected


def test_a_changed_product_is_weighed_as_the_snapshot_weighs(tmp_path: Path) -> None:
    items = [product("a", "wooden spoon"), product("b", "steel spoon", description="for a wooden bowl")]
    build(tmp_path / "catalog", items, weights=FieldWeights(weights={"title": 3.0, "description": 0.5}))
    snapshot = Snapshot(tmp_path / "catalog")
    state: SqliteStateStore = open_store(tmp_path / "state.db")
    state.append_product_changes([upsert(items[1])])
    catalog = LiveCatalog(snapshot, state)

    before = find_words(
        catalog, QueryAnalyzer(catalog), prepare_context(catalog, search_request("wooden spoon"), History.empty(), None)
    )
    catalog.refresh()
    after = find_words(
        catalog, QueryAnalyzer(catalog), prepare_context(catalog, search_request("wooden spoon"), History.empty(), None)
    )

    # The same document, now in the delta: the same score and as many words held, at its new row.
    old, new = snapshot.row_by_id["b"], catalog.row_of("b")
    assert new == snapshot.count
    both = np.array([old, new])
    assert after.read_scores(both).tolist() == pytest.approx([0.0, before.read_scores(both)[0]])
    assert after.read_held(both).tolist() == [0.0, before.read_held(both)[0]]
    state.close()


def test_fusion_weights_are_kept(tmp_path: Path) -> None:
    build(tmp_path / "catalog", fusion=FusionWeights(words=2.0, dense=0.5, popular=0.0))
    assert LiveCatalog(Snapshot(tmp_path / "catalog"), None).fusion == FusionWeights(words=2, dense=0.5, popular=0)


def test_synonyms_are_kept_and_circles_end(tmp_path: Path) -> None:
    build(tmp_path / "catalog", [product("only", "Old TV set")], synonyms=CIRCLE)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)

    assert find(catalog, "telly") == ["only"]
    assert find(catalog, "old telly") == ["only"]
    assert QueryAnalyzer(catalog).correct("telly") is None


def test_one_product_is_searched_corrected_and_widened(tmp_path: Path) -> None:
    rules = (SynonymRule(left=("brew",), right=("coffee",)),)
    build(tmp_path / "catalog", [product("only", "Ground coffee 500g")], synonyms=rules)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)

    for text in ("coffee", "brew", "ground coffee", "500 g coffee", "coffee 500g"):
        assert find(catalog, text) == ["only"], text
    better = QueryAnalyzer(catalog).correct("cofee")
    assert better is not None and (better.text, better.applied) == ("coffee", True)
    assert find(catalog, "tea") == []


@pytest.mark.parametrize("name", ["synonyms.json", "vocabulary.json"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    build(tmp_path / "catalog")
    path = tmp_path / "catalog" / name
    path.write_bytes(b"?" + path.read_bytes()[1:])  # as long as before
    with pytest.raises(SnapshotError, match=f"{name}: cannot be read"):
        LiveCatalog(Snapshot(tmp_path / "catalog"), None)


def test_a_snapshot_whose_words_were_split_otherwise_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "catalog", [product("a", "spoon")])
    settings = tmp_path / "catalog" / layout.SETTINGS
    known = json.loads(settings.read_bytes())
    assert Snapshot(tmp_path / "catalog").languages().main.language == known["language"]

    del known["splitting"]
    text = json.dumps(known)
    settings.write_text(text + " " * (settings.stat().st_size - len(text)), encoding="utf-8")
    with pytest.raises(SnapshotError, match=r"split into words by version 1 .* build it again with `mercato index`"):
        Snapshot(tmp_path / "catalog")


@pytest.mark.parametrize(
    ("language", "titles", "query"),
    [
        ("german", ["Kanne 0,75 l", "Mehl 1.500 g"], "1500g"),
        ("german", ["jug 0.75 l", "flour 1,500 g"], "1500g"),
        ("english", ["jug 0.75 l", "flour 1,500 g"], "1500 g"),
        ("english", ["Kanne 0,75 l", "Tasse 0,25 l", "Mehl 1,500 kg"], "1.5kg"),
    ],
)
def test_a_catalogue_tells_its_decimal_mark(tmp_path: Path, language: str, titles: list[str], query: str) -> None:
    build(tmp_path / "catalog", [product(title, title) for title in titles], language=language)
    assert find(LiveCatalog(Snapshot(tmp_path / "catalog"), None), query)[0] == titles[-1]
