"""Putting stages together from settings: in this process, or behind calls."""

from __future__ import annotations

import logging
import os

import numpy as np

from mercato.errors import ModelError, StateError
from mercato.features.features import FEATURE_NAMES
from mercato.index.current import CurrentProducts
from mercato.index.live import LiveCatalog
from mercato.index.nearest import TextIndex
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import SourceTuning
from mercato.ingest.catalog import CatalogWriter
from mercato.ingest.events import EventWriter
from mercato.milvus.address import read_token
from mercato.models.encoder.manifest import read_manifest
from mercato.models.encoder.onnx_encoder import TOKENIZER_FILE, OnnxEncoder
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.models.ranker.manifest import RankerManifest, read_ranker_manifest
from mercato.models.ranker.onnx_ranker import OnnxRanker
from mercato.models.reranker import OnnxReranker, PairTokenizer, read_reranker_manifest
from mercato.models.sequence import NextProducts, SequenceModel, read_sequence_manifest
from mercato.models.stages import EncoderStage, RankerStage, RerankerStage, RetrieverStage
from mercato.pipeline.answer import describe_models
from mercato.pipeline.answer_cache import AnswerCache
from mercato.pipeline.call_timeout import DEFAULT_TIMEOUTS_MS, CallTimeout, RerankerTimeout
from mercato.pipeline.pipeline import Pipeline
from mercato.pipeline.remote import Call, RemoteEncoder, RemoteRanker, RemoteReranker, RemoteRetriever, SplitEncoder
from mercato.policy.rules import Rules, read_rules
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.suggest.stored import SnapshotTexts, read_suggestions
from mercato.query.suggest.suggester import Suggester
from mercato.requests.page import parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.shopper_profile import Profiler
from mercato.retrieval.source_weights import ShopWeights, weigh_shop
from mercato.retrieval.sources.sequence import SEQUENCE
from mercato.settings import Settings
from mercato.shards.fan_out import FanOut, ShardAddress
from mercato.shards.http_call import HttpCall
from mercato.shards.messages import ShardAnswerer
from mercato.shards.products import ShardProducts
from mercato.shards.router import ShardRetriever
from mercato.shards.shard import Shard
from mercato.state.store import StateStore, open_state

logger = logging.getLogger(__name__)


def open_state_of(settings: Settings) -> StateStore | None:
    """Open the state store; None where the settings name none."""
    return open_state(settings.state) if settings.state else None


def open_catalog(settings: Settings, state: StateStore | None) -> LiveCatalog:
    """Open the catalogue, for the encoder that is served.

    Raises:
        SnapshotError: it cannot be used, or was built with another encoder.
        ModelError: the encoder's folder cannot be used.
    """
    snapshot = _open_snapshot(settings)
    return LiveCatalog(snapshot, state, open_nearest(settings, snapshot))


def open_nearest(settings: Settings, snapshot: Snapshot) -> TextIndex | None:
    """Open what finds texts in the place of the snapshot's own index; None where the settings name nothing.

    A database that cannot be reached now is asked again later.

    Raises:
        InvalidInputError: its address or its credentials cannot be read.
    """
    if settings.dense is None:
        return None
    from mercato.milvus.texts import open_texts

    return open_texts(
        settings.dense,
        snapshot,
        token=read_token(settings.dense_credentials, os.environ),
        ca=settings.dense_ca,
        timeout_s=settings.dense_timeout_ms / 1000,
    )


def _open_snapshot(settings: Settings) -> Snapshot:
    return Snapshot(settings.catalog, encoder=read_manifest(settings.encoder).serving.identity)


def open_encoder(settings: Settings) -> OnnxEncoder:
    """Open the encoder for this process; its checksums were compared before the server started."""
    return OnnxEncoder(settings.encoder, verify_hashes=False)


def open_encoder_stage(settings: Settings, call: Call | None) -> EncoderStage:
    """Open the encoder stage: behind a call where one is given."""
    if call is None:
        return open_encoder(settings)
    serving = read_manifest(settings.encoder).serving
    tokenizer = TextTokenizer(
        settings.encoder / TOKENIZER_FILE, max_tokens=serving.max_tokens, prefixes=serving.prefixes
    )
    remote = RemoteEncoder(call, tokenizer, settings.buckets.get("encoder", ()))
    return SplitEncoder(open_encoder(settings), remote) if serving.query_identity else remote


