import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mercato.catalog.delta import Postings
from mercato.errors import SnapshotError
from mercato.retrieval.words import K1, B, WordIndex, build_word_index

DOCUMENTS = [
    ["whole", "milk"],
    ["milk", "chocolate", "milk", "bar"],
    ["green", "tea"],
    [],
    ["milk"],
]
# The index keeps float32 products, the formula is computed in float64.
TOLERANCE = 1e-5


def bm25(terms: list[str], document: list[str], documents: list[list[str]]) -> float:
    """BM25 as Lucene has it, by its formula, over documents given as terms."""
    average = sum(map(len, documents)) / len(documents)
    score = 0.0
    for term in terms:
        holding = sum(term in other for other in documents)
        frequency = document.count(term)
        weight = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        score += weight * frequency / (frequency + K1 * (1 - B + B * len(document) / average))
    return score


def post(documents: list[list[str]]) -> tuple[dict[str, Postings], np.ndarray]:  # type: ignore[type-arg]
    postings: dict[str, Postings] = {}
    for place, document in enumerate(documents):
        for term, count in Counter(document).items():
            found = postings.setdefault(term, Postings())
            found.entries.append(place)
            found.counts.append(count)
    return postings, np.array([len(document) for document in documents], np.float32)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    folder = tmp_path_factory.mktemp("words") / "words"
    build_word_index(DOCUMENTS, folder)
    return WordIndex(folder)


def test_a_score_spelt_out(index: WordIndex) -> None:
    # "milk" is in 3 of 5 documents, whose average length is (2 + 4 + 2 + 0 + 1) / 5 = 1.8.
    weight = math.log(1 + (5 - 3 + 0.5) / (3 + 0.5))
    expected = [
        weight * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 2 / 1.8)),
        weight * 2 / (2 + 1.5 * (1 - 0.75 + 0.75 * 4 / 1.8)),
        0,
        0,
        weight * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 1 / 1.8)),
    ]

    assert index.scores(["milk"]).tolist() == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(
    "terms", [["tea"], ["milk", "tea"], ["milk", "milk"], ["milk", "unheard"], ["chocolate", "whole", "green"]]
)
def test_scores_are_the_formula(index: WordIndex, terms: list[str]) -> None:
    expected = [bm25(terms, document, DOCUMENTS) for document in DOCUMENTS]

    assert index.scores(terms).tolist() == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("terms", [[], ["unheard"], [""], ["\0"]])
def test_unknown_terms_match_nothing(index: WordIndex, terms: list[str]) -> None:
    assert index.scores(terms).tolist() == [0] * 5


def test_scores_can_be_written_to_without_harm(index: WordIndex) -> None:
    before = index.scores(["milk"]).copy()

    index.scores(["milk"])[:] = 7

    np.testing.assert_array_equal(index.scores(["milk"]), before)


words = st.sampled_from(["milk", "tea", "whole", "bar", "soup", "dog"])
some_documents = st.lists(st.lists(words, max_size=6), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_documents, st.lists(words, max_size=4))
def test_documents_outside_are_scored_as_inside(tmp_path: Path, documents: list[list[str]], terms: list[str]) -> None:
    build_word_index(documents, tmp_path / "words")
    index = WordIndex(tmp_path / "words")

    outside = index.score_other(terms, *post(documents))

    assert outside.dtype == np.float32
    assert outside.tolist() == pytest.approx(index.scores(terms).tolist(), abs=TOLERANCE)


def test_a_term_only_outside_is_rarer_than_any_inside(index: WordIndex) -> None:
    (score,) = index.score_other(["oat"], *post([["oat", "drink"]]))

    weight = math.log(1 + (5 - 0 + 0.5) / (0 + 0.5))
    assert score == pytest.approx(weight * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 2 / 1.8)), abs=TOLERANCE)


def test_no_documents_outside(index: WordIndex) -> None:
    assert index.score_other(["milk"], {}, np.zeros(0, np.float32)).tolist() == []


@pytest.mark.parametrize("documents", [[[]], [[], [], []]])
def test_an_index_without_a_word(tmp_path: Path, documents: list[list[str]]) -> None:
    build_word_index(documents, tmp_path / "words")
    index = WordIndex(tmp_path / "words")

    assert index.scores(["milk"]).tolist() == [0] * len(documents)
    assert index.score_other(["milk"], *post([["milk"]]))[0] > 0


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    build_word_index(DOCUMENTS, tmp_path / "words")
    (tmp_path / "words" / "statistics.json").unlink()

    with pytest.raises(SnapshotError, match=r"words: cannot be read .*build the snapshot again"):
        WordIndex(tmp_path / "words")
