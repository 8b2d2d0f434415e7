"""Retrieval without a server: how much of the exact answer the dense index finds, and what one query takes.

.venv/bin/python -m benchmarks retrieval
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import summarize, write_record
from benchmarks.harness.store import (
    CATALOG,
    ENCODER,
    RANKER,
    STATE,
    CatalogOption,
    EncoderOption,
    RankerOption,
    RoundsOption,
    StateOption,
    Store,
)
from benchmarks.harness.workload import list_queries
from mercato.arrays import Float32, Int64
from mercato.features.inputs import History
from mercato.index.dense import EF_PER_CANDIDATE, DenseIndex
from mercato.pipeline.factory import open_encoder, open_retriever
from mercato.requests.page import parse_recommend, parse_search
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.context import prepare_context
from mercato.retrieval.histories import HistoryReader
from mercato.retrieval.retriever import HISTORY_LIMIT, Retriever
from mercato.retrieval.sources.base import CANDIDATES, SEARCH_CANDIDATES
from mercato.state import Actor, open_state

NEEDS = "the demo store"

CUTOFF = 100
PERCENTILES = (50, 95, 99)
SEED = 7
WARM_UP_QUERIES = 50


def compute_recall(found: Int64, exact: Int64) -> npt.NDArray[np.float64]:
    """Return per query the share of the exact answer that was found: |found & exact| / |exact|.

    Args:
        found: int64 [queries, k], -1 where fewer were found.
        exact: int64 [queries, k], no -1.

    Returns:
        float64 [queries], 0 to 1.
    """
    return np.array(
        [np.isin(row, answer).sum() / len(row) for answer, row in zip(found, exact, strict=True)], np.float64
    )


def describe_recall(index: DenseIndex, probes: Float32, candidates: int) -> dict[str, float]:
    """Compare what the index finds, walking as far as for so many candidates, with the exact answer.

    Args:
        index: the index.
        probes: float32 [n, D], looked for one at a time.
        candidates: how many the retriever wants of such a request.
    """
    _, exact = index.search_exact(probes, CUTOFF)
    breadth = EF_PER_CANDIDATE * candidates
    found = [index.search(probe[None], CUTOFF, ef_search=breadth)[1] for probe in probes]
    recall = compute_recall(np.concatenate(found), exact)
    return {
        "mean": round(float(recall.mean()), 4),
        "p5": round(float(np.percentile(recall, 5)), 4),
        "min": round(float(recall.min()), 4),
    }


def read_probes(retriever: Retriever, state: Path, count: int) -> Float32:
    """Return what a recommendation looks for, of so many of a store's shoppers: float32 [count, D].

    Raises:
        BenchmarkError: the store has fewer with a history.
    """
    events = open_state(f"sqlite:{state}")
    try:
        users = np.random.default_rng(SEED).permutation(events.event_columns().users)
        reader, asked = HistoryReader(retriever.catalog), parse_recommend({"PLACEMENT": b"home-page"}).retrieval
        probes: list[Float32] = []
        for user in users.tolist():
            [recent] = events.recent_events([Actor(user_id=user)], HISTORY_LIMIT)
            probe = prepare_context(retriever.catalog, asked, reader.read(recent), None).probe
            if probe is not None:
                probes.append(probe)
            if len(probes) == count:
                return np.stack(probes)
    finally:
        events.close()
    raise BenchmarkError(f"state: {len(probes)} shoppers have a history, {count} were asked for; give fewer --queries")


def time_calls(call: Callable[[int], object], count: int) -> npt.NDArray[np.float64]:
    """Return the milliseconds of each call, float64 [count]; the first few are made once before."""
    for number in range(min(WARM_UP_QUERIES, count)):
        call(number)
    taken = np.zeros(count)
    for number in range(count):
        start = time.perf_counter()
        call(number)
        taken[number] = 1000 * (time.perf_counter() - start)
    return taken


def summarize_times(rounds: Sequence[npt.NDArray[np.float64]]) -> dict[str, Any]:
    """Return each percentile's median and range over the rounds, in milliseconds."""
    return {
        f"p{percentile}_ms": summarize([float(np.percentile(taken, percentile)) for taken in rounds], digits=3)
        for percentile in PERCENTILES
    }


def main(
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    rounds: RoundsOption = 3,
    queries: Annotated[int, typer.Option(min=1, help="how many of the store's queries")] = 500,
) -> None:
    """Measure retrieval over the demo store, one query at a time in one thread."""
    console = Console()
    settings = Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker).settings
    texts = list(list_queries()[:queries])
    if len(texts) < queries:
        raise BenchmarkError(f"queries: the store has {len(texts)}, given {queries}")
    stage, retriever = open_encoder(settings), open_retriever(settings)
    index, words = retriever.catalog.snapshot.dense, retriever.catalog.snapshot.words
    requests: list[RetrievalRequest] = [parse_search({"QUERY": text.encode()}).retrieval for text in texts]
    vectors = np.concatenate([stage.encode([text]) for text in texts])
    recall = describe_recall(index, vectors, SEARCH_CANDIDATES)
    recall_of_histories = describe_recall(index, read_probes(retriever, state, queries), CANDIDATES)

    def find(number: int) -> None:
        case = prepare_context(retriever.catalog, requests[number], History.empty(), vectors[number])
        retriever.find([case])

    terms = [retriever.catalog.analyzer.analyze(text) for text in texts]
    steps: dict[str, Callable[[int], object]] = {
        "encode": lambda number: stage.encode([texts[number]]),
        "dense_index": lambda number: index.search(vectors[number : number + 1], CUTOFF),
        "dense_exact": lambda number: index.search_exact(vectors[number : number + 1], CUTOFF),
        "word_index": lambda number: words.scores(terms[number]),
        "words_and_dense": find,
        "words_and_dense_with_features": lambda number: retriever.retrieve(
            [requests[number]], vectors[number : number + 1]
        ),
    }
    times = {
        name: summarize_times([time_calls(step, len(texts)) for _ in range(rounds)]) for name, step in steps.items()
    }
    figures = {
        "rounds": rounds,
        "queries": len(texts),
        "products": retriever.catalog.snapshot.count,
        "distinct_texts": index.count,
        "recall_at_100": recall,
        "recall_at_100_of_histories": recall_of_histories,
        "one_query": times,
    }
    console.print(f"recall@{CUTOFF} against exact: {recall}; of shoppers' histories: {recall_of_histories}")
    for name, percentiles in times.items():
        console.print(f"{name}: { {key: value['median'] for key, value in percentiles.items()} }")
    console.print(f"written: {write_record('retrieval', figures).name}")


if __name__ == "__main__":
    run_command(main)
