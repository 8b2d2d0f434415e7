"""Stages that live in other Triton models: what goes over the wire and comes back.

The call itself is given from outside (`Call`), so that nothing here knows Triton.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from mercato.arrays import Float32
from mercato.errors import InvalidInputError, MercatoError, ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.models.engine.shapes import MAX_BATCH_SIZE, pad_to_bucket
from mercato.models.reranker.pair_tokenizer import PairTokenizer
from mercato.models.stages import EncoderStage
from mercato.requests.retrieval import Bundle, Match, RetrievalRequest, Retrieved, SourceFlags
from mercato.requests.trace import StageTrace
from mercato.requests.written import read_request, write_request
from mercato.retrieval.retriever import Retriever
from mercato.text import TextRole

Arrays = Mapping[str, npt.NDArray[Any]]
Call = Callable[[str, Arrays, Sequence[str]], dict[str, npt.NDArray[Any]]]
"""Runs one inference: model name, inputs by name, names of the outputs wanted; raises ModelError."""

RETRIEVER_OUTPUTS = ("ROWS", "FUSED", "SOURCES", "FEATURES", "HISTORY_VECTOR", "TAIL", "NOTES")


class RemoteEncoder:
    """The encoder behind a call: tokens go out, vectors come back."""

    def __init__(self, call: Call, tokenizer: TextTokenizer, buckets: Sequence[int] = ()) -> None:
        """Make the stage.

        Args:
            call: runs one inference.
            tokenizer: that of the encoder's weights.
            buckets: token counts to pad up to, so that requests of other callers fit into the same batch and a CUDA
                graph; none sends the tokens as they are.
        """
        self._call = call
        self._tokenizer = tokenizer
        self._buckets = buckets

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode texts in one call: float32 [texts, D]."""
        input_ids, attention_mask = self._tokenizer(texts, role)
        tokens = {"input_ids": input_ids, "attention_mask": attention_mask}
        inputs = {name: pad_to_bucket(array, self._buckets) for name, array in tokens.items()}
        vectors: Float32 = self._call("encoder", inputs, ["embedding"])["embedding"]
        return vectors