def open_ranker(settings: Settings) -> OnnxRanker:
    """Open the ranker for this process.

    Raises:
        ModelError: the settings name none, or it cannot be used.
    """
    if settings.ranker is None:
        raise ModelError("ranker: none is served; train and export one, then start with --ranker DIR")
    return OnnxRanker(settings.ranker)


def read_served_ranker(settings: Settings) -> RankerManifest | None:
    """Read the manifest of the ranker that is served; None where there is no ranker, or it cannot be read."""
    if settings.ranker is None:
        return None
    try:
        return read_ranker_manifest(settings.ranker, FEATURE_NAMES)
    except ModelError:  # the ranker says so itself where it is loaded; answers do without probabilities
        logger.warning("the ranker's manifest cannot be read; answering without probabilities")
        return None


def open_reranker(settings: Settings, *, timeout_s: float = 0.0) -> OnnxReranker:
    """Open the reranker for this process.

    Args:
        settings: what is served.
        timeout_s: seconds of one call; 0 for no end.

    Raises:
        ModelError: the settings name none, or it cannot be used.
    """
    if settings.reranker is None:
        raise ModelError("reranker: none is served; train and export one, then start with --reranker DIR")
    return OnnxReranker(settings.reranker, budget_s=timeout_s)


def open_reranker_stage(settings: Settings, call: Call | None) -> RerankerStage | None:
    """Open the reranker stage with its time limit: behind a call where one is given; None where none is served."""
    if settings.reranker is None:
        return None
    timeout_s = settings.rerank_budget_ms / 1000
    if call is None:
        return open_reranker(settings, timeout_s=timeout_s)
    serving = read_reranker_manifest(settings.reranker).serving
    tokenizer = PairTokenizer(
        settings.reranker / TOKENIZER_FILE, max_tokens=serving.max_tokens, query_tokens=serving.query_tokens
    )
    remote = RemoteReranker(call, tokenizer, serving.weight, settings.buckets.get("reranker", ()))
    return RerankerTimeout(remote, timeout_s)


def open_sequence(settings: Settings) -> SequenceModel:
    """Open the sequence model for this process.

    Raises:
        ModelError: the settings name none, or it cannot be used.
    """
    if settings.sequence is None:
        raise ModelError("sequence: none is served; train and export one, then start with --sequence DIR")
    return SequenceModel(settings.sequence)


def open_next_products(settings: Settings, catalog: LiveCatalog) -> NextProducts | None:
    """Open the sequence model over a catalogue; None where none is served."""
    if settings.sequence is None:
        return None
    return NextProducts(open_sequence(settings), catalog.snapshot.row_by_any_id, catalog.base)


def weigh_sources(settings: Settings, tuning: SourceTuning | None = None) -> ShopWeights:
    """Return the weights of the sources: what the log says, what the sequence model says, the shop's changes.

    Args:
        settings: what is served.
        tuning: what the snapshot says of its sources; None for the defaults.

    Raises:
        ModelError: the sequence model's manifest cannot be used.
        ServerError: the shop's changes name what there is not.
    """
    chosen = None if settings.sequence is None else read_sequence_manifest(settings.sequence).serving.weight
    learned = {} if chosen is None else {SEQUENCE.label: chosen}
    return weigh_shop(tuning or SourceTuning(), {**learned, **settings.source_weights})


def open_retriever(settings: Settings) -> Retriever:
    """Open the retriever for this process."""
    state = open_state_of(settings)
    catalog = open_catalog(settings, state)
    return Retriever(
        catalog, state, weigh_sources(settings, catalog.snapshot.tuning), open_next_products(settings, catalog)
    )


def open_shard_retriever(settings: Settings, catalog: LiveCatalog, queries: QueryAnalyzer) -> ShardRetriever:
    """Open the retriever of a router; documents and vectors of its catalogue are read from the shards from now on.

    Args:
        settings: what is served.
        catalog: the router's.
        queries: reads queries.
    """
    addresses = (settings.shards or "").split(",")
    snapshot = catalog.snapshot
    sizes = np.bincount(snapshot.part.owners, minlength=len(addresses)).tolist()
    shards = [
        ShardAddress(name=address, call=HttpCall(address, timeout_s=settings.shard_timeout_ms / 1000), products=size)
        for address, size in zip(addresses, sizes, strict=True)
    ]
    fan_out = FanOut(shards, answers_in_part=settings.missing_shards == "answer")
    snapshot.read_elsewhere(ShardProducts(snapshot.part, snapshot.manifest.dimension, fan_out))
    return ShardRetriever(catalog, fan_out, queries)


