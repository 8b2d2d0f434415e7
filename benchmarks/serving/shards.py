"""Shards of a catalogue behind a router, in one process: whether they answer as the whole does, and what it costs.

    .venv/bin/python -m benchmarks shards                                       # the demo store in 1, 3 and 9 shards
    .venv/bin/python -m benchmarks shards --catalog var/icecat/catalog --ranker none --cuts 3

Messages go through as bytes, a search at a time, so that the processor time of the router, of a shard, and what is sent
are told apart; the network and the servers around are left out. How a shard's time grows with its products is what
`python -m benchmarks scale` counts with.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import CATALOG, ENCODER, RANKER, CatalogOption, EncoderOption
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.models.ranker.onnx_ranker import OnnxRanker
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from mercato.shards.cut import ROUTER, cut_snapshot
from mercato.shards.fan_out import FanOut, ShardAddress
from mercato.shards.messages import answer_message
from mercato.shards.products import ShardProducts
from mercato.shards.router import ShardRetriever
from mercato.shards.shard import Shard

NEEDS = "the demo store, and twice its space in the folder for temporary files"
PAGE_SIZE = 10
SEED = 7
SCORE_TOLERANCE = 1e-5
NONE = "none"


class MeteredShard:
    """A shard that counts its processor time and the bytes of its messages."""

    def __init__(self, folder: Path) -> None:
        """Open the shard."""
        self._shard = Shard(LiveCatalog(Snapshot(folder), None))
        self.products = self._shard.catalog.base
        self.seconds, self.messages, self.bytes_in, self.bytes_out = 0.0, 0, 0, 0

    def call(self, message: bytes) -> bytes:
        """Answer a message."""
        began = time.thread_time()
        reply = answer_message(self._shard, message)
        self.seconds += time.thread_time() - began
        self.messages += 1
        self.bytes_in += len(message)
        self.bytes_out += len(reply)
        return reply


def draw_queries(snapshot: Snapshot, count: int) -> list[str]:
    """Draw queries: the first one to three words of titles of products drawn at random."""
    rows = np.random.default_rng(SEED).choice(snapshot.count, count, replace=False)
    titles = [json.loads(snapshot.documents.document(row))["title"].split() for row in rows.tolist()]
    return [" ".join(title[: 1 + number % 3]) for number, title in enumerate(titles)]


def ask(pipeline: Pipeline, query: str) -> tuple[Answer, float]:
    """Ask alone; returns the answer and the seconds of processor time that all threads took for it."""
    # Of one moment: what is new, and so the ranker's scores, change with the hour.
    request = parse_search({"QUERY": query.encode(), "PAGE_SIZE": PAGE_SIZE, "CONTEXT": b'{"time": 1700000000}'})
    began = time.process_time()
    [answer] = pipeline.answer([request])
    seconds = time.process_time() - began
    if not isinstance(answer, Answer):
        raise answer
    return answer, seconds


def is_same(one: Answer, other: Answer) -> bool:
    """Tell whether two answers are the same, but for what tells them apart and how long they took."""
    details = [json.loads(answer.details) for answer in (one, other)]
    for document in details:
        del document["timings"], document["token"]
    close = len(one.scores) == len(other.scores) and np.allclose(one.scores, other.scores, atol=SCORE_TOLERANCE)
    return close and one.product_ids == other.product_ids and details[0] == details[1]


def measure_files(folder: Path, products: int) -> dict[str, float]:
    """Return the bytes a product of each file of a snapshot."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): round(path.stat().st_size / products, 1) for path in paths}


def measure_cut(
    cut: Path, encoder: OnnxEncoder, ranker: OnnxRanker | None, queries: Sequence[str], wanted: Sequence[Answer]
) -> dict[str, Any]:
    """Ask a router of a cut; see the module."""
    catalog = LiveCatalog(Snapshot(cut / ROUTER), None)
    part = catalog.snapshot.part
    shards = [MeteredShard(cut / str(number)) for number in range(1, part.shards + 1)]
    addresses = [ShardAddress(name=str(n), call=one.call, products=one.products) for n, one in enumerate(shards)]
    fan_out = FanOut(addresses, answers_in_part=False)
    catalog.snapshot.read_elsewhere(ShardProducts(part, catalog.snapshot.manifest.dimension, fan_out))
    routed = Pipeline(catalog, encoder, ShardRetriever(catalog, fan_out), ranker)
    ask(routed, queries[0])  # the first reads indexes from disk
    for shard in shards:
        shard.seconds, shard.messages, shard.bytes_in, shard.bytes_out = 0.0, 0, 0, 0
    answers, seconds = zip(*(ask(routed, query) for query in queries), strict=True)
    count, in_shards = len(queries), sum(shard.seconds for shard in shards)
    return {
        "shards": part.shards,
        "products_a_shard": round(part.products / part.shards),
        "queries": count,
        "same_answers": sum(is_same(*pair) for pair in zip(wanted, answers, strict=True)),
        "cpu_ms_a_query": {
            "router": round((sum(seconds) - in_shards) / count * 1e3, 3),
            "a_shard": round(in_shards / len(shards) / count * 1e3, 3),
        },
        "messages_a_query_and_shard": round(sum(shard.messages for shard in shards) / len(shards) / count, 2),
        "kilobytes_a_query_and_shard": {
            "sent": round(sum(shard.bytes_in for shard in shards) / len(shards) / count / 1e3, 2),
            "received": round(sum(shard.bytes_out for shard in shards) / len(shards) / count / 1e3, 2),
        },
        "bytes_a_product": {
            "router": measure_files(cut / ROUTER, part.products),
            "first_shard": measure_files(cut / "1", shards[0].products),
        },
    }


def main(
    catalog: CatalogOption = CATALOG,
    encoder: EncoderOption = ENCODER,
    ranker: Annotated[str, typer.Option(help="folder of the exported ranker; none")] = str(RANKER),
    queries: Annotated[int, typer.Option(min=1, help="how many are asked")] = 200,
    cuts: Annotated[str, typer.Option(help="numbers of shards, in turn")] = "1,3,9",
    record: Annotated[str, typer.Option(help="name of the record")] = "shards",
) -> None:
    """Compare shards with the whole."""
    console = Console()
    own_encoder = OnnxEncoder(encoder, verify_hashes=False)
    own_ranker = None if ranker == NONE else OnnxRanker(Path(ranker))
    whole = LiveCatalog(Snapshot(catalog), None)
    pipeline = Pipeline(whole, own_encoder, Retriever(whole, None), own_ranker)
    asked = draw_queries(whole.snapshot, queries)
    ask(pipeline, asked[0])
    answers, seconds = zip(*(ask(pipeline, query) for query in asked), strict=True)
    figures: dict[str, Any] = {
        "products": whole.base,
        "texts": whole.snapshot.dense.count,
        "whole": {
            "cpu_ms_a_query": round(sum(seconds) / len(asked) * 1e3, 3),
            "bytes_a_product": measure_files(whole.snapshot.folder, whole.base),
        },
        "cuts": [],
    }
    for number in map(int, cuts.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            cut_snapshot(catalog, Path(folder) / "cut", number)
            figures["cuts"].append(measure_cut(Path(folder) / "cut", own_encoder, own_ranker, asked, answers))
        console.print({key: value for key, value in figures["cuts"][-1].items() if key != "bytes_a_product"})
    console.print(f"the whole: {figures['whole']['cpu_ms_a_query']} ms of CPU a query")
    console.print(f"written: {write_record(record, figures).name}")


if __name__ == "__main__":
    run_command(main)
