from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.arrays import Float32
from mercato.query.word_query import Alternative, WordGroup, WordQuery
from mercato.retrieval import found_values
from mercato.retrieval.found_values import FoundValues, borrow_zeros, join_rows, take_out
from mercato.retrieval.word_match import WordMatches, match_words
from mercato.text.words import Chunk

COUNT = 40
LISTS = st.lists(st.sets(st.integers(0, COUNT - 1)).map(sorted), max_size=4)
TERMS = "abcde"


class Postings:
    """Documents of terms, and a score for each."""

    def __init__(self, rows: Mapping[str, list[int]]) -> None:
        self.count = COUNT
        self._rows = rows

    def lookup(self, term: str) -> tuple[npt.NDArray[np.int32], Float32]:
        rows = np.array(self._rows.get(term, []), np.int32)
        return rows, (1 + rows % 3 + TERMS.index(term)).astype(np.float32)


def test_only_what_was_found_has_a_number() -> None:
    values = FoundValues(np.array([2, 5]), np.array([0.5, 3.0], np.float32), 7)

    assert len(values) == 7
    assert values[np.array([5, 0, 2, 6])].tolist() == [3.0, 0.0, 0.5, 0.0]
    assert values.spread().tolist() == [0, 0, 0.5, 0, 0, 3.0, 0]
    assert FoundValues(np.zeros(0, np.int64), np.zeros(0, np.float32), 7)[np.array([1])].tolist() == [0.0]


@pytest.fixture(params=[0, 65_536], ids=["sparse", "dense"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_values, "_FEW_DOCUMENTS", request.param)
    monkeypatch.setattr(found_values, "_SPARSE_SHARE", 10.0)


@pytest.mark.usefixtures("ways")
@given(LISTS)
def test_joined_lists_have_each_document_once(lists: list[list[int]]) -> None:
    joined = join_rows([np.array(one, np.int64) for one in lists], COUNT)

    assert joined.tolist() == sorted({row for one in lists for row in one})


def test_what_is_lent_comes_back_as_zeros_and_is_not_lent_twice() -> None:
    with borrow_zeros(5, ("a",)) as (first,), borrow_zeros(5, ("a",)) as (second,):
        assert first is not second
        first[3] = 1.0
        assert take_out(first, np.array([3, 4])).tolist() == [1.0, 0.0]
    with borrow_zeros(5, ("a",)) as (again,):
        assert again is first and not again.any()
    with pytest.raises(ValueError, match="broken"), borrow_zeros(5, ("a",)) as (thrown,):
        thrown[0] = 1.0
        raise ValueError("broken")
    with borrow_zeros(5, ("a",)) as (fresh,):
        assert not fresh.any()


CHUNKS = st.builds(
    Chunk,
    parts=st.lists(st.sampled_from(TERMS), min_size=1, max_size=2, unique=True).map(tuple),
    joined=st.sampled_from(["", *TERMS]),
)
GROUPS = st.builds(
    WordGroup,
    chunks=st.lists(CHUNKS, min_size=1, max_size=2).map(tuple),
    alternatives=st.lists(
        st.builds(
            Alternative,
            terms=st.lists(st.sampled_from(TERMS), min_size=1, max_size=2).map(tuple),
            weight=st.sampled_from([0.5, 1.0]),
        ),
        max_size=1,
    ).map(tuple),
)


def score_all(query: WordQuery, documents: Postings) -> tuple[Float32, Float32]:
    """The definition, over arrays of all documents."""
    scores, held = np.zeros(COUNT, np.float32), np.zeros(COUNT, np.float32)
    for group in query.groups:
        own, own_held = np.zeros(COUNT, np.float32), np.zeros(COUNT, np.float32)
        for chunk in group.chunks:
            parts = np.zeros(COUNT)
            for part in chunk.parts:
                rows, values = documents.lookup(part)
                own[rows] += values
                parts[rows] += 1
            holds = parts >= len(chunk.parts)
            if chunk.joined:
                rows, values = documents.lookup(chunk.joined)
                own[rows] += values
                holds[rows] = True
            own_held += holds
        for alternative in group.alternatives:
            every = [dict(zip(*(one.tolist() for one in documents.lookup(term)), strict=True)) for term in
                     dict.fromkeys(alternative.terms)]  # fmt: skip
            for row in set.intersection(*map(set, every)):
                own[row] = max(own[row], np.float32(sum(one[row] for one in every) * alternative.weight))
                own_held[row] = group.size
        scores += own
        held += own_held
    if query.size > 1:
        scores *= np.maximum(held, np.float32(0.5)) / np.float32(query.size)
    return scores, np.where(scores > 0, held, np.float32(0))


@pytest.mark.usefixtures("ways")
@given(
    st.lists(GROUPS, min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(TERMS), st.sets(st.integers(0, COUNT - 1)).map(sorted)),
)
def test_what_words_find_is_what_scoring_every_document_gives(
    groups: list[WordGroup], postings: dict[str, list[int]]
) -> None:
    query, documents = WordQuery(groups=tuple(groups)), Postings(postings)

    found: WordMatches = match_words(query, documents)

    scores, held = score_all(query, documents)
    assert found.rows.tolist() == np.flatnonzero(scores).tolist()
    np.testing.assert_allclose(found.scores.spread(), scores, rtol=1e-6)
    np.testing.assert_array_equal(found.held.spread(), held)
