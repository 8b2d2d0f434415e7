"""Suggestions and spelling after changes of products: what is gone, what is new, and what both leave of the counts."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.catalog.product import Product
from mercato.index.catalog_words import CatalogWords
from mercato.index.current import follow_change
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.index.vocabulary import LiveVocabulary, count_words
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.suggest import added, live
from mercato.query.suggest.added import AddedSuggestions
from mercato.query.suggest.collect import Role, Suggestible, collect_entries, list_texts
from mercato.query.suggest.index import SuggestionIndex, build_arrays
from mercato.query.suggest.live import LiveSuggestions
from mercato.query.suggest.request import parse_suggest
from mercato.query.suggest.stored import SnapshotTexts, read_suggestions
from mercato.query.suggest.suggester import SuggestAnswer, Suggester
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests import stores

SHOP = [
    stores.product("d1", "Dumbbell set 10 kg", brand="Fitto", categories=["Sport", "Weights"]),
    stores.product("f1", "Fidget spinner", brand="Twirl", categories=["Toys"]),
    stores.product("y1", "Yoga mat green", brand="Fitto", categories=["Sport"]),
    stores.product("y2", "Yoga mat blue", brand="Fitto", categories=["Sport"]),
]


@pytest.fixture(scope="module")
def sport_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sport")
    stores.build(folder / "catalog", SHOP)
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def suggester(sport_snapshot: Path, state: SqliteStateStore) -> Suggester:
    return Suggester(read_suggestions(sport_snapshot), state, snapshot=SnapshotTexts(sport_snapshot))


def patch(product_id: str, **fields: object) -> ProductChange:
    return ProductChange("patch", product_id, orjson.dumps(fields))


def suggest(suggester: Suggester, prefix: str) -> list[str]:
    [answer] = suggester.suggest([parse_suggest({"PREFIX": prefix.encode()})])
    assert isinstance(answer, SuggestAnswer)
    return answer.texts


def test_a_name_that_is_gone_is_not_suggested_and_a_new_one_is(suggester: Suggester, state: SqliteStateStore) -> None:
    assert suggest(suggester, "dumb") == ["dumbbell set 10 kg"]
    assert suggest(suggester, "fidg") == ["fidget spinner"]
    assert suggest(suggester, "") != []
    state.append_product_changes(
        [
            stores.upsert(stores.product("d1", "Kettlebell 12 kg", brand="Fitto", categories=["Sport", "Weights"])),
            stores.delete("f1"),
            stores.upsert(stores.product("g1", "Gnome solar statue", brand="Norda", categories=["Garden"])),
        ]
    )
    assert suggest(suggester, "dumb") == []
    assert suggest(suggester, "fidg") == suggest(suggester, "twirl") == suggest(suggester, "toys") == []
    assert suggest(suggester, "kettleb") == ["kettlebell 12 kg"]
    assert suggest(suggester, "statue") == ["gnome solar statue"], "at the beginning of any word"
    assert suggest(suggester, "gar") == ["garden"]
    assert suggest(suggester, "weights") == ["weights"], "of the renamed product, which kept its category"
    assert suggest(suggester, "kettelb") == ["kettlebell 12 kg"], "a typo of a new word"
    assert suggest(suggester, "fidegt") == [], "a typo of a word that is gone"
    assert "twirl" not in suggest(suggester, "")


def test_a_phrase_goes_with_its_last_product(suggester: Suggester, state: SqliteStateStore) -> None:
    assert "yoga mat" in suggest(suggester, "yoga")
    state.append_product_changes([stores.delete("y1")])
    assert suggest(suggester, "yoga") == ["yoga mat", "yoga mat blue"]
    state.append_product_changes([stores.delete("y2")])
    assert suggest(suggester, "yoga") == []
    state.append_product_changes([stores.upsert(stores.product("y2", "Yoga mat blue"))])
    assert suggest(suggester, "yoga") == ["yoga mat blue"]


def test_a_phrase_comes_with_its_second_product(suggester: Suggester, state: SqliteStateStore) -> None:
    tail = ", with a name that is much too long to be suggested as a whole by anyone"
    state.append_product_changes([stores.upsert(stores.product("r1", f"Rowing machine{tail}"))])
    assert suggest(suggester, "row") == []
    state.append_product_changes([stores.upsert(stores.product("r2", f"Rowing machine{tail} 2"))])
    assert suggest(suggester, "row") == ["rowing machine"]
    state.append_product_changes([stores.delete("r1"), stores.delete("r2")])
    assert suggest(suggester, "row") == []


def test_a_price_changes_no_suggestion(suggester: Suggester, state: SqliteStateStore) -> None:
    before = suggest(suggester, "")
    cheaper = stores.product("f1", "Fidget spinner", brand="Twirl", categories=["Toys"], price=1)
    state.append_product_changes([stores.upsert(cheaper)])
    assert suggest(suggester, "") == before
    assert suggest(suggester, "fidg") == ["fidget spinner"]


def test_a_patch_changes_what_it_names(suggester: Suggester, state: SqliteStateStore) -> None:
    state.append_product_changes([patch("f1", price=1), patch("d1", title="Kettlebell 12 kg"), patch("y1", brand=None)])
    assert suggest(suggester, "fidg") == ["fidget spinner"]
    assert suggest(suggester, "dumb") == []
    assert suggest(suggester, "kettle") == ["kettlebell 12 kg"]
    assert suggest(suggester, "weights") == ["weights"]
    state.append_product_changes([patch("d1", categories=["Gym"]), patch("y2", brand="Norda"), patch("d1", title=None)])
    assert suggest(suggester, "weights") == []
    assert suggest(suggester, "gym") == ["gym"]
    assert suggest(suggester, "fitto") == ["fitto"], "of the kettlebell"
    assert suggest(suggester, "kettle") == ["kettlebell 12 kg"], "a title cannot be taken away"
    state.append_product_changes([stores.delete("d1"), patch("d1", title="Dumbbell")])
    assert suggest(suggester, "dumb") == suggest(suggester, "kettle") == [], "a patch brings nothing back"
    assert suggest(suggester, "fitto") == []


def test_what_cannot_be_read_leaves_the_product(suggester: Suggester, state: SqliteStateStore) -> None:
    state.append_product_changes([ProductChange("upsert", "f1", b'{"name": "of another version"}')])
    assert suggest(suggester, "fidg") == ["fidget spinner"]


def test_a_bulk_change_is_read_in_parts(
    sport_snapshot: Path, state: SqliteStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CHANGES_AT_ONCE", 2)
    times = iter(range(1_000))
    suggester = Suggester(
        read_suggestions(sport_snapshot), state, lambda: float(next(times)), snapshot=SnapshotTexts(sport_snapshot)
    )
    state.append_product_changes([stores.upsert(stores.product(f"n{i}", f"Novelty {'abcde'[i]}")) for i in range(5)])
    assert suggest(suggester, "novelty") == ["novelty", "novelty a", "novelty b"]
    assert suggest(suggester, "novelty") == ["novelty", "novelty a", "novelty b", "novelty c", "novelty d"]
    assert len(suggest(suggester, "novelty")) == 6


def test_a_snapshot_of_before_counts_its_suggestions_when_it_is_opened(sport_snapshot: Path) -> None:
    counted = read_suggestions(sport_snapshot)
    assert counted.counts(counted.entries["sport"]) == [0, 0, 0, 3]
    assert counted.counts(counted.entries["yoga mat"]) == [0, 2, 0, 0]


NAMES = st.sampled_from(["Red", "Red lamp", "Blue lamp", "Lamp", "Desk", "Oak desk", "红灯"])
PRODUCTS = st.builds(
    lambda number, title, brand, categories: stores.product(f"p{number}", title, brand=brand, categories=categories),
    st.integers(0, 5),
    NAMES,
    st.one_of(st.just(""), NAMES),
    st.lists(NAMES, max_size=2),
)
IDS = st.integers(0, 5).map(lambda number: f"p{number}")
CHANGES = st.one_of(
    PRODUCTS.map(stores.upsert),
    IDS.map(stores.delete),
    st.builds(lambda product_id, title: patch(product_id, title=title), IDS, NAMES),
    st.builds(lambda product_id, names: patch(product_id, price=2, categories=names), IDS, st.lists(NAMES, max_size=2)),
)


class Products:
    """Stands for the products of a snapshot."""

    sequence = 0
    stopwords: frozenset[str] = frozenset()

    def __init__(self, products: dict[str, Product]) -> None:
        self._products = products

    def find(self, product_id: str) -> bytes | None:
        return self._products[product_id].document() if product_id in self._products else None


class Log:
    """Stands for the state: changes with their numbers."""

    def __init__(self) -> None:
        self.changes: list[ProductChange] = []

    def append(self, change: ProductChange) -> None:
        document = change.document
        self.changes.append(ProductChange(change.operation, change.product_id, document, None, len(self.changes) + 1))

    def product_changes_since(self, sequence: int, *, limit: int | None = None) -> list[ProductChange]:
        return self.changes[sequence:][:limit]


@settings(deadline=None)
@given(
    st.lists(PRODUCTS, max_size=5), st.lists(st.lists(CHANGES, max_size=5), max_size=4), st.sampled_from([1, 2, 512])
)
def test_after_any_changes_names_are_those_of_the_products_that_are_left(
    first: list[Product], rounds: list[list[ProductChange]], tail_texts: int
) -> None:
    now = {product.id: product for product in first}
    log = Log()
    index = SuggestionIndex(build_arrays(collect_entries(map(suggestible, now.values()))))
    kept, added.TAIL_TEXTS = added.TAIL_TEXTS, tail_texts
    try:
        suggestions = LiveSuggestions(index, Products(dict(now)), log, lambda: 0.0)  # type: ignore[arg-type]
        for changes in rounds:
            for change in changes:
                log.append(change)
                before = now.pop(change.product_id, None)
                after, _ = follow_change(change, None if before is None else before.document())
                if after is not None:
                    now[change.product_id] = after
            suggestions.refresh()
            expected = {entry.text: entry for entry in collect_entries(map(suggestible, now.values()))}
            listed = [entry for entries in suggestions.find("", 1_000) for entry in entries]
            found = {entry.text: entry for entry in listed}
            assert len(listed) == len(found), "each text is kept in one place"
            names = {text: entry for text, entry in expected.items() if entry.counts[Role.PHRASE] == 0}
            assert set(names) <= set(found)
            for text in set(found) - set(expected):  # phrases of a title that has lost its fellow
                assert any(tuple(text.split()) in list_texts(suggestible(one)).phrases for one in now.values())
            assert suggestions.words == sorted({word for text in found for word in text.split()})
    finally:
        added.TAIL_TEXTS = kept


def suggestible(product: Product) -> Suggestible:
    return Suggestible(product.title, product.brand, product.categories)


def test_blocks_of_added_texts_are_merged_and_find_what_one_list_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added, "TAIL_TEXTS", 4)
    monkeypatch.setattr(added, "BLOCK_TEXTS", 16)
    texts = [f"item {number:03d}" for number in range(103)]
    suggestions = AddedSuggestions()
    for text in texts:
        assert suggestions.change(text, Role.TITLE, 1) == 1
    for text in texts[::3]:
        assert suggestions.change(text, Role.TITLE, -1) == -1
        assert suggestions.change(text, Role.TITLE, -1) == 0
    left = [text for number, text in enumerate(texts) if number % 3]
    for prefix in ("", "item", "0", "item 05", "nothing"):
        found = [entry.text for entries in suggestions.find(prefix, 200) for entry in entries]
        assert sorted(found) == [text for text in left if text.startswith(prefix) or text[5:].startswith(prefix)]


def test_phrases_of_one_product_are_forgotten_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added, "MAX_COUNTED_PHRASES", 3)
    suggestions = AddedSuggestions()
    for word in ("alpha", "beta", "gamma", "delta", "alpha"):
        assert not list(suggestions.count_phrases([(word,)], 1))
    assert list(suggestions.count_phrases([("alpha",)], 1)) == [("alpha", 1)], "counted anew: twice since then"


@given(st.lists(PRODUCTS, max_size=5), st.lists(PRODUCTS, max_size=6))
def test_a_vocabulary_after_changes_is_that_of_the_products_that_are_left(
    first: list[Product], later: list[Product]
) -> None:
    now = {product.id: product for product in first}
    vocabulary = LiveVocabulary(count_words(CatalogWords([*now.values()])))
    for product in later:
        vocabulary.replace(now.get(product.id), product)
        now[product.id] = product
    for product_id in list(now)[::2]:
        vocabulary.replace(now.pop(product_id), None)
    expected = count_words(CatalogWords([*now.values()]))
    words = {*count_words(CatalogWords([*first, *later])), *expected}
    assert {word: vocabulary.count(word) for word in words} == {word: expected.get(word, 0) for word in words}


@pytest.mark.parametrize("read_before", [True, False])
def test_spelling_follows_the_products(sport_snapshot: Path, state: SqliteStateStore, *, read_before: bool) -> None:
    catalog = LiveCatalog(Snapshot(sport_snapshot), state)
    queries = QueryAnalyzer(catalog) if read_before else None
    if queries is not None:
        assert correct(queries, "dumbell") == "dumbbell"
        assert correct(queries, "gnomme") is None
    state.append_product_changes(
        [
            stores.upsert(stores.product("d1", "Kettlebell 12 kg")),
            stores.upsert(stores.product("g1", "Gnome solar statue")),
            stores.delete("f1"),
        ]
    )
    catalog.refresh()
    queries = queries or QueryAnalyzer(catalog)
    assert correct(queries, "gnomme") == "gnome"
    assert correct(queries, "ketlebell") == "kettlebell"
    assert correct(queries, "dumbell") is None
    assert correct(queries, "spiner") is None
    state.append_product_changes([stores.delete("g1"), stores.upsert(SHOP[0])])
    catalog.refresh()
    assert correct(queries, "gnomme") is None
    assert correct(queries, "dumbell") == "dumbbell"


def test_words_of_variants_come_and_go(sport_snapshot: Path, state: SqliteStateStore) -> None:
    catalog = LiveCatalog(Snapshot(sport_snapshot), state)
    queries = QueryAnalyzer(catalog)
    changes = [patch("y1", variants=[{"id": "y1-t", "attributes": {"colour": "turquoise"}}])]
    state.append_product_changes(changes)
    catalog.refresh()
    assert correct(queries, "turqoise") == "turquoise"
    state.append_product_changes([patch("y1", variants=None)])
    catalog.refresh()
    assert correct(queries, "turqoise") is None


def test_a_misspelt_title_that_was_mended_is_a_typo_from_then_on(sport_snapshot: Path, state: SqliteStateStore) -> None:
    catalog = LiveCatalog(Snapshot(sport_snapshot), state)
    queries = QueryAnalyzer(catalog)
    state.append_product_changes([patch("f1", title="Fiddget spinner"), patch("y1", price=3)])
    catalog.refresh()
    assert correct(queries, "fiddget") is None, "as the shop writes it"
    assert catalog.term_frequency("yoga") == 2, "a price takes no words away"
    state.append_product_changes([patch("f1", title="Fidget spinner")])
    catalog.refresh()
    assert correct(queries, "fiddget") == "fidget"
    assert correct(queries, "fidget") is None
    assert catalog.term_frequency("spinner") == 1


def correct(queries: QueryAnalyzer, text: str) -> str | None:
    correction = queries.correct(text)
    return None if correction is None else correction.text
