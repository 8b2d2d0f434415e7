"""The router's retriever: asks all shards, joins what they found, and goes on as if it had found it itself.

Its catalogue has neither documents nor vectors: fusion, kinds of things, features and all that the pipeline does behind
retrieval run over the joined candidates by the same code, and in the same rows, as in a server of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.errors import InvalidInputError, MercatoError, ModelError
from mercato.features.inputs import History
from mercato.filters import Filter
from mercato.index.facet_counts import FacetCounter
from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.facets import FacetSpec
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.retrieval.candidates import CandidateSet
from mercato.retrieval.context import RetrievalContext, prepare_context
from mercato.retrieval.result import WholeResult
from mercato.retrieval.retriever import Retriever, join_result
from mercato.retrieval.search import fuse_part
from mercato.retrieval.whole import Figures, join_figures
from mercato.shards.facets import join_facets
from mercato.shards.fan_out import FanOut
from mercato.shards.join import join_parts
from mercato.shards.messages import ask_search, read_outcomes
from mercato.shards.shard import ShardFound, ShardSearch

SHARDS = "shards"
"""What is degraded where a shard did not answer."""


@dataclass(kw_only=True)
class _Asked:
    """One search of the shards.

    Attributes:
        search: as it is asked next.
        specs: the facets that it counts.
        said: what each shard said last, by its index.
    """

    search: ShardSearch
    specs: tuple[FacetSpec, ...]
    said: dict[int, Figures | ShardFound | MercatoError] = field(default_factory=dict)

    @property
    def error(self) -> MercatoError | None:
        """What is wrong with it; shards agree about that."""
        return next((one for one in self.said.values() if isinstance(one, MercatoError)), None)

    @property
    def found(self) -> list[ShardFound]:
        """What the shards found; nothing before the last round."""
        return [one for one in self.said.values() if isinstance(one, ShardFound)]


class ShardRetriever:
    """Finds candidates for searches in shards."""

    def __init__(self, catalog: LiveCatalog, shards: FanOut, queries: QueryAnalyzer | None = None) -> None:
        """Make a retriever.

        Args:
            catalog: the router's; without changes.
            shards: what is asked.
            queries: reads queries; None makes one of its own.
        """
        self.catalog = catalog
        self._shards = shards
        self._queries = queries or QueryAnalyzer(catalog)
        self._local = Retriever(catalog, None, queries=self._queries)
        self._whole = WholeResult(FacetCounter(catalog))

    def retrieve(self, requests: Sequence[RetrievalRequest], vectors: Float32 | None) -> list[Retrieved | MercatoError]:
        """Find the candidates of a batch of searches; see `mercato.models.stages.RetrieverStage.retrieve`."""
        outcomes: dict[int, Retrieved | MercatoError] = {}
        contexts: dict[int, RetrievalContext] = {}
        for index, request in enumerate(requests):
            try:
                contexts[index] = self._prepare(request, None if vectors is None else vectors[index])
            except InvalidInputError as exc:
                outcomes[index] = exc
        first = {index: self._list_searches(context, context.request.condition) for index, context in contexts.items()}
        try:
            missing = self._run([one for asked in first.values() for one in asked])
            found = {index: asked for index, asked in first.items() if all(one.found for one in asked)}
            missing |= self._relax(contexts, found)
        except ModelError as exc:
            return [outcomes.get(index, exc) for index in range(len(requests))]
        for index, asked in first.items():
            error = next((one.error for one in asked if one.error is not None), None)
            if error is None and index not in found:
                error = ModelError("shards: none answered to the end; ask again")
            if error is not None:
                outcomes[index] = error
        sets, facets = {}, {}
        for index, asked in found.items():
            contexts[index], sets[index], facets[index] = self._join(contexts[index], asked)
        kept = [contexts[index] for index in sets]
        features = self._local.compute_features(kept, list(sets.values()))
        degraded = [SHARDS] if missing else []
        for (index, one), columns in zip(sets.items(), features, strict=True):
            retrieved = join_result(self.catalog, contexts[index], one, columns, degraded, facets[index])
            outcomes[index] = replace(retrieved, missing_share=self._shards.share(sorted(missing)))
        return [outcomes[index] for index in range(len(requests))]

    def _prepare(self, request: RetrievalRequest, vector: Float32 | None) -> RetrievalContext:
        """Read of a request what is no matter of the shards."""
        if not request.is_search:
            raise InvalidInputError(
                "PLACEMENT", "the router of shards answers searches alone", "ask a server of the whole catalogue"
            )
        if request.explain:
            raise InvalidInputError(
                "OPTIONS.explain", "the router of shards does not explain", "ask a server of the whole catalogue"
            )
        self._whole.check(request)
        plain = RetrievalRequest(placement=request.placement, text=request.text, context=request.context)
        return replace(prepare_context(self.catalog, plain, History.empty(), vector), request=request)

    def _list_searches(self, context: RetrievalContext, condition: Filter | None) -> list[_Asked]:
        """List what is to be asked: the search, and the results that facets without some conditions count.

        Args:
            context: the request.
            condition: its filter; None also where it was dropped.
        """
        request = replace(context.request, condition=condition, strict_filtering=True)
        by_condition: dict[Filter | None, list[FacetSpec]] = {condition: []}
        for spec in context.request.facets:
            of_facet = self._whole.without_excluded(request, spec).condition
            by_condition.setdefault(of_facet, []).append(spec)
        exact = self.catalog.find_code(request.text)
        return [
            _Asked(
                search=ShardSearch(
                    key=uuid4().hex,
                    request=replace(request, condition=one, facets=tuple(specs)),
                    vector=context.probe,
                    exact=exact,
                ),
                specs=tuple(specs),
            )
            for one, specs in by_condition.items()
        ]

    def _run(self, searches: Sequence[_Asked]) -> set[int]:
        """Ask the shards in rounds until each search is done.

        Returns:
            The indexes of the shards that did not answer.
        """
        alive = set(range(len(self._shards.shards)))
        going = list(searches)
        while going and alive:
            asked = [one.search for one in going]
            part = self.catalog.snapshot.part
            answers = self._shards.ask({index: ask_search(part, index + 1, asked) for index in sorted(alive)})
            alive &= answers.keys()
            said = {index: read_outcomes(answer, len(asked)) for index, answer in answers.items()}
            for place, one in enumerate(going):
                one.said = {index: outcomes[place] for index, outcomes in said.items()}
                figures = [told for told in one.said.values() if isinstance(told, Figures)]
                if one.error is None and figures:
                    one.search = replace(one.search, told=[*one.search.told, join_figures(figures)])
            going = [one for one in going if one.error is None and not one.found]
        return set(range(len(self._shards.shards))) - alive

    def _relax(self, contexts: dict[int, RetrievalContext], found: dict[int, list[_Asked]]) -> set[int]:
        """Drop the filters of searches that match nothing with them, where they may go; see `Retriever`."""
        asked = {
            index: self._list_searches(contexts[index], None)
            for index, searches in found.items()
            if contexts[index].request.condition is not None and not contexts[index].request.strict_filtering
            if not any(one.part.total for one in searches[0].found)
        }
        missing = self._run([one for searches in asked.values() for one in searches])
        for index, searches in asked.items():
            allowed = any(one.allowed for one in found[index][0].found)
            if all(one.found for one in searches) and (not allowed or any(one.part.total for one in searches[0].found)):
                found[index] = searches
                contexts[index] = replace(contexts[index], relaxed=True)
        return missing

    def _join(
        self, context: RetrievalContext, asked: Sequence[_Asked]
    ) -> tuple[RetrievalContext, CandidateSet, list[dict[str, Any]]]:
        """Join what shards found of a request: with its pins, its candidates in their order, and its facets."""
        found = asked[0].found
        part = join_parts([one.part for one in found])
        context = replace(context, pinned=np.max([one.pinned for one in found], axis=0))
        fused = fuse_part(self.catalog, self._queries, context, part)
        rows = np.unique(
            np.concatenate([part.rows[part.matching], *(one.sorted for one in found), *(one.boosted for one in found)])
        )
        candidates = self._whole.arrange(context, replace(fused, rows=_as_rows(rows)))
        counted: dict[str, dict[str, Any]] = {}
        for one in asked:
            counted |= _by_key(join_facets(one.specs, [shard.facets for shard in one.found]))
        return context, candidates, [counted[spec.key] for spec in context.request.facets]


def _as_rows(rows: Int32) -> Int32:
    return rows.astype(np.int32)


def _by_key(facets: Sequence[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    return {facet["key"]: facet for facet in facets}
