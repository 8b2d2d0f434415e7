from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.index.catalog_words import CatalogWords
from mercato.index.vocabulary import count_words, is_spelt, read_vocabulary, write_vocabulary
from mercato.index.word_statistics import WordLevels, WordStatistics
from mercato.query.speller import Correction, Speller
from mercato.text.words import list_words
from tests.stores import product

COUNTS = {
    "chocolate": 3000, "cheese": 900, "wireless": 500, "laptop": 400, "mouse": 300, "house": 200, "crème": 150,
    "milk": 90, "silk": 80, "choclate": 1, "laptops": 30, "notebook": 20, "bag": 10,
}  # fmt: skip


USUAL = {"the": 5e7, "milk": 5e4, "mlk": 3e3, "xylophone": 2e3, "coke": 3e4, "hose": 1e4}
"""Words of some language, and how often each is in a billion."""
NOTHING = WordLevels.collect({})


def make_speller(
    counts: Mapping[str, int] = COUNTS,
    usual: Mapping[str, float] = USUAL,
    pairs: Mapping[str, float] | None = None,
    asked: Mapping[str, float] | None = None,
) -> Speller:
    statistics = WordStatistics(
        known=WordLevels.collect(usual), pairs=WordLevels.collect(pairs or {}), asked=WordLevels.collect(asked or {})
    )
    return Speller(counts, lambda word: counts.get(word, 0), lambda word: word == "notebookbag", statistics=statistics)


@pytest.fixture(scope="module")
def speller() -> Speller:
    return make_speller()


@pytest.mark.parametrize(
    ("query", "better"),
    [
        ("labtop", "laptop"),  # another letter
        ("wirless mouse", "wireless mouse"),  # one missing
        ("chesee", "cheese"),  # two swapped
        ("Wireles Mosue, 16GB", "wireless mouse, 16GB"),
        ("milkk", "milk"),
        ("dilk", "silk"),  # d lies beside s; milk is as near, and in more products
        ("slik", "silk"),
        ("choccolatee", "chocolate"),  # two edits of a long word
        ("créme", "crème"),
    ],
)
def test_an_unknown_word_becomes_the_nearest_known_one(speller: Speller, query: str, better: str) -> None:
    assert speller.correct(query) == Correction(text=better, applied=True)


@pytest.mark.parametrize(
    "query",
    [
        "wireless mouse",  # fine as it is
        "lapt",  # two edits, and short
        "hocolat3",  # a model number
        "16gb 1080p lc51c",
        "xyzzy",  # near nothing
        "笔记本电脑",
        "notebookbag",  # two known words
        "",
        "!!!",
        "haptopz",  # two edits and another first letter
    ],
)
def test_what_has_no_certain_correction_stays(speller: Speller, query: str) -> None:
    assert speller.correct(query) is None


def test_a_word_that_is_usual_elsewhere_was_meant() -> None:
    counts = {"cake": 300, "house": 200, "telephone": 100}

    assert make_speller(counts).correct("coke") is None
    assert make_speller(counts, usual={"the": 5e7}).correct("coke") == Correction(text="cake", applied=True)
    assert make_speller(counts).correct("hose") is None
    assert make_speller(counts).correct("xylophone") is None


def test_a_short_word_is_questioned_but_not_changed() -> None:
    found = make_speller({"milk": 90}).correct("mlk")
    assert found == Correction(text="milk", applied=False)


def test_neighbours_in_titles_and_past_queries_tell_what_is_meant() -> None:
    counts = {"desk": 40, "lamp": 50, "lime": 60, "lame": 60, "juice": 30}
    pairs = {"desk lamp": 20, "lime juice": 30}

    assert make_speller(counts, pairs=pairs).correct("desk lamr") == Correction(text="desk lamp", applied=True)
    assert make_speller(counts, pairs=pairs).correct("lxme juice") == Correction(text="lime juice", applied=True)


def test_what_is_in_no_product_together_is_less_likely() -> None:
    counts = {"cake": 300, "aero": 40, "snack": 400}
    together = {("cake", "snack"): (90.0, 40.0), ("cake", "aero"): (0.0, 4.0)}

    def correct(text: str) -> Correction | None:
        statistics = WordStatistics(known=WordLevels.collect({"the": 5e7}), pairs=NOTHING, asked=NOTHING)
        return Speller(
            counts,
            lambda word: counts.get(word, 0),
            lambda word: False,
            statistics=statistics,
            together=lambda word, other: together.get((word, other), (0.0, 0.0)),
        ).correct(text)

    assert correct("snack cxke") == Correction(text="snack cake", applied=True)
    assert correct("aero cxke") is None


