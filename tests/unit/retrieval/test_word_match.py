"""What words find, kept for the documents that hold them: as counted over all documents, one by one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.arrays import Float32, Int32
from mercato.query.word_query import Alternative, WordGroup, WordQuery
from mercato.retrieval.word_match import GroupMatches, match_words
from mercato.text.words import Chunk

COUNT = 12
TERMS = "abcdefg"


class Documents:
    """Documents whose terms are worth something each."""

    def __init__(self, held: Mapping[str, Mapping[int, float]]) -> None:
        self._held = held
        self.count = COUNT

    def lookup(self, term: str) -> tuple[Int32, Float32]:
        found = self._held.get(term, {})
        return np.array(sorted(found), np.int32), np.array([found[row] for row in sorted(found)], np.float32)

    def worth(self, term: str, row: int) -> float | None:
        """What a term is worth in a document, maybe nothing; None where it does not stand."""
        return self._held.get(term, {}).get(row)


def hold_group(group: WordGroup, documents: Documents, row: int) -> tuple[float, float]:
    """The score of a group in one document, and how many of its words it holds, as `match_words` says."""
    score, held = 0.0, 0.0
    for chunk in group.chunks:
        worths = [documents.worth(part, row) for part in chunk.parts]
        joined = documents.worth(chunk.joined, row) if chunk.joined else None
        score += sum(worth or 0.0 for worth in [*worths, joined])
        held += None not in worths or joined is not None
    for alternative in group.alternatives:
        worths = [documents.worth(term, row) for term in dict.fromkeys(alternative.terms)]
        if None not in worths:
            score, held = max(score, sum(worth or 0.0 for worth in worths) * alternative.weight), group.size
    return score, held


terms = st.sampled_from(TERMS)
chunks = st.builds(
    lambda parts, joined: Chunk(parts=tuple(parts), joined=joined if len(parts) > 1 else ""),
    st.lists(terms, min_size=1, max_size=3, unique=True),
    st.sampled_from(["", "x"]),
)
alternatives = st.builds(
    lambda terms, weight: Alternative(terms=tuple(terms), weight=weight),
    st.lists(terms, min_size=1, max_size=2),
    st.sampled_from([0.5, 1.0]),
)
groups = st.builds(
    lambda chunks, alternatives: WordGroup(chunks=tuple(chunks), alternatives=tuple(alternatives)),
    st.lists(chunks, min_size=1, max_size=2),
    st.lists(alternatives, max_size=2),
)
postings = st.dictionaries(
    st.sampled_from([*TERMS, "x"]), st.dictionaries(st.integers(0, COUNT - 1), st.sampled_from([0.0, 0.25, 1.0, 2.5]))
)


@given(st.lists(groups, max_size=4), postings)
@settings(deadline=None)
def test_each_document_has_what_it_holds(of_query: list[WordGroup], held: dict[str, dict[int, float]]) -> None:
    query, documents = WordQuery(groups=tuple(of_query)), Documents(held)
    found = match_words(query, documents)
    expected = [[hold_group(group, documents, row) for group in of_query] for row in range(COUNT)]
    rows = [row for row in range(COUNT) if any(score > 0 for score, _ in expected[row])]

    assert found.rows.tolist() == rows
    for row, score, words in zip(rows, found.scores.tolist(), found.held.tolist(), strict=True):
        assert words == sum(one for _, one in expected[row])
        share = max(words, 0.5) / query.size if query.size > 1 else 1.0
        assert score == pytest.approx(share * sum(one for one, _ in expected[row]), rel=1e-5)
    everything = np.arange(COUNT)
    assert np.flatnonzero(found.read_scores(everything)).tolist() == rows
    assert found.read_ranks(everything)[found.select_best(COUNT)].tolist() == list(range(1, len(rows) + 1))
    weights = [float(number + 1) for number in range(len(of_query))]
    assert found.weigh(weights).tolist() == [
        sum(weight * one for weight, (_, one) in zip(weights, expected[row], strict=True)) for row in rows
    ]


def test_what_is_taken_over_stands_in_order() -> None:
    changed = GroupMatches(rows=np.array([1, 4]), scores=np.float32([1, 4]), held=np.float32(1))
    before = GroupMatches(rows=np.array([7, 9]), scores=np.float32([7, 9]), held=np.float32([1, 2]))
    taken = changed.take_over(before, np.array([9, 8, 7]), np.array([0, 2, 3]))

    assert taken.rows.tolist() == [0, 1, 3, 4]
    assert taken.scores.tolist() == [9, 1, 7, 4]
    assert np.asarray(taken.held).tolist() == [2, 1, 1, 1]
    behind = before.followed_by(taken, 10)
    assert behind.rows.tolist() == [7, 9, 10, 11, 13, 14]
    assert behind.keep(np.arange(15) != 9).scores.tolist() == [7, 9, 1, 7, 4]
