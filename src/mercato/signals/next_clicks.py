"""What is looked at next: transitions from click to click, learned from sessions.

A product is the likelier the next one, the more it is clicked at all and the more of those went on to it who clicked
what the shopper clicked last, before that, and in this session at all. With the share ``p(y)`` of a product among what
followed any click, the score of ``y`` is a log-linear mixture (a naive Bayes whose parts do not count fully):

``log p(y) + sum over the last three clicks x of w * lift(y | x) + w' * mean over all clicks x of lift'(y | x)``

``lift`` is of transitions: who clicked ``y`` the ``n``-th after ``x`` counts ``0.5 ** (n - 1)``. What few clicks say of
is smoothed by two steps: what follows what follows ``x``, and by ``p(y)``. ``lift'`` is of what was clicked in the same
session, in whatever order. Each person counts once for a pair of products.

Sources: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018 (sequential rules
with decay, item co-occurrence in sessions); Zhai and Lafferty, "A study of smoothing methods for language models",
TOIS 2004 (Dirichlet prior).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mercato.signals.events import EventColumns
from mercato.signals.neighbours import Neighbours
from mercato.signals.sessions import Clicks, collect_clicks

MAX_STEPS = 6
"""How many clicks later a product still counts as following."""
STEP_DECAY = 0.5
"""How much less each further click counts."""
SMOOTHING_CLICKS = 100.0
"""How many clicks the prior of transitions counts as; of 10 to 200 the best on held-out sessions."""
SMOOTHING_SHARE = 1.0
"""At most so many times the clicks that a product has."""
WALK_SHARE = 0.8
"""What of that prior goes by two steps; the rest by what is clicked at all."""
TOGETHER_SMOOTHING_CLICKS = 20.0
"""The same for what is clicked in one session."""
NEIGHBOURS = 200
"""Most products that are kept for each."""
WALK_NEIGHBOURS = 50
"""Those of them whose transitions are walked on."""
BLOCK_PAIRS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class ClickCounts:
    """How much products are clicked within sessions.

    Attributes:
        log_clicks: float32 [products], ``log(1 + clicks that followed another)``; empty where there are none.
        left: float32 [products], clicks that followed each product, decayed; each person once for a pair.
    """

    log_clicks: NDArray[np.float32]
    left: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "ClickCounts":
        """Return what a shop without clicks knows."""
        return cls(log_clicks=np.zeros(0, np.float32), left=np.zeros(0, np.float32))


@dataclass(frozen=True, kw_only=True)
class NextClicks:
    """What sessions teach.

    Attributes:
        counts: how much products are clicked.
        following: what is clicked after each product; scores are lifts, logarithms above 0.
        together: what is clicked in one session with each product; likewise.
        rest: float32 [products], the lift that was taken off what follows each product: that of all that is not kept.
    """

    counts: ClickCounts
    following: Neighbours
    together: Neighbours
    rest: NDArray[np.float32]


def compute_next_clicks(events: EventColumns, product_count: int, *, until: float) -> NextClicks:
    """Learn from the sessions before a moment.

    Args:
        events: see `mercato.signals.sessions.collect_clicks`.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    clicks = collect_clicks(events, product_count, until=until)
    following = _count_following(clicks, product_count)
    if not following.nnz:
        nothing = Neighbours.empty(product_count)
        none = np.zeros(product_count, np.float32)
        return NextClicks(counts=ClickCounts.empty(), following=nothing, together=nothing, rest=none)
    led_to = clicks.product[1:][clicks.session[1:] == clicks.session[:-1]]
    counts = np.bincount(led_to, minlength=product_count)
    share = (counts + 1.0) / (counts.sum() + product_count)
    walk = _shorten(_normalize_rows(following))
    by_session = _list_sessions(clicks, product_count)
    by_product = by_session.T.tocsr()
    session_size = np.diff(by_session.indptr)
    kept, rest = _keep_lifts(
        lambda rows: _smooth(following[rows], walk),
        (following != 0) @ np.diff(walk.indptr) + np.diff(following.indptr),
        share * (1.0 - WALK_SHARE),
    )
    return NextClicks(
        counts=ClickCounts(
            log_clicks=np.log1p(counts).astype(np.float32), left=_sum_rows(following).astype(np.float32)
        ),
        following=kept,
        together=_keep_lifts(
            lambda rows: by_product[rows] @ by_session,
            by_product @ session_size,
            share * TOGETHER_SMOOTHING_CLICKS,
        )[0],
        rest=rest,
    )


