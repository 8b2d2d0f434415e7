from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.index.vocabulary import count_words, is_spelt, read_vocabulary, write_vocabulary
from mercato.query.speller import Correction, Speller
from mercato.text.words import list_words
from tests.stores import product

COUNTS = {
    "chocolate": 3000, "cheese": 900, "wireless": 500, "laptop": 400, "mouse": 300, "house": 200, "crème": 150,
    "milk": 90, "silk": 80, "choclate": 1, "laptops": 30, "notebook": 20, "bag": 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(COUNTS, lambda word: COUNTS.get(word, 0), lambda word: word == "notebookbag")


@pytest.mark.parametrize(
    ("query", "better"),
    [
        ("labtop", "laptop"),  # another letter
        ("wirless mouse", "wireless mouse"),  # one missing
        ("chesee", "cheese"),  # two swapped
        ("Wireles Mosue, 16GB", "wireless mouse, 16GB"),
        ("milkk", "milk"),
        ("dilk", "milk"),  # as near as silk; more products
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
        "mlk",  # too short to say
        "笔记本电脑",
        "notebookbag",  # two known words
        "",
        "!!!",
        "haptopz",  # two edits and another first letter
    ],
)
def test_what_has_no_certain_correction_stays(speller: Speller, query: str) -> None:
    assert speller.correct(query) is None


def test_a_rare_word_with_a_far_commoner_neighbour_is_answered_and_the_other_offered(speller: Speller) -> None:
    assert speller.correct("choclate") == Correction(text="chocolate", applied=False)
    # 20 products against 30 of a neighbour would be no reason at all; 400 products are no rare word.
    assert speller.correct("laptop") is None


def test_one_unknown_word_is_enough_to_search_the_correction(speller: Speller) -> None:
    assert speller.correct("choclate mlik") == Correction(text="chocolate milk", applied=True)


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

    assert count_words(products) == {"wine": 2, "château": 1, "for": 1, "glass": 1, "neuf": 1, "red": 1}


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
