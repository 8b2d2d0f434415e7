"""A generated log through the pipeline of this process: imported, indexed and asked for without any option."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pandas as pd

from benchmarks.recommendation.baselines_recommend import Purchases
from benchmarks.recommendation.online_retail_shop import MERCATO, Shop, run_step, train_ranker
from mercato.arrays import Float64, Int64
from mercato.catalog.product import parse_product
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import SourceTuning
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.models.ranker.onnx_ranker import OnnxRanker
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_recommend
from mercato.retrieval.retriever import Retriever
from mercato.state.store import open_state

BATCH = 32
CUTOFF = 10


TRAINING = ("--window-days", "90", "--snapshot-dates", "10", "--searches", "0")
"""Orders have no number, and people come back after about 40 days: the ranker learns from moments."""
SEED = 17


def measure_pipeline(
    past: Purchases, titles: list[str], asked: Int64, right: Int64, folder: Path, encoder: Path, *, ranker: bool = False
) -> tuple[dict[str, Float64], SourceTuning]:
    """Index what is known, ask the home page for each user, and look where the right product stands.

    Args:
        past: what is known.
        titles: of the products.
        asked: int64 [users].
        right: int64 [users], the product that each bought next.
        folder: gets the shop's files.
        encoder: folder of the exported encoder.
        ranker: whether a ranker is trained on the same log, and orders the candidates.

    Returns:
        ``recall@10`` and ``ndcg@10``, float64 [users]; and what was learned of the sources.

    Raises:
        BenchmarkError: the import or a training failed.
    """
    events = pd.DataFrame(
        {
            "event_type": "purchase-complete",
            "time": pd.to_datetime(past.time, unit="s"),
            "user_id": [f"u{user}" for user in past.user.tolist()],
            "product_id": [f"p{product}" for product in past.product.tolist()],
        }
    )
    events.to_parquet(folder / "events.parquet", index=False)
    run_step([*MERCATO, "events", "import", str(folder / "events.parquet"), "--state", f"sqlite:{folder / 'state.db'}"])
    state = open_state(f"sqlite:{folder / 'state.db'}")
    try:
        products = [parse_product({"id": f"p{code}", "title": title}) for code, title in enumerate(titles)]
        build_snapshot(products, state.event_columns(), OnnxEncoder(encoder), folder / "catalog", BuildOptions())
        snapshot = Snapshot(folder / "catalog")
        catalog = LiveCatalog(snapshot, state)
        network = None
        if ranker:
            network = OnnxRanker(train_ranker(Shop(folder=folder, split=""), encoder, seed=SEED, training=TRAINING))
        pipeline = Pipeline(catalog, OnnxEncoder(encoder), Retriever(catalog, state), network)
        context = orjson.dumps({"time": float(past.time.max()) + 1.0})
        ranks: list[float] = []
        for start in range(0, len(asked), BATCH):
            requests = [
                parse_recommend(
                    {
                        "PLACEMENT": b"home-page",
                        "USER_ID": f"u{user}".encode(),
                        "CONTEXT": context,
                        "PAGE_SIZE": CUTOFF,
                    }
                )
                for user in asked[start : start + BATCH].tolist()
            ]
            for answer, product in zip(pipeline.answer(requests), right[start : start + BATCH], strict=True):
                if not isinstance(answer, Answer):
                    raise answer
                place = {product_id: at for at, product_id in enumerate(answer.product_ids)}.get(f"p{product}")
                ranks.append(np.inf if place is None else float(place))
    finally:
        state.close()
    rank = np.array(ranks)
    hit = np.isfinite(rank)
    gain = np.where(hit, 1.0 / np.log2(rank + 2.0), 0.0)
    return {f"recall@{CUTOFF}": hit.astype(np.float64), f"ndcg@{CUTOFF}": gain}, snapshot.tuning