class SplitEncoder:
    """Two encoders as one: queries in this process, by a network that is small for them, products behind a call."""

    def __init__(self, queries: EncoderStage, products: EncoderStage) -> None:
        """Take the encoder of each role."""
        self._queries, self._products = queries, products

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode texts by the encoder of their role: float32 [texts, D]."""
        return (self._queries if role == "query" else self._products).encode(texts, role)


class RemoteRanker:
    """The ranker behind a call."""

    def __init__(self, call: Call, buckets: Sequence[int] = ()) -> None:
        """Make the stage.

        Args:
            call: runs one inference.
            buckets: candidate counts to pad up to; none sends the lists as they are.
        """
        self._call = call
        self._buckets = buckets

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        """Score candidates in one call; see `mercato.models.stages.RankerStage.score`."""
        lists = {"candidates": candidates, "features": features}
        padded = {name: pad_to_bucket(array, self._buckets) for name, array in lists.items()}
        scores: Float32 = self._call("ranker", {"query": query, "history": history, **padded}, ["score"])["score"]
        return scores[:, : candidates.shape[1]]


class RemoteReranker:
    """The reranker behind a call: pairs go out, scores come back."""

    def __init__(self, call: Call, tokenizer: PairTokenizer, weight: float, buckets: Sequence[int] = ()) -> None:
        """Make the stage.

        Args:
            call: runs one inference.
            tokenizer: that of the reranker.
            weight: of the reranker's manifest.
            buckets: token counts to pad up to; none sends the pairs as they are.
        """
        self._call = call
        self._tokenizer = tokenizer
        self._buckets = buckets
        self.weight = weight

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[Float32]:
        """Score pairs, those of similar length in one call; see `mercato.models.stages.RerankerStage.score`."""
        pairs = self._tokenizer(queries, texts)
        order = np.argsort(pairs.lengths, kind="stable")
        scores = np.empty(len(order), np.float32)
        for start in range(0, len(order), MAX_BATCH_SIZE):
            indices = order[start : start + MAX_BATCH_SIZE]
            part = pairs.take(indices)
            tokens = {
                "input_ids": part.input_ids,
                "attention_mask": part.attention_mask,
                "token_type_ids": part.token_type_ids,
            }
            inputs = {name: pad_to_bucket(array, self._buckets) for name, array in tokens.items()}
            scores[indices] = self._call("reranker", inputs, ["score"])["score"][:, 0]
        bounds = np.cumsum([0, *(len(group) for group in texts)])
        return [scores[first:last] for first, last in zip(bounds, bounds[1:], strict=False)]


class RemoteRetriever:
    """The retriever behind a call."""

    catalog = None
    """It reads its own, in another process."""

    def __init__(self, call: Call) -> None:
        """Make the stage.

        Args:
            call: runs one inference.
        """
        self._call = call

    def retrieve(self, requests: Sequence[RetrievalRequest], vectors: Float32 | None) -> list[Retrieved | MercatoError]:
        """Find candidates in one call; see `mercato.models.stages.RetrieverStage.retrieve`."""
        written = np.array([[write_request(request)] for request in requests], dtype=object)
        inputs: dict[str, npt.NDArray[Any]] = {"REQUEST": written}
        if vectors is not None:
            inputs["QUERY_VECTOR"] = vectors
        outputs = self._call("retriever", inputs, RETRIEVER_OUTPUTS)
        return [_read_outcome(outputs, index) for index in range(len(requests))]


def retrieve_batch(retriever: Retriever, documents: npt.NDArray[np.object_], vectors: Float32 | None) -> Arrays:
    """Answer the retriever's input tensors with its output tensors.

    Args:
        retriever: the retriever of this process.
        documents: object [B, 1], requests as `write_request` wrote them.
        vectors: float32 [B, D] query vectors, or None.

    Returns:
        The tensors of `write_outcomes`.
    """
    outcomes: list[Retrieved | MercatoError] = []
    requests: dict[int, RetrievalRequest] = {}
    for index, document in enumerate(documents[:, 0]):
        try:
            requests[index] = read_request(document)
            outcomes.append(ModelError("retriever: no answer"))
        except InvalidInputError as exc:
            outcomes.append(exc)
    if requests:
        indices = list(requests)
        found = retriever.retrieve(list(requests.values()), None if vectors is None else vectors[indices])
        for index, outcome in zip(indices, found, strict=True):
            outcomes[index] = outcome
    return write_outcomes(outcomes, len(FEATURE_NAMES), retriever.dimension)


def write_outcomes(outcomes: Sequence[Retrieved | MercatoError], feature_count: int, dimension: int) -> Arrays:
    """Write the outcomes of a batch as the retriever's output tensors.

    Lists are padded to the longest of the batch; NOTES says how long each is, or what went wrong.

    Args:
        outcomes: candidates, or the error of a request.
        feature_count: F.
        dimension: D.

    Returns:
        ROWS int32 [B, W], FUSED float32 [B, W], SOURCES uint32 [B, W + T], FEATURES float32 [B, W, F], HISTORY_VECTOR
        float32 [B, D], TAIL int32 [B, T] and NOTES (JSON) [B, 1].
    """
    batch = len(outcomes)
    found = [outcome for outcome in outcomes if isinstance(outcome, Retrieved)]
    widest = max([len(outcome.rows) for outcome in found], default=0) or 1
    longest = max([len(outcome.tail) for outcome in found], default=0) or 1
    arrays: dict[str, npt.NDArray[Any]] = {
        "ROWS": np.full((batch, widest), -1, np.int32),
        "FUSED": np.zeros((batch, widest), np.float32),
        "SOURCES": np.zeros((batch, widest + longest), SourceFlags),
        "FEATURES": np.zeros((batch, widest, feature_count), np.float32),
        "HISTORY_VECTOR": np.zeros((batch, dimension), np.float32),
        "TAIL": np.full((batch, longest), -1, np.int32),
        "NOTES": np.empty((batch, 1), dtype=object),
    }
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, MercatoError):
            arrays["NOTES"][index, 0] = orjson.dumps(_write_error(outcome))
            continue
        width = len(outcome.rows)
        arrays["ROWS"][index, :width] = outcome.rows
        arrays["FUSED"][index, :width] = outcome.fused
        arrays["SOURCES"][index, : len(outcome.sources)] = outcome.sources
        arrays["FEATURES"][index, :width] = outcome.features
        arrays["HISTORY_VECTOR"][index] = outcome.history_vector
        arrays["TAIL"][index, : len(outcome.tail)] = outcome.tail
        stages = {} if outcome.stages is None else {"stages": outcome.stages.write()}
        arrays["NOTES"][index, 0] = orjson.dumps(
            {
                **stages,
                "width": width,
                "tail": len(outcome.tail),
                "total": outcome.total,
                "missing_ids": outcome.missing_ids,
                "degraded": outcome.degraded,
                "relaxed": outcome.relaxed,
                "facets": outcome.facets,
                "corrected_query": outcome.corrected_query,
                "match": outcome.match.value if outcome.match is not None else None,
                "exact": outcome.exact.tolist(),
                "beyond": outcome.beyond,
                "pinned": outcome.pinned.tolist(),
                "bundles": [asdict(bundle) for bundle in outcome.bundles],
                "demoted": outcome.demoted.tolist(),
                "missing_share": outcome.missing_share,
            },
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
    return arrays


def _write_error(error: MercatoError) -> dict[str, str]:
    if isinstance(error, InvalidInputError):
        return {"error": str(error), "parameter": error.parameter}
    return {"error": str(error)}


def _read_outcome(outputs: Arrays, index: int) -> Retrieved | MercatoError:
    notes = orjson.loads(outputs["NOTES"][index, 0])
    if "parameter" in notes:
        return InvalidInputError(notes["parameter"], notes["error"].removeprefix(f"{notes['parameter']}: "))
    if "error" in notes:
        return ModelError(notes["error"])
    width = notes["width"]
    return Retrieved(
        rows=outputs["ROWS"][index, :width],
        fused=outputs["FUSED"][index, :width],
        sources=outputs["SOURCES"][index, : width + notes["tail"]],
        features=outputs["FEATURES"][index, :width],
        history_vector=outputs["HISTORY_VECTOR"][index],
        tail=outputs["TAIL"][index, : notes["tail"]],
        total=notes["total"],
        missing_ids=notes["missing_ids"],
        degraded=notes["degraded"],
        relaxed=notes["relaxed"],
        facets=notes["facets"],
        corrected_query=notes["corrected_query"],
        match=Match(notes["match"]) if notes["match"] is not None else None,
        exact=np.array(notes["exact"], np.int32),
        beyond=notes["beyond"],
        pinned=np.array(notes["pinned"], np.int32),
        demoted=np.array(notes["demoted"], np.float32),
        missing_share=notes["missing_share"],
        stages=StageTrace.read(notes["stages"]) if "stages" in notes else None,
        bundles=tuple(Bundle(**{**bundle, "rows": tuple(bundle["rows"])}) for bundle in notes["bundles"]),
    )
