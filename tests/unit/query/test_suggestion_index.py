"""Suggestions by prefix, against a plain scan of all; and typos of one edit."""

import numpy as np
import pytest

from mercato.errors import SnapshotError
from mercato.query.suggest.collect import Entry
from mercato.query.suggest.index import FIRST_WORD_BONUS, SuggestionIndex, build_arrays
from mercato.query.suggest.request import list_starts
from mercato.query.suggest.typos import list_corrections, list_edits

ENTRIES = [
    Entry("frozen pizza", 3.0, 0),
    Entry("pizza", 2.5, 2),
    Entry("frozen peas", 2.0, 0),
    Entry("pizza pizza rolls", 1.0, 0),
    Entry("有机牛奶", 1.0, 2),
    Entry("crème brûlée", 1.0, 0),
]


def texts(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries]


@pytest.fixture
def index() -> SuggestionIndex:
    return SuggestionIndex(build_arrays(ENTRIES))


def test_a_prefix_may_begin_any_word_and_the_first_weighs_more(index: SuggestionIndex) -> None:
    found = index.find("p", 10)
    # pizza 2.5 + 1, frozen pizza 3, frozen peas 2, pizza pizza rolls 1 + 1 (after frozen peas, which was given before)
    assert texts(found) == ["pizza", "frozen pizza", "frozen peas", "pizza pizza rolls"]
    assert found[0] == Entry("pizza", 2.5 + FIRST_WORD_BONUS, 2)


def test_each_suggestion_comes_once_and_the_limit_holds(index: SuggestionIndex) -> None:
    assert texts(index.find("pizza", 2)) == ["pizza", "frozen pizza"]
    assert texts(index.find("pizza", 10)).count("pizza pizza rolls") == 1


def test_a_complete_word_is_told_from_the_beginning_of_a_longer_one(index: SuggestionIndex) -> None:
    assert texts(index.find("pizza ", 10)) == ["pizza pizza rolls"]
    assert texts(index.find("frozen p", 10)) == ["frozen pizza", "frozen peas"]


def test_scripts_without_spaces_and_accents(index: SuggestionIndex) -> None:
    assert texts(index.find("牛", 5)) == texts(index.find("有机", 5)) == ["有机牛奶"]
    assert texts(index.find("brû", 5)) == ["crème brûlée"]


def test_nothing_fits(index: SuggestionIndex) -> None:
    assert index.find("zzz", 5) == []
    assert index.find("\uffff", 5) == []
    assert SuggestionIndex(build_arrays([])).find("a", 5) == []
    assert SuggestionIndex(build_arrays([])).find("", 5) == []


def test_an_empty_prefix_fits_everything(index: SuggestionIndex) -> None:
    assert texts(index.find("", 3)) == ["frozen pizza", "pizza", "frozen peas"]


def test_it_finds_what_a_scan_finds() -> None:
    rng = np.random.default_rng(5)
    syllables = ["ba", "be", "na", "no", "é", "茶", "t"]
    made = {" ".join("".join(rng.choice(syllables, 2)) for _ in range(rng.integers(1, 4))) for _ in range(400)}
    entries = [Entry(text, float(rng.integers(1, 6)), 0) for text in sorted(made)]
    index = SuggestionIndex(build_arrays(entries))
    for prefix in ("b", "ba", "ban", "茶", "é", "na ", "no b", "t茶"):
        scanned = {}
        for position, entry in enumerate(entries):
            starts = [start for start in list_starts(entry.text) if entry.text[start:].startswith(prefix)]
            if starts:
                scanned[position] = entry.weight + (FIRST_WORD_BONUS if 0 in starts else 0)
        best = sorted(scanned, key=lambda position: (-scanned[position], position))[:10]
        found = index.find(prefix, 10)
        assert [(one.text, one.weight) for one in found] == [
            (entries[position].text, scanned[position]) for position in best
        ]


def test_arrays_that_lack_one_are_refused() -> None:
    arrays = build_arrays(ENTRIES)
    del arrays["key_start"]
    with pytest.raises(SnapshotError, match="lack key_start; build the snapshot again"):
        SuggestionIndex(arrays)


WORDS = sorted(["frozen", "pizza", "yogurt", "tea", "teapot"])
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("prefix", "meant"),
    [
        ("yohurt", "yogurt"),  # exchanged
        ("yoghurt", "yogurt"),  # one too many
        ("yogrt", "yogurt"),  # one missing
        ("yoguhr", "yogur"),  # a beginning suffices for the word that is being typed
        ("yougrt", "yogurt"),
        ("yxxurt", None),  # two edits
        ("yogrut", "yogurt"),  # swapped
        ("frozne pi", "frozen pi"),  # the complete word is wrong
        ("frozen pizaz", "frozen pizza"),
        ("forzen piiza", None),  # an edit in each word is two
        ("tez", None),  # too short
        ("pogurt", None),  # the first letter stays
    ],
)
def test_one_edit_is_mended(prefix: str, meant: str | None) -> None:
    found = list_corrections(prefix, WORDS, LETTERS)
    assert (meant in found) if meant is not None else found == []


def test_edits_are_one_edit_away() -> None:
    def distance(one: str, other: str) -> int:
        """Optimal string alignment, as the textbook has it."""
        table = np.zeros((len(one) + 1, len(other) + 1), int)
        table[:, 0], table[0] = np.arange(len(one) + 1), np.arange(len(other) + 1)
        for i in range(1, len(one) + 1):
            for j in range(1, len(other) + 1):
                cost = int(one[i - 1] != other[j - 1])
                table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + cost)
                if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                    table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
        return int(table[-1, -1])

    assert {distance("teapot", edited) for edited in list_edits("teapot", "aetz")} <= {0, 1}
    assert {"tapot", "taepot", "tezpot", "tezapot", "teapott", "teapo"} <= set(list_edits("teapot", "aetz"))
