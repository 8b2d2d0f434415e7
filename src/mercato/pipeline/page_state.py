"""One request on its way through the stages: what is known of its page so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mercato.arrays import Float32
from mercato.errors import MercatoError
from mercato.policy.ranked import Ranked
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Retrieved
from mercato.understanding.understander import Understanding


@dataclass(kw_only=True, eq=False)
class PageState:
    """A request and what each stage made of it. A stage takes the states of a batch and fills its part of each.

    Attributes:
        page: what is asked for: corrected and extended by the shop's rules before the first stage.
        asked: the same before the offset was counted anew for what is left of the pages before; None where it is.
        corrected_query: what the shopper seems to have meant; empty where the query is fine.
        corrected_applied: it is what was searched.
        understanding: what the query is understood to say; None for a recommendation.
        ruled: a search with the shop's rules and its whole query, before what is understood was made of it.
        vector: float32 [D], the encoder's; zeros without a query; None where the encoder failed.
        error: why there is no answer; such a state goes through no further stage.
        retrieved: the candidates, from retrieval on.
        scores: float32 [w], the ranker's; None where it was not asked or failed.
        reranker_scores: row to the reranker's own score, the best first; empty where it was not asked or failed.
        window_scores: float32 [w], what orders the window: the ranker's scores, blended with the reranker's; None for
            the order of retrieval.
        ranked: the order to show, from ordering on.
        probabilities: row to the probability that the shopper buys it, 0 to 1; empty where nothing can be said.
        explanations: a JSON document for each known product of the page; empty where nobody asked, or it failed.
        degraded: stages that were left out, in their order.
    """

    page: PageRequest
    asked: PageRequest | None = None
    corrected_query: str = ""
    corrected_applied: bool = False
    understanding: Understanding | None = None
    ruled: PageRequest | None = None
    vector: Float32 | None = None
    error: MercatoError | None = None
    retrieved: Retrieved = field(init=False, repr=False)
    scores: Float32 | None = None
    reranker_scores: Mapping[int, float] = field(default_factory=dict)
    window_scores: Float32 | None = None
    ranked: Ranked = field(init=False, repr=False)
    probabilities: Mapping[int, float] = field(default_factory=dict)
    explanations: Sequence[bytes] = ()
    degraded: list[str] = field(default_factory=list)

    def receive(self, outcome: Retrieved | MercatoError) -> None:
        """Take what retrieval answered."""
        if isinstance(outcome, MercatoError):
            self.error = outcome
            return
        self.retrieved = outcome
        self.degraded = list(outcome.degraded)

    @cached_property
    def beyond_rows(self) -> frozenset[int]:
        """The products below the floor, which follow the result; mostly none."""
        found = self.retrieved
        return frozenset(found.tail[len(found.tail) - found.beyond :].tolist()) if found.beyond else frozenset()

    @property
    def shown_rows(self) -> list[int]:
        """The products of the page in order, once they are ordered."""
        rows: list[int] = self.ranked.rows[self.page.offset : self.page.offset + self.page.page_size].tolist()
        return rows


def list_answerable(states: Sequence[PageState]) -> list[PageState]:
    """Return the states that have candidates, possibly none, and no error."""
    return [state for state in states if state.error is None]
