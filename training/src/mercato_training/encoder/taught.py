"""What the encoder is taught: queries with products that answer each, and others that its lists take for answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mercato.arrays import Float32, Int32
from mercato.evaluation.folds import FOLDS, fold_of
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.models.reranker import write_product_text
from mercato.models.stages import RerankerStage
from mercato.progress import Progress, no_progress
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.sources.words import require_words
from mercato.retrieval.word_match import WordMatches, match_words
from mercato_training.encoder.catalog_queries import draw_catalog_queries
from mercato_training.reranker.events import Behaviour
from mercato_training.reranker.groups import ProductTexts

Origin = Literal["ratings", "log", "catalogue"]
Ratings = Mapping[str, Mapping[str, int]]

VALIDATION_EVERY = 6
"""Every so many of the queries of an origin decides when to stop."""
ANSWERS = 200
"""Most products that answer a query of the catalogue's own: as many as a search takes from each of its lists."""
RIVALS = 50
"""Hard negatives that a query takes from the top of each list."""
SHARE_TEMPERATURE = 0.05
"""Of the softmax over cosines that says what each answer of a catalogue's own query counts; that of the loss."""
TEACHER_PRODUCTS = 16
"""Products of a query that a reranker scores, half of them answers."""
BATCH = 256


@dataclass(frozen=True, kw_only=True)
class EncoderDataOptions:
    """What the encoder learns from.

    Attributes:
        queries: of the catalogue's own that are made; 0 for none. As many of the log are taken.
        folds: folds of all queries, by a hash of their text.
        fold: the fold that is held back: nothing is learned of its queries, and the encoder is judged on them.
        seed: of every draw.
    """

    queries: int = 5000
    folds: int = FOLDS
    fold: int = 0
    seed: int = 17


@dataclass(frozen=True, kw_only=True)
class TaughtQuery:
    """A query and what is known of products for it.

    Attributes:
        query: its text.
        origin: who says so.
        vector: float32 [D], of the encoder in use.
        rows: int32 [n], products that answer it.
        shares: float32 [n], how much each counts; they sum up to 1.
        rivals: int32 [m], products at the top of the word list or of the dense list that are no known answers.
        ratings: rating by row; of the catalogue's own queries 1 for each answer and 0 for each rival.
        read: int32 [r], products that a teacher read, of both kinds.
        taught: float32 [r], the teacher's scores of them.
    """

    query: str
    origin: Origin
    vector: Float32
    rows: Int32
    shares: Float32
    rivals: Int32
    ratings: Mapping[int, int]
    read: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    taught: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True, kw_only=True)
class EncoderData:
    """Everything that a training of the encoder needs.

    Attributes:
        train: queries to learn from.
        validation: others, that decide when to stop.
        held_back: queries of the fold that is left out, of every origin.
        counts: what was read and what was left out.
    """

    train: list[TaughtQuery]
    validation: list[TaughtQuery]
    held_back: list[TaughtQuery]
    counts: Mapping[str, int]


def prepare_taught(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    options: EncoderDataOptions,
    *,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    reranker: RerankerStage | None = None,
    report: Progress = no_progress,
) -> EncoderData:
    """Gather queries of ratings, of the log and of the catalogue, each with its answers and rivals.

    A query of several origins counts as that of the first of them: people know better than shoppers' clicks, and these
    better than the words of a title.

    Args:
        catalog: the products.
        encoder: that of the catalogue.
        options: how many, and which fold is held back.
        ratings: query -> product id -> rating.
        behaviour: what shoppers did after their searches.
        reranker: scores answers and rivals of the queries that are learned from; None for none.
        report: told of progress.
    """
    rng = np.random.default_rng(options.seed)
    texts = ProductTexts(catalog)
    known, counts = _name_rows(catalog, ratings or {})
    asked: dict[str, tuple[Origin, Mapping[int, int]]] = {query: ("ratings", rated) for query, rated in known.items()}
    for query, answered in _most_first(behaviour)[: max(1, options.queries)]:
        asked.setdefault(query, ("log", answered))
    report("reading titles", 0, 1)
    documents = [texts.document(row) for row in range(catalog.base)] if options.queries else []
    for query in draw_catalog_queries(documents, options.queries, rng):
        asked.setdefault(query, ("catalogue", {}))
    taught = _find_products(catalog, encoder, asked, report)
    held_back = [one for one in taught if fold_of(one.query, options.folds) == options.fold]
    left = [one for one in taught if fold_of(one.query, options.folds) != options.fold]
    validation = [one for origin in ("ratings", "log", "catalogue") for one in _of(left, origin)[::VALIDATION_EVERY]]
    stopping = {one.query for one in validation}
    train = [one for one in left if one.query not in stopping]
    if reranker is not None:
        train = _ask_teacher(train, reranker, texts, rng, report)
        validation = _ask_teacher(validation, reranker, texts, rng, report)
    origins = {f"{origin}_queries": len(_of(taught, origin)) for origin in ("ratings", "log", "catalogue")}
    return EncoderData(train=train, validation=validation, held_back=held_back, counts=counts | origins)