def _count_following(clicks: Clicks, product_count: int) -> sparse.csr_matrix:
    """Count who clicked one product after another, the sooner the more: float64 [products, products].

    Of a person that did so several times the one with the fewest clicks between counts.
    """
    parts = []
    for step in range(1, min(MAX_STEPS, max(len(clicks) - 1, 0)) + 1):
        kept = clicks.session[step:] == clicks.session[:-step]
        kept &= clicks.product[step:] != clicks.product[:-step]
        pair = clicks.product[:-step][kept] * product_count + clicks.product[step:][kept]
        parts.append(np.stack([pair, clicks.actor[step:][kept], np.full(len(pair), step)]))
    pair, actor, step_of = np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)
    order = np.lexsort((step_of, actor, pair))
    pair, actor, step_of = pair[order], actor[order], step_of[order]
    once = np.ones(len(pair), np.bool_)
    once[1:] = (pair[1:] != pair[:-1]) | (actor[1:] != actor[:-1])
    pair, weight = pair[once], STEP_DECAY ** (step_of[once] - 1.0)
    at = (pair // max(product_count, 1), pair % max(product_count, 1))
    return sparse.csr_matrix((weight, at), shape=(product_count, product_count))


def _list_sessions(clicks: Clicks, product_count: int) -> sparse.csr_matrix:
    """Say what was clicked in each session: 1 in float64 [sessions, products].

    What somebody clicked in several sessions counts in the last of them, so that nobody counts twice for a pair.
    """
    person = clicks.actor * product_count + clicks.product
    _, last = np.unique(person[::-1], return_index=True)
    kept = len(person) - 1 - last
    at = (clicks.session[kept], clicks.product[kept])
    return sparse.csr_matrix((np.ones(len(kept)), at), shape=(int(clicks.session[-1]) + 1, product_count))


def _sum_rows(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(counts.sum(axis=1), np.float64).ravel()


def _normalize_rows(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Divide each row by its sum; an empty one stays empty."""
    return sparse.csr_matrix(sparse.diags_array(1.0 / np.maximum(_sum_rows(counts), 1e-12)) @ counts)


def _shorten(transitions: sparse.csr_matrix) -> sparse.csr_matrix:
    """Keep the likeliest transitions of each row."""
    row, column, value = _best_of_rows(transitions, WALK_NEIGHBOURS)
    return sparse.csr_matrix((value, (row, column)), shape=transitions.shape)


def _smooth(counts: sparse.csr_matrix, walk: sparse.csr_matrix) -> sparse.csr_matrix:
    """Add to the counts of some rows what two steps lead to; in units of the clicks that the prior of a row counts as.

    That is `SMOOTHING_CLICKS`, but no more than the row has: one click says at least as much as where others would go.
    """
    prior = np.clip(_sum_rows(counts) * SMOOTHING_SHARE, 1e-12, SMOOTHING_CLICKS)
    return sparse.diags_array(1.0 / prior) @ counts + WALK_SHARE * (_normalize_rows(counts) @ walk)


def _keep_lifts(
    count: Callable[[slice], sparse.csr_matrix], work: NDArray[np.float64], prior: NDArray[np.float64]
) -> tuple[Neighbours, NDArray[np.float32]]:
    """Return ``log(1 + count / prior)`` of the pairs of each row with the largest counts, blocks of rows at a time.

    Not those with the largest lifts: rare products have these, and what is clicked often is the likelier all the same.
    From each is taken off what the pairs of its row that are not kept have on average, which is returned too: float32
    [rows].

    Args:
        count: counts the pairs of some rows, float64 [rows, products].
        work: float64 [products], pairs that are multiplied for each row.
        prior: float64 [products], above 0, what is expected of each column whatever the row.
    """
    done = np.concatenate(([0.0], np.cumsum(work)))
    lengths, rest = np.zeros(len(work), np.int64), np.zeros(len(work), np.float32)
    neighbours, scores = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    start = 0
    while start < len(work):
        stop = max(int(np.searchsorted(done, done[start] + BLOCK_PAIRS, side="right")) - 1, start + 1)
        found = sparse.coo_matrix(count(slice(start, stop)))
        other = found.col != found.row + start
        at = (found.row[other], found.col[other])
        block = sparse.csr_matrix((found.data[other], at), shape=found.shape)
        row, column, counted = _best_of_rows(block, NEIGHBOURS)
        lift = np.log1p(counted / prior[column])
        rest[start:stop] = _lift_of_rest(block, row, column, counted, prior)
        lift -= rest[row + start]
        order = np.lexsort((column, -lift, row))
        lengths[start:stop] = np.bincount(row, minlength=stop - start)
        neighbours.append(column[order].astype(np.int32))
        scores.append(lift[order].astype(np.float32))
        start = stop
    kept = Neighbours(
        indptr=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        neighbours=np.concatenate(neighbours),
        scores=np.concatenate(scores),
    )
    return kept, rest


def _lift_of_rest(
    block: sparse.csr_matrix,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    counted: NDArray[np.float64],
    prior: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the lift that the pairs of each row have on average which are not kept: float64 [rows], at least 0."""
    rows = block.shape[0]
    kept = np.bincount(row, counted, minlength=rows)
    expected = np.bincount(row, prior[column], minlength=rows)
    rest = _sum_rows(block) - kept
    lift: NDArray[np.float64] = np.log1p(np.maximum(rest, 0.0) / np.maximum(prior.sum() - expected, prior.min()))
    return lift


def _best_of_rows(
    matrix: sparse.csr_matrix, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return row, column and value of the largest entries of each row, largest first, equal ones by column."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    column, value = matrix.indices.astype(np.int64), matrix.data
    keep = np.ones(len(row), np.bool_)
    for line in np.flatnonzero(np.diff(matrix.indptr) > limit).tolist():
        held = slice(int(matrix.indptr[line]), int(matrix.indptr[line + 1]))
        keep[held] = value[held] >= np.partition(value[held], -limit)[-limit]
    row, column, value = row[keep], column[keep], value[keep]
    order = np.lexsort((column, -value, row))
    row, column, value = row[order], column[order], value[order]
    first = np.arange(len(row)) - np.searchsorted(row, row) < limit
    return row[first], column[first], value[first]
