import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mercato.errors import SnapshotError
from mercato.index.delta import Postings
from mercato.index.search_weights import FieldWeights
from mercato.index.words import FieldTerms, WordIndex, build_word_index
from tests.stores import count_occurrences

WEIGHTS = FieldWeights(weights={"title": 2.0, "description": 1.0})
K1, B = WEIGHTS.saturation, WEIGHTS.length_penalty
# Each product has a title and a description.
DOCUMENTS: list[FieldTerms] = [
    [["whole", "milk"], []],
    [["milk", "chocolate", "milk", "bar"], ["bar", "of", "chocolate"]],
    [["green", "tea"], ["leaves"]],
    [[], []],
    [["milk"], []],
]
# The index keeps float32 products, the formula is computed in float64.
TOLERANCE = 1e-5


def bm25f(terms: list[str], document: FieldTerms, documents: list[FieldTerms]) -> float:
    """BM25F by its formula, over documents given as terms of each field."""
    score = 0.0
    for term in terms:
        frequency = 0.0
        for position, weight in enumerate(WEIGHTS.weights.values()):
            lengths = [len(other[position]) for other in documents if other[position]]
            average = sum(lengths) / len(lengths) if lengths else 1.0
            frequency += weight * document[position].count(term) / (1 - B + B * len(document[position]) / average)  # type: ignore[attr-defined]
        holding = sum(any(term in field for field in other) for other in documents)
        inverse = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        score += inverse * frequency / (frequency + K1)
    return score


def post(index: WordIndex, documents: list[FieldTerms]) -> dict[str, Postings]:
    postings: dict[str, Postings] = {}
    for position, document in enumerate(documents):
        for term, weight in index.weigh(document).items():
            found = postings.setdefault(term, Postings())
            found.entries.append(position)
            found.weights.append(weight)
    return postings


def score_outside(index: WordIndex, terms: list[str], documents: list[FieldTerms]) -> list[float]:
    outside = index.look_outside(post(index, documents), len(documents))
    scores = np.zeros(outside.count, np.float32)
    for term in terms:
        entries, values = outside.lookup(term)
        assert values.dtype == np.float32
        scores[entries] += values
    return [float(score) for score in scores]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    folder = tmp_path_factory.mktemp("words") / "words"
    build_word_index(count_occurrences(DOCUMENTS), WEIGHTS, folder)
    return WordIndex(folder)


def test_a_score_spelt_out(index: WordIndex) -> None:
    # "milk" is in 3 of 5 products, in titles only; titles have (2 + 4 + 2 + 1) / 4 = 2.25 words, the empty one aside.
    inverse = math.log(1 + (5 - 3 + 0.5) / (3 + 0.5))
    first = 2 * 1 / (1 - 0.75 + 0.75 * 2 / 2.25)
    second = 2 * 2 / (1 - 0.75 + 0.75 * 4 / 2.25)
    last = 2 * 1 / (1 - 0.75 + 0.75 * 1 / 2.25)
    expected = [inverse * first / (first + 1.5), inverse * second / (second + 1.5), 0, 0, inverse * last / (last + 1.5)]

    assert index.scores(["milk"]).tolist() == pytest.approx(expected, abs=TOLERANCE)


def test_a_word_counts_by_its_field(tmp_path: Path) -> None:
    # The same word in the title of one product and in the description of the other, all four fields of two words.
    documents = [[["milk", "x"], ["y", "z"]], [["x", "y"], ["milk", "z"]]]
    build_word_index(count_occurrences(documents), WEIGHTS, tmp_path / "words")
    in_title, in_description = WordIndex(tmp_path / "words").scores(["milk"])

    inverse = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    assert in_title == pytest.approx(inverse * 2 / (2 + 1.5), abs=TOLERANCE)
    assert in_description == pytest.approx(inverse * 1 / (1 + 1.5), abs=TOLERANCE)


@pytest.mark.parametrize(
    "terms", [["tea"], ["milk", "tea"], ["milk", "milk"], ["milk", "unheard"], ["chocolate", "whole", "bar"]]
)
def test_scores_are_the_formula(index: WordIndex, terms: list[str]) -> None:
    expected = [bm25f(terms, document, DOCUMENTS) for document in DOCUMENTS]

    assert index.scores(terms).tolist() == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("terms", [[], ["unheard"], [""], ["\0"]])
def test_unknown_terms_match_nothing(index: WordIndex, terms: list[str]) -> None:
    assert index.scores(terms).tolist() == [0] * 5


def test_scores_can_be_written_to_without_harm(index: WordIndex) -> None:
    before = index.scores(["milk"]).copy()

    index.scores(["milk"])[:] = 7

    np.testing.assert_array_equal(index.scores(["milk"]), before)


def test_terms_are_known_with_their_frequencies(index: WordIndex) -> None:
    assert list(index.terms) == ["bar", "chocolate", "green", "leaves", "milk", "of", "tea", "whole"]
    assert [index.frequency(term) for term in ("milk", "bar", "unheard")] == [3, 1, 0]
    assert "tea" in index
    assert "te" not in index
    assert list(index.with_prefix("t")) == ["tea"]
    assert list(index.with_prefix("z")) == []


words = st.sampled_from(["milk", "tea", "whole", "bar", "soup", "dog"])
some_field = st.lists(words, max_size=4)
some_documents = st.lists(st.tuples(some_field, some_field).map(list), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_documents, st.lists(words, max_size=4))
def test_documents_outside_are_scored_as_inside(tmp_path: Path, documents: list[FieldTerms], terms: list[str]) -> None:
    build_word_index(count_occurrences(documents), WEIGHTS, tmp_path / "words")
    index = WordIndex(tmp_path / "words")

    inside = index.scores(terms).tolist()

    assert inside == pytest.approx([bm25f(terms, document, documents) for document in documents], abs=TOLERANCE)
    assert score_outside(index, terms, documents) == pytest.approx(inside, abs=TOLERANCE)


def test_a_term_only_outside_is_rarer_than_any_inside(index: WordIndex) -> None:
    (score,) = score_outside(index, ["oat"], [[["oat", "drink"], []]])

    inverse = math.log(1 + (5 - 0 + 0.5) / (0 + 0.5))
    frequency = 2 * 1 / (1 - 0.75 + 0.75 * 2 / 2.25)
    assert score == pytest.approx(inverse * frequency / (frequency + 1.5), abs=TOLERANCE)


def test_no_documents_outside(index: WordIndex) -> None:
    assert score_outside(index, ["milk"], []) == []


@pytest.mark.parametrize("documents", [[[[], []]], [[[], []], [[], []], [[], []]]])
def test_an_index_without_a_word(tmp_path: Path, documents: list[FieldTerms]) -> None:
    build_word_index(count_occurrences(documents), WEIGHTS, tmp_path / "words")
    index = WordIndex(tmp_path / "words")

    assert index.scores(["milk"]).tolist() == [0] * len(documents)
    assert score_outside(index, ["milk"], [[["milk"], []]])[0] > 0


@pytest.mark.parametrize("name", ["statistics.json", "terms.safetensors"])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    build_word_index(count_occurrences(DOCUMENTS), WEIGHTS, tmp_path / "words")
    (tmp_path / "words" / name).unlink()

    with pytest.raises(SnapshotError, match=r"words: cannot be read .*build the snapshot again"):
        WordIndex(tmp_path / "words")
