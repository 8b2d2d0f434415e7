"""Training examples: what retrieval found for a request that is known to have ended in a purchase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mercato.features.features import FEATURE_NAMES
from mercato.features.inputs import Context
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress, no_progress
from mercato.requests.retrieval import WINDOW, Placement, RetrievalRequest
from mercato.retrieval.candidates import CandidateSet
from mercato.retrieval.context import RetrievalContext, prepare_context
from mercato.retrieval.retriever import HISTORY_LIMIT, Retriever
from mercato_training.ranker.timeline import Timeline

BATCH = 64
PADDING = -1
FOR_EVER_DAYS = 36_500.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """A request and the products that were bought then.

    Attributes:
        actor: code of the actor.
        time: seconds since 1970 UTC.
        query: position of the query's text; -1 for a recommendation.
        bought: int32, rows of the products; for a search those that the query stands for.
        history_limit: events of the actor's history that are known then, the newest; 0 for an unknown shopper.
        only_new: a recommendation of products that the actor had not bought before.
        device_region: device and region of the request, each empty where nobody knows.
        further: kind of outcome, of :data:`mercato_training.ranker.timeline.FURTHER`, to the rows of the products
            that had it; empty where the log has no such events.
    """

    actor: int
    time: float
    query: int
    bought: NDArray[np.int32]
    history_limit: int = HISTORY_LIMIT
    only_new: bool = False
    device_region: tuple[str, str] = ("", "")
    further: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExampleSet:
    """Candidate lists with features and outcome, padded on the right.

    Attributes:
        rows: int32 [examples, width], in the order of retrieval; -1 is padding.
        features: float32 [examples, width, F].
        bought: bool [examples, width].
        query: int32 [examples], position of the query's text, -1 for a recommendation.
        history: float32 [examples, D], unit length or zeros.
        tasks: what each example was made from.
        further: kind of outcome to bool [examples, width]; empty where the log has none but purchases.
    """

    rows: NDArray[np.int32]
    features: NDArray[np.float32]
    bought: NDArray[np.bool_]
    query: NDArray[np.int32]
    history: NDArray[np.float32]
    tasks: list[Task]
    further: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.rows)

    def select(self, keep: NDArray[np.bool_]) -> ExampleSet:
        """Return the examples of a mask."""
        return ExampleSet(
            rows=self.rows[keep],
            features=self.features[keep],
            bought=self.bought[keep],
            query=self.query[keep],
            history=self.history[keep],
            tasks=[task for task, kept in zip(self.tasks, keep, strict=True) if kept],
            further={kind: hits[keep] for kind, hits in self.further.items()},
        )


class ExampleBuilder:
    """Runs tasks through the real retrieval and features.

    Attributes:
        query_vectors: float32 [texts, D]; zeros for a text that no task has needed.
    """

    def __init__(self, retriever: Retriever, timeline: Timeline, texts: Sequence[str], encoder: TextEncoder) -> None:
        """Make a builder.

        Args:
            retriever: over a catalogue that knows the past alone.
            timeline: the events, in rows of that catalogue.
            texts: distinct query texts.
            encoder: of the catalogue; texts are encoded when a task first needs them.
        """
        self._retriever = retriever
        self._timeline = timeline
        self._texts = texts
        self._encoder = encoder
        self.query_vectors = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
        self._found: dict[int, CandidateSet] = {}

    def build(
        self,
        tasks: Sequence[Task],
        *,
        width: int = WINDOW,
        rng: np.random.Generator | None = None,
        report: Progress = no_progress,
    ) -> ExampleSet:
        """Retrieve candidates and compute features.

        Args:
            tasks: what to build.
            width: longest list. Longer ones keep what was bought and a random sample of the rest.
            rng: for that sample; may be None where ``width`` is the retriever's window.
            report: told of progress.

        Returns:
            One example a task, in order; a list may hold nothing of what was bought.
        """
        self._search(sorted({task.query for task in tasks if task.query >= 0}), report)
        dimension = self._encoder.dimension
        rows = np.full((len(tasks), width), PADDING, dtype=np.int32)
        features = np.zeros((len(tasks), width, len(FEATURE_NAMES)), dtype=np.float32)
        bought = np.zeros((len(tasks), width), dtype=np.bool_)
        history = np.zeros((len(tasks), dimension), dtype=np.float32)
        further = {kind: np.zeros_like(bought) for kind in sorted({kind for task in tasks for kind in task.further})}
        for start in range(0, len(tasks), BATCH):
            report("building examples", start, len(tasks))
            batch = tasks[start : start + BATCH]
            contexts = [self._prepare(task) for task in batch]
            found = self._find(batch, contexts)
            for index, (context, one, columns) in enumerate(
                zip(contexts, found, self._retriever.compute_features(contexts, found), strict=True), start=start
            ):
                candidates = one.fused.rows[:WINDOW]
                hit = np.isin(candidates, tasks[index].bought)
                keep = _sample(hit, width, rng)
                rows[index, : len(keep)] = candidates[keep]
                features[index, : len(keep)] = columns[keep]
                bought[index, : len(keep)] = hit[keep]
                for kind, touched in tasks[index].further.items():
                    further[kind][index, : len(keep)] = np.isin(candidates[keep], touched)
                history[index] = context.history_vector
        query = np.array([task.query for task in tasks], dtype=np.int32)
        return ExampleSet(
            rows=rows,
            features=features,
            bought=bought,
            query=query,
            history=history,
            tasks=list(tasks),
            further=further,
        )

    def _prepare(self, task: Task) -> RetrievalContext:
        is_search = task.query >= 0
        device, region = task.device_region
        request = RetrievalRequest(
            placement=Placement.SEARCH if is_search else Placement.HOME_PAGE,
            text=self._texts[task.query] if is_search else "",
            context=Context(time=task.time, device=device, region=region),
            depth=WINDOW,
            exclude_purchased_days=FOR_EVER_DAYS if task.only_new else 0.0,
        )
        past = self._timeline.history_before(task.actor, task.time, limit=task.history_limit)
        vector = self.query_vectors[task.query] if is_search else None
        return prepare_context(self._retriever.catalog, request, past, vector)

    def _find(self, tasks: Sequence[Task], contexts: Sequence[RetrievalContext]) -> list[CandidateSet]:
        """Find recommendations now; searches were found before, as who searches does not change what is found."""
        indices = [index for index, task in enumerate(tasks) if task.query < 0]
        fresh = dict(zip(indices, self._retriever.find([contexts[index] for index in indices]), strict=True))
        return [fresh[index] if index in fresh else self._found[task.query] for index, task in enumerate(tasks)]

    def _search(self, queries: Sequence[int], report: Progress) -> None:
        missing = [query for query in queries if query not in self._found]
        if missing:
            report("encoding queries", 0, len(missing))
            texts = [self._texts[query] for query in missing]
            self.query_vectors[missing] = self._encoder.encode_many(texts, role="query", workers=2, progress=None)
        nothing = np.zeros(0, dtype=np.int32)
        for start in range(0, len(missing), BATCH):
            report("searching", start, len(missing))
            batch = missing[start : start + BATCH]
            # Before time began nobody has a history.
            contexts = [self._prepare(Task(actor=0, time=-np.inf, query=query, bought=nothing)) for query in batch]
            self._found.update(zip(batch, self._retriever.find(contexts), strict=True))


def _sample(hit: NDArray[np.bool_], width: int, rng: np.random.Generator | None) -> NDArray[np.int64]:
    """Return the positions of a list to keep, in order: all that was bought and a random sample of the rest."""
    if len(hit) <= width:
        return np.arange(len(hit))
    if rng is None:
        raise ValueError(f"width must be at least the list's {len(hit)}, given {width} and no rng to sample with")
    order = np.concatenate((rng.permutation(np.flatnonzero(hit)), rng.permutation(np.flatnonzero(~hit))))
    return np.sort(order[:width])
