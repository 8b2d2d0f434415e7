from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.errors import SnapshotError
from mercato.index.catalog_words import CatalogWords
from mercato.index.word_statistics import WordLevels, join_pair, read_word_statistics
from mercato.indexing.word_lists import collect_statistics, list_known
from mercato.state.values import SearchQuery
from tests.stores import product


def ask(text: str, *shoppers: str) -> list[SearchQuery]:
    return [SearchQuery(text, shopper, number, float(number)) for number, shopper in enumerate(shoppers, start=1)]


def test_a_level_is_twenty_times_the_logarithm() -> None:
    levels = WordLevels.collect({"tea": 1000.0, "coffee": 50.0, "milk": 0.2})
    assert [levels.level(word) for word in ("tea", "coffee", "milk", "cocoa")] == [60, 34, 1, 0]


def test_of_the_same_word_in_two_lists_the_more_usual_counts() -> None:
    few, many = WordLevels.collect({"pain": 100.0, "tea": 10.0}), WordLevels.collect({"pain": 1000.0})
    merged = WordLevels.merge([(few.hashes, few.levels), (many.hashes, many.levels)])
    assert (merged.level("pain"), merged.level("tea"), len(merged.hashes)) == (60, 20, 2)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.floats(1, 1e9), max_size=30))
def test_every_word_of_a_list_is_known(counts: dict[str, float]) -> None:
    levels = WordLevels.collect(counts)
    assert all(levels.level(word) >= 1 for word in counts)


def test_words_of_several_languages_are_known_with_and_without_accents() -> None:
    known = list_known("german")
    assert all(known.level(word) for word in ("schraube", "grösse", "screwdriver", "crème", "creme", "queso"))
    assert known.level("schraubx") == 0
    assert list_known("german").level("schraube") > list_known("english").level("schraube")


def test_a_language_without_a_list_is_known_by_what_is_known_anywhere() -> None:
    assert list_known("basque").level("coffee") == list_known("none").level("coffee") > 0


def test_neighbours_in_titles_are_kept() -> None:
    statistics = collect_statistics(
        CatalogWords([product("1", "Oak desk lamp, 40 cm"), product("2", "Desk lamp")]), "english", []
    )
    assert statistics.pairs.level(join_pair("desk", "lamp")) == 6  # 20 * log10(2)
    assert statistics.pairs.level(join_pair("oak", "desk")) == 1
    assert statistics.pairs.level(join_pair("lamp", "desk")) == 0


def test_past_queries_count_where_three_shoppers_sent_them() -> None:
    queries = [*ask("oat milk", "u1", "u2", "u3", "v4"), *ask("goat milc", "u1", "u2")]
    statistics = collect_statistics(CatalogWords([]), "english", queries)
    assert statistics.asked.level("oat") == 12  # 20 * log10(4)
    assert statistics.pairs.level(join_pair("oat", "milk")) == 12
    assert (statistics.asked.level("milc"), statistics.pairs.level(join_pair("goat", "milc"))) == (0, 0)


def test_one_shopper_makes_no_word_usual() -> None:
    pushed = ask("buymine", *["u1"] * 500)
    assert collect_statistics(CatalogWords([]), "english", pushed).asked.level("buymine") == 0
    joined = collect_statistics(CatalogWords([]), "english", [*pushed, *ask("buymine", "u2", "u3")])
    assert joined.asked.level("buymine") == 14  # 20 * log10(3 + 1 + 1)


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    statistics = collect_statistics(CatalogWords([product("1", "Desk lamp")]), "english", ask("lamp", "a", "b", "c"))
    statistics.write(tmp_path / "spelling.safetensors")
    again = read_word_statistics(tmp_path / "spelling.safetensors")
    assert again.known.level("coffee") == statistics.known.level("coffee")
    assert (again.pairs.level("desk lamp"), again.asked.level("lamp")) == (1, 10)


def test_a_snapshot_of_before_knows_nothing(tmp_path: Path) -> None:
    statistics = read_word_statistics(tmp_path / "spelling.safetensors")
    assert (statistics.known.level("coffee"), statistics.pairs.level("a b"), statistics.asked.level("a")) == (0, 0, 0)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "spelling.safetensors").write_bytes(b"nothing")
    with pytest.raises(SnapshotError, match="spelling.safetensors"):
        read_word_statistics(tmp_path / "spelling.safetensors")
