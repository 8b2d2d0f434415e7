"""How much a search's score says of the kind that was asked for beside what purchases taught.

A network that learned from purchases orders the products of a kind well, and is now and then led to another kind by
what is popular or holds a rare word. It is asked the searches that were kept from it, and what their kind counts is
raised until hardly any that retrieval leads rightly is led wrongly by the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato_export.networks.ranker import RankerNetwork
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.fit import Vectors, compute_scores, find_kinds

STRENGTHS = (0.0, 5.0, 10.0, 20.0, 40.0)
"""What a lack of 1 in kind may cost, in deviations of the scores of a list."""
MADE_WRONG = 0.025
"""Of the searches that retrieval leads rightly the network may lead so many wrongly. Made-up searches are led astray
more easily than those of shoppers: where it is 2.2 % of them, it is 1 % of ordinary ones (docs/decisions/0032)."""
LEAST_SEARCHES = 50
"""Fewer searches that retrieval leads rightly say nothing."""


@dataclass(frozen=True, kw_only=True)
class KindWeight:
    """What the kind counts, and what of that was measured.

    Attributes:
        weight: what a kind that fits better by 1 counts in the score.
        searches: how many searches retrieval leads rightly, of those that were kept from the network.
        made_wrong: the share of them that the network leads wrongly without the weight.
        made_wrong_kept: the same with it.
    """

    weight: float = 0.0
    searches: int = 0
    made_wrong: float = 0.0
    made_wrong_kept: float = 0.0


def choose_kind_weight(network: RankerNetwork, examples: ExampleSet, vectors: Vectors) -> KindWeight:
    """Choose the least of `STRENGTHS`, times the median deviation, that makes at most `MADE_WRONG` wrong.

    The strongest where none does; nothing where there are too few searches, or no category is known.

    Args:
        network: the trained network.
        examples: whole lists that it did not learn from, in the order of retrieval.
        vectors: of their products and queries.
    """
    right = find_kinds(examples, network.config.feature_names)
    led = right.any(axis=1) & right[:, 0] & (~right & (examples.rows >= 0)).any(axis=1)
    count = int(np.count_nonzero(led))
    if count < LEAST_SEARCHES:
        return KindWeight(searches=count)
    searches, right = examples.select(led), right[led]
    listed = searches.rows >= 0
    scores = compute_scores(network, searches, vectors)
    fit = network.fit_kinds(searches.features)
    deviation = float(np.median([one[here].std() for one, here in zip(scores, listed, strict=True)]))
    wrong = [_share_led_wrong(scores + strength * deviation * fit, right) for strength in STRENGTHS]
    chosen = next((index for index, share in enumerate(wrong) if share <= MADE_WRONG), len(STRENGTHS) - 1)
    return KindWeight(
        weight=STRENGTHS[chosen] * deviation, searches=count, made_wrong=wrong[0], made_wrong_kept=wrong[chosen]
    )


def _share_led_wrong(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    return float(np.mean(~right[np.arange(len(scores)), scores.argmax(axis=1)]))
