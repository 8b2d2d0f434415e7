"""Reading queries for a word index, and what products they then find."""

from pathlib import Path

import numpy as np
import pytest

from mercato.index.search_weights import FieldWeights
from mercato.index.synonyms import parse_synonyms
from mercato.index.words import WordIndex, build_word_index
from mercato.query.expand_synonyms import SynonymMap
from mercato.query.word_query import MAX_QUERY_WORDS, PREFIX_WEIGHT, QueryReader
from mercato.retrieval.word_match import match_words
from mercato.text.words import WordAnalyzer
from tests.stores import count_occurrences

ANALYZER = WordAnalyzer()
TITLES = {
    "toner": "Brother LC51C toner",
    "apart": "Canon TN 2110 toner",
    "screen": 'Monitor 15.6"',
    "inches": "Monitor 15.6 inches",
    "stick": "USB stick 16 GB",
    "cable": "USB-C cable",
    "bag": "Notebookbag black",
    "case": "Notebook bag",
    "tv": "Samsung TV",
    "longer": "Brother LC510 toner",
    "chinese": "笔记本电脑包",
    "chair": "Office chair",
}
STOPWORDS = frozenset(["the", "for", "in"])


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    folder: Path = tmp_path_factory.mktemp("words") / "words"
    documents = [[ANALYZER.analyze(title)] for title in TITLES.values()]
    build_word_index(count_occurrences(documents), FieldWeights(weights={"title": 1.0}), folder)
    return WordIndex(folder)


@pytest.fixture(scope="module")
def reader(words: WordIndex) -> QueryReader:
    synonyms = SynonymMap(
        parse_synonyms(["telly, tv set => tv", "seat, chair", "office chair, desk seat"], "test"), ANALYZER, STOPWORDS
    )
    return QueryReader(ANALYZER, STOPWORDS, words, synonyms.expand)


def find(reader: QueryReader, words: WordIndex, text: str) -> list[str]:
    """Products that hold the whole query, best first."""
    found = match_words(reader.read(text), words)
    names = list(TITLES)
    best = found.select_best(len(names))
    return [names[row] for row in best[found.coverage(best) == 1].tolist()]


@pytest.mark.parametrize("text", ["LC51C", "lc51c", "lc 51 c", "lc-51c", "LC-51 C", "brother lc51"])
def test_a_model_number_is_found_however_it_is_written(reader: QueryReader, words: WordIndex, text: str) -> None:
    assert find(reader, words, text) == ["toner"]


def test_a_model_number_that_the_catalogue_writes_apart(reader: QueryReader, words: WordIndex) -> None:
    assert find(reader, words, "tn2110") == ["apart"]
    assert find(reader, words, "tn-2110 canon") == ["apart"]


def test_a_longer_model_number_counts_less_and_never_by_more_digits(reader: QueryReader) -> None:
    (group,) = reader.read("lc51").groups
    assert [(other.terms, other.weight) for other in group.alternatives] == [(("lc51c",), PREFIX_WEIGHT)]


@pytest.mark.parametrize("text", ['15.6"', "15.6in", "15.6 inch", "15.6-inch", "15.6''", "monitor 15.6 in"])
def test_sizes_in_any_writing(reader: QueryReader, words: WordIndex, text: str) -> None:
    assert set(find(reader, words, text)) == {"screen", "inches"}


@pytest.mark.parametrize("text", ["16gb", "16 GB usb", "16-gb"])
def test_units_apart_or_not(reader: QueryReader, words: WordIndex, text: str) -> None:
    assert find(reader, words, text) == ["stick"]


@pytest.mark.parametrize("text", ["usb-c", "usb c", "USBC", "usb-c cables"])
def test_hyphens(reader: QueryReader, words: WordIndex, text: str) -> None:
    assert find(reader, words, text) == ["cable"]


@pytest.mark.parametrize("text", ["notebook bag", "notebookbag", "notebook-bag", "Notebook Bags"])
def test_compounds_written_in_one_or_two(reader: QueryReader, words: WordIndex, text: str) -> None:
    assert set(find(reader, words, text)) == {"bag", "case"}


def test_the_plural_of_an_abbreviation(reader: QueryReader, words: WordIndex) -> None:
    assert find(reader, words, "samsung tvs") == ["tv"]


def test_synonyms(reader: QueryReader, words: WordIndex) -> None:
    assert find(reader, words, "samsung telly") == ["tv"]
    assert find(reader, words, "tv set") == ["tv"]
    assert find(reader, words, "seat") == ["chair"]
    assert find(reader, words, "desk seat") == ["chair"]


def test_stop_words_are_left_out_and_repeated_ones_count_once(reader: QueryReader) -> None:
    assert reader.read("the chair for the office").size == 2
    assert reader.read("monitor monitor").size == 1
    assert reader.read("the").size == 1  # nothing else is left
    assert reader.read("!!!").size == 0


def test_numbers_are_not_joined_to_other_numbers(reader: QueryReader) -> None:
    query = reader.read("canon 21 10 5 1")
    assert not any(group.alternatives for group in query.groups)
    assert query.size == 5


def test_of_a_pasted_text_the_first_words_are_read(reader: QueryReader) -> None:
    assert reader.read(" ".join(f"word{n}xyz" for n in range(100))).size == MAX_QUERY_WORDS
    assert reader.read("x" * 1_000).size == 1


def test_chinese_is_neither_joined_nor_split(reader: QueryReader, words: WordIndex) -> None:
    query = reader.read("笔记本电脑")
    assert [group.chunks[0].parts for group in query.groups] == [("笔记", "记本"), ("电脑",)]
    assert not any(group.alternatives for group in query.groups)
    assert find(reader, words, "笔记本电脑") == ["chinese"]


def test_scores_are_scaled_by_the_share_of_words_held(reader: QueryReader, words: WordIndex) -> None:
    found = match_words(reader.read("office monitor"), words)
    rows = {name: row for row, name in enumerate(TITLES)}

    assert found.size == 2
    assert found.read_held(np.array([rows["chair"]]))[0] == 1
    alone = words.scores(["offic"])[rows["chair"]]
    assert found.read_scores(np.array([rows["chair"]]))[0] == pytest.approx(alone * 1 / 2)
    assert found.coverage(found.rows).max() == 0.5


def test_part_of_a_size_is_not_the_size(reader: QueryReader, words: WordIndex) -> None:
    found = match_words(reader.read("32 gb usb"), words)
    rows = {name: row for row, name in enumerate(TITLES)}

    assert found.read_held(np.array([rows["stick"]]))[0] == 1  # usb, and gb without 32
    assert found.read_held(np.array([rows["cable"]]))[0] == 1
    assert found.read_scores(np.array([rows["stick"]]))[0] > 0


def test_a_query_without_words_finds_nothing(reader: QueryReader, words: WordIndex) -> None:
    found = match_words(reader.read("???"), words)
    assert not len(found.rows) and not len(found.scores) and not len(found.held)
    assert found.coverage(np.arange(3)).tolist() == [0, 0, 0]