def _of(taught: Sequence[TaughtQuery], origin: str) -> list[TaughtQuery]:
    return [one for one in taught if one.origin == origin]


def _name_rows(catalog: LiveCatalog, ratings: Ratings) -> tuple[dict[str, dict[int, int]], dict[str, int]]:
    """Return ratings by row; those of products that the catalogue lacks are counted and left out."""
    rows = {query: {catalog.row_of(product): r for product, r in rated.items()} for query, rated in ratings.items()}
    known = {query: {row: r for row, r in rated.items() if row >= 0} for query, rated in rows.items()}
    unknown = sum(map(len, ratings.values())) - sum(map(len, known.values()))
    return {query: rated for query, rated in known.items() if rated}, {"ratings_of_unknown_products": unknown}


def _most_first(behaviour: Behaviour | None) -> list[tuple[str, Mapping[int, int]]]:
    answered = behaviour.answered if behaviour is not None else {}
    return sorted(answered.items(), key=lambda one: (-sum(one[1].values()), one[0]))


def _find_products(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    asked: Mapping[str, tuple[Origin, Mapping[int, int]]],
    report: Progress,
) -> list[TaughtQuery]:
    """Ask both lists for each query; queries that nothing answers are left out."""
    queries = QueryAnalyzer(catalog)
    snapshot = catalog.snapshot
    taught: list[TaughtQuery] = []
    names = list(asked)
    for start in range(0, len(names), BATCH):
        part = names[start : start + BATCH]
        vectors = encoder.encode_many(part, role="query", workers=1, progress=None)
        _, near = snapshot.dense.search(vectors, RIVALS)
        for query, vector, found in zip(part, vectors, near, strict=True):
            origin, ratings = asked[query]
            words = match_words(queries.read(query), snapshot.words)
            # one product of each text: others of the same text have its vector
            dense = snapshot.texts.rows[snapshot.texts.bounds[found[found >= 0]]].astype(np.int32)
            lists = np.concatenate([words.select_best(RIVALS), dense])
            one = _teach(catalog, query, origin, vector, ratings, words, lists)
            if one is not None:
                taught.append(one)
        report("asking both lists", min(start + BATCH, len(names)), len(names))
    return taught


def _teach(
    catalog: LiveCatalog,
    query: str,
    origin: Origin,
    vector: Float32,
    ratings: Mapping[int, int],
    words: WordMatches,
    lists: Int32,
) -> TaughtQuery | None:
    """Say what answers a query: what was rated or done, by gain; else what holds its words, by the old cosine."""
    if origin == "catalogue":
        enough = words.held >= min(require_words(words.size), float(words.held.max(initial=0.0)))
        best = np.argsort(-words.scores[enough], kind="stable")[:ANSWERS]
        rows = words.rows[enough][best].astype(np.int32)
        weights = _softmax(catalog.vectors(rows) @ vector / SHARE_TEMPERATURE)
    else:
        rows = np.array([row for row, rating in ratings.items() if rating > 0], np.int32)
        weights = np.exp2([ratings[row] for row in rows.tolist()]).astype(np.float32) - 1
    if not len(rows):
        return None
    rivals = np.setdiff1d(lists, rows).astype(np.int32)
    known = ratings or {**dict.fromkeys(rivals.tolist(), 0), **dict.fromkeys(rows.tolist(), 1)}
    return TaughtQuery(
        query=query,
        origin=origin,
        vector=vector,
        rows=rows,
        shares=(weights / weights.sum()).astype(np.float32),
        rivals=rivals,
        ratings=known,
    )


def _softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    raised: NDArray[np.float32] = np.exp(values - values.max(initial=-np.inf))
    return raised / max(float(raised.sum()), 1e-30)


def _ask_teacher(
    taught: Sequence[TaughtQuery],
    reranker: RerankerStage,
    texts: ProductTexts,
    rng: np.random.Generator,
    report: Progress,
) -> list[TaughtQuery]:
    """Let a reranker score some answers and rivals of each query."""
    scored = []
    for position, one in enumerate(taught):
        half = TEACHER_PRODUCTS // 2
        read = np.concatenate([rng.permutation(rows)[:half] for rows in (one.rows, one.rivals)]).astype(np.int32)
        written = [write_product_text(texts.document(row)) for row in read.tolist()]
        [scores] = reranker.score([one.query], [written])
        kept = np.isfinite(scores)
        scored.append(replace(one, read=read[kept], taught=scores[kept].astype(np.float32)))
        report("asking the teacher", position + 1, len(taught))
    return scored