def open_shard(settings: Settings) -> ShardAnswerer:
    """Open what answers a router, for a catalogue that is a shard.

    Raises:
        SnapshotError: it is none, or cannot be used.
    """
    return ShardAnswerer(Shard(open_catalog(settings, None)))


def open_event_writer(settings: Settings) -> EventWriter:
    """Open what writes user events.

    Raises:
        StateError: the settings name no state store, or it cannot be opened.
    """
    return EventWriter(_require_state(settings))


def open_catalog_writer(settings: Settings, call: Call | None = None) -> CatalogWriter:
    """Open what writes product changes; the encoder behind a call where one is given.

    Raises:
        StateError: the settings name no state store, or it cannot be opened.
    """
    state = _require_state(settings)
    return CatalogWriter(CurrentProducts(_open_snapshot(settings), state), state, open_encoder_stage(settings, call))


def _require_state(settings: Settings) -> StateStore:
    state = open_state_of(settings)
    if state is None:
        raise StateError("state: none is served, so nothing can be written; start with --state sqlite:PATH")
    return state


def open_profiler(settings: Settings) -> Profiler:
    """Open what tells what is known of a shopper.

    Raises:
        SnapshotError: the snapshot cannot be used.
        StateError: the settings name no state store, or it cannot be opened.
    """
    state = _require_state(settings)
    return Profiler(open_catalog(settings, state), state)


def open_rules(settings: Settings) -> Rules:
    """Read the shop's rules; none where the settings name no file.

    Raises:
        DataError: the file cannot be used.
    """
    return Rules(read_rules(settings.rules) if settings.rules is not None else None)


def open_suggester(settings: Settings) -> Suggester:
    """Open what completes prefixes: the snapshot's suggestions, past queries and changes where there is a state store.

    Raises:
        SnapshotError: the snapshot cannot be used.
        StateError: the state store cannot be opened.
    """
    state = open_state_of(settings)
    snapshot = SnapshotTexts(settings.catalog) if state is not None else None
    return Suggester(read_suggestions(settings.catalog), state, snapshot=snapshot)


def open_answer_cache(settings: Settings, catalog: LiveCatalog) -> AnswerCache | None:
    """Open what keeps answers; None where the settings give it no memory."""
    if not settings.answer_cache_mb:
        return None
    return AnswerCache(catalog, most_bytes=settings.answer_cache_mb << 20, seconds=settings.answer_cache_s)


def build_pipeline(settings: Settings, call: Call | None = None) -> Pipeline:
    """Build the pipeline of `search` and `recommend`.

    Args:
        settings: what is served.
        call: how to reach the stages as Triton models; None runs them in this process.
    """
    if call is not None:
        call = CallTimeout(call, {**DEFAULT_TIMEOUTS_MS, **settings.stage_budgets_ms})
    state = open_state_of(settings)
    catalog = open_catalog(settings, state)
    queries = QueryAnalyzer(catalog)
    encoder = open_encoder_stage(settings, call)
    retriever: RetrieverStage
    if settings.shards:
        retriever = open_shard_retriever(settings, catalog, queries)
    elif call is None:
        next_products = open_next_products(settings, catalog)
        weights = weigh_sources(settings, catalog.snapshot.tuning)
        retriever = Retriever(catalog, state, weights, next_products, queries)
    else:
        retriever = RemoteRetriever(call)
    ranker: RankerStage | None = None
    if settings.ranker is not None:
        ranker = open_ranker(settings) if call is None else RemoteRanker(call, settings.buckets.get("ranker", ()))
    manifest = read_served_ranker(settings)
    reranker = open_reranker_stage(settings, call)
    pipeline = Pipeline(
        catalog,
        encoder,
        retriever,
        ranker,
        reranker,
        rerank_depth=settings.rerank_depth,
        rules=open_rules(settings),
        calibration=None if manifest is None else manifest.calibration,
        learned_from=describe_models(settings, manifest),
        queries=queries,
        knows_languages=read_manifest(settings.encoder).serving.multilingual,
        cache=open_answer_cache(settings, catalog),
    )
    if call is None:  # behind calls the other models may not be loaded yet; they warm themselves
        pipeline.warm([parse_search({"QUERY": b"warm"}), parse_recommend({"PLACEMENT": b"home-page"})])
    return pipeline
