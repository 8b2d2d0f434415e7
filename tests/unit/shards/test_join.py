"""What parts say, joined, is what the whole says of itself; and messages arrive as they were written."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mercato.requests.facets import FacetSpec
from mercato.retrieval.dense_search import choose_spread
from mercato.retrieval.whole import BestRows, Figures, NearTexts, Steps, join_figures, run_alone
from mercato.shards.facets import join_facets
from mercato.shards.wire import Body, unpack

LIMIT = 20


def list_near(texts: list[tuple[int, list[int]]]) -> NearTexts:
    """The nearest of some texts, given as a score (a whole number of hundredths) and their rows each."""
    ordered = sorted(texts, key=lambda text: (-text[0], text[1][0]))
    rows = np.array([row for _, own in ordered for row in own], np.int32)
    groups = np.array([place for place, (_, own) in enumerate(ordered) for _ in own], np.int64)
    chosen = choose_spread(groups, LIMIT)
    scores = np.array([score / 100 for score, own in ordered for _ in own], np.float32)
    first = np.array([own[0] for _, own in ordered for _ in own], np.int32)
    return NearTexts(rows=rows[chosen], scores=scores[chosen], texts=first[chosen], limit=LIMIT)


@given(
    sizes=st.lists(st.integers(1, 25), min_size=1, max_size=12),
    scores=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    owners=st.lists(st.integers(0, 2), min_size=12, max_size=12),
    seed=st.integers(0, 99),
)
def test_the_nearest_of_parts_are_those_of_the_whole(
    sizes: list[int], scores: list[int], owners: list[int], seed: int
) -> None:
    rows = np.random.default_rng(seed).permutation(sum(sizes))
    starts = np.cumsum([0, *sizes])
    texts = [
        (score, sorted(rows[start : start + size].tolist()))
        for score, start, size in zip(scores, starts.tolist(), sizes, strict=False)
    ]
    parts = [[text for text, owner in zip(texts, owners, strict=False) if owner == part] for part in range(3)]
    joined = join_figures([Figures(near=list_near(part)) for part in parts]).near
    whole = list_near(texts)
    assert joined is not None
    assert joined.rows.tolist() == whole.rows.tolist()
    assert joined.scores.tolist() == whole.scores.tolist()


@given(
    scores=st.lists(st.integers(1, 9), min_size=1, max_size=60),
    owners=st.lists(st.integers(0, 2), min_size=60, max_size=60),
)
def test_the_best_of_parts_are_those_of_the_whole_in_the_order_of_rows(scores: list[int], owners: list[int]) -> None:
    def best(rows: list[int]) -> BestRows:
        order = sorted(rows, key=lambda row: (-scores[row], row))[:LIMIT]
        values = np.array([scores[row] for row in order], np.float32)
        return BestRows(rows=np.array(order, np.int32), scores=values, limit=LIMIT)

    everything = list(range(len(scores)))
    parts = [[row for row in everything if owners[row] == part] for part in range(3)]
    joined = join_figures([Figures(best=best(part)) for part in parts]).best
    assert joined is not None
    assert joined.rows.tolist() == best(everything).rows.tolist()


def test_numbers_are_joined_by_their_meaning_and_come_in_the_order_of_rows() -> None:
    one = Figures(
        highest=np.array([1.0, 5.0]),
        lowest=np.array([2.0]),
        sums=np.array([3.0]),
        numbers=np.array([7.0, 8.0]),
        owners=np.array([4, 9]),
    )
    other = Figures(
        highest=np.array([4.0, -np.inf]),
        lowest=np.array([np.inf]),
        sums=np.array([0.0]),
        numbers=np.array([6.0]),
        owners=np.array([5]),
    )
    joined = join_figures([one, other])
    assert joined.highest.tolist() == [4.0, 5.0]
    assert joined.lowest.tolist() == [2.0]
    assert joined.sums.tolist() == [3.0]
    assert joined.numbers.tolist() == [7.0, 6.0, 8.0]


def test_facets_add_up_before_the_limit_cuts() -> None:
    def facet(**counts: int) -> dict[str, object]:
        listed = [{"value": value, "count": count} for value, count in counts.items()]
        return {"key": "brand", "values": listed, "distinct": len(counts)}

    parts = [[facet(Acme=3, Bolt=2)], [facet(Bolt=2, Cobalt=3)], [facet()]]
    [joined] = join_facets([FacetSpec(key="brand", limit=2)], parts)
    # Bolt leads no shard and the whole: 2 + 2. Acme and Cobalt have three each, and A stands before C.
    assert joined == {
        "key": "brand",
        "values": [{"value": "Bolt", "count": 4}, {"value": "Acme", "count": 3}],
        "distinct": 3,
    }


def test_a_part_that_is_the_whole_is_told_what_it_said() -> None:
    said = Figures(sums=np.array([2.0]))

    def work() -> Steps[Figures]:
        return (yield said)

    assert run_alone(work()) is said


def test_figures_arrive_as_they_were_written() -> None:
    near = NearTexts(
        rows=np.array([3, 1], np.int32), scores=np.array([0.5, 0.25], np.float32), texts=np.array([3, 0]), limit=9
    )
    body = Body(document={"asked": "search"})
    body.put("told", Figures(highest=np.array([-np.inf, 2.5]), near=near))
    read = unpack(body.pack())
    told = read.get(Figures, "told")
    assert read.document["asked"] == "search"
    assert told.highest.tolist() == [-np.inf, 2.5]
    assert told.best is None
    assert told.near is not None
    assert (told.near.rows.tolist(), told.near.limit) == ([3, 1], 9)