def test_a_word_that_shoppers_ask_for_is_meant_unless_they_ask_for_another_far_oftener() -> None:
    counts = {"iphone": 100}

    assert make_speller(counts).correct("iphine") == Correction(text="iphone", applied=True)
    assert make_speller(counts, asked={"iphine": 200}).correct("iphine") is None
    seldom = make_speller(counts, asked={"iphine": 4, "iphone": 900})
    assert seldom.correct("iphine") == Correction(text="iphone", applied=True)


def test_without_a_list_of_words_less_is_changed() -> None:
    counts = {"cake": 3, "headphones": 300}
    bare = Speller(counts, lambda word: counts.get(word, 0), lambda word: False)

    assert bare.correct("kake") is None
    assert bare.correct("headphnoes") == Correction(text="headphones", applied=True)


def test_a_shop_of_one_product() -> None:
    assert make_speller({"chocolate": 1}).correct("choclate") is not None
    assert make_speller({"chocolate": 1}).correct("velvet") is None


def test_parts_of_a_hyphenated_word_are_read_alone() -> None:
    assert make_speller({"wireless": 300, "mouse": 200}).correct("wirless-mouse") == Correction(
        text="wireless-mouse", applied=True
    )


def test_a_rare_word_with_a_far_commoner_neighbour_is_answered_and_the_other_offered(speller: Speller) -> None:
    assert speller.correct("choclate") == Correction(text="chocolate", applied=False)
    # 20 products against 30 of a neighbour would be no reason at all; 400 products are no rare word.
    assert speller.correct("laptop") is None


def test_one_unknown_word_is_enough_to_search_the_correction(speller: Speller) -> None:
    assert speller.correct("choclate mlik") == Correction(text="chocolate milk", applied=True)


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    found = make_speller({**COUNTS, "größe": 40, "молоко": 30}).correct(text)
    assert found is None or found.text.count(" ") == text.count(" ")


@given(st.text(max_size=40))
def test_words_that_are_known_are_never_touched(text: str) -> None:
    known = Speller(COUNTS, lambda word: 10_000, lambda word: False)
    assert known.correct(text) is None


@given(st.lists(st.sampled_from(["lc51c", "16gb", "15.6", "ps4", "2110", "笔记本", "café7"]), min_size=1).map(" ".join))
def test_numbers_and_model_numbers_are_never_touched(text: str) -> None:
    assert Speller({"lcsc": 5, "café": 5, "p": 5}, lambda word: 0, lambda word: False).correct(text) is None


def test_a_text_of_many_unknown_words_is_left_alone(speller: Speller) -> None:
    misspelt = ["wirless", "mosue", "labtop", "chesee", "milkk", "slik"]

    assert speller.correct(" ".join(misspelt[:5])) is not None
    assert speller.correct(" ".join(misspelt)) is None


def test_a_catalogue_without_words_corrects_nothing() -> None:
    assert Speller({}, lambda word: 0, lambda word: False).correct("laptop") is None


def test_words_are_counted_by_product() -> None:
    products = [
        product("1", "Red red WINE", brand="Château-Neuf", attributes={"size": "16 oz", "model": "LC51C"}),
        product("2", "Wine glass", description="for wine 笔记本"),
    ]

    assert count_words(CatalogWords(products)) == {"wine": 2, "château": 1, "for": 1, "glass": 1, "neuf": 1, "red": 1}


def test_a_vocabulary_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    write_vocabulary(path, COUNTS)
    assert list(read_vocabulary(path).items()) == list(COUNTS.items())


@pytest.mark.parametrize("word", ["milk", "crème", "шоколад", "don't"])
def test_letters_are_spelt(word: str) -> None:
    assert list_words(word) == [word]
    assert is_spelt(word)


@pytest.mark.parametrize("word", ["ab", "a" * 41, "lc51c", "16gb", "笔记本", "कॉफ़ी", "wi-fi", ""])
def test_other_words_are_not(word: str) -> None:
    assert not is_spelt(word)
