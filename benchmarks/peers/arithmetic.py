"""The floor by arithmetic: what the stages must multiply and read, over what a core of this machine was seen to do.

No program does less than its multiplications at the speed of the best kernel; what a stage takes beyond that is
overhead, or work that is not of this kind. Words, spelling, what matches, features and the writing of answers have no
such floor, and are not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.peers.shop import Shop
from mercato.index.snapshot import Snapshot
from mercato.index.text_product import MARGIN, MOST_TEXTS
from mercato.networks.onnx_graph import Node, write_graph
from mercato.networks.onnx_session import open_session, run_session
from mercato.requests.retrieval import WINDOW

_SIDE = 1024  # of the square matrices that peaks are measured with: in cache, and large enough to hide every overhead
_READ_BYTES = 256 * 2**20  # beyond any cache
_PEAK_SECONDS = 0.4
_SAMPLED_QUERIES = 2_000


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """What one core reached, the best of several tries.

    Attributes:
        int8_macs_per_s: multiplications with addition of bytes, by ONNX Runtime's kernel.
        float32_macs_per_s: of single precision, by the same.
        read_bytes_per_s: from memory.
    """

    int8_macs_per_s: float
    float32_macs_per_s: float
    read_bytes_per_s: float


@dataclass(frozen=True, kw_only=True)
class StageWork:
    """What one stage must do.

    Attributes:
        stage: its name.
        macs: multiplications with addition for a query.
        precision: ``int8`` or ``float32``.
        bytes_per_batch: read from memory once for a batch, however large.
        bytes_per_query: read from memory for each query.
        counted: how these were counted, in words.
    """

    stage: str
    macs: float
    precision: str
    bytes_per_batch: float
    bytes_per_query: float
    counted: str


def repeat_best(work: Callable[[], object], amount: float) -> float:
    """Return the greatest amount a second that repeating some work for a while reached."""
    best, end = 0.0, time.perf_counter() + _PEAK_SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        best = max(best, amount / (time.perf_counter() - begin))
    return best


def measure_peaks() -> Peaks:
    """Measure one core of this machine."""
    rng = np.random.default_rng(0)
    shape = (_SIDE, _SIDE)
    values = rng.integers(0, 127, shape)
    products = (
        ("MatMulInteger", "uint8", np.uint8, np.int8, "int32"),
        ("MatMul", "float32", np.float32, np.float32, "float32"),
    )
    reached = []
    for operator, dtype, of_input, of_weights, of_output in products:
        network = write_graph(
            [Node(operator=operator, inputs=("left", "right"), outputs=("product",))],
            {"right": values.astype(of_weights)},
            {"left": (dtype, shape)},
            {"product": (of_output, shape)},
        )
        session = open_session(network, model="peak", threads=1)
        left = {"left": values.astype(of_input)}
        reached.append(
            repeat_best(lambda s=session, i=left: run_session(s, ["product"], i, model="peak"), float(_SIDE**3))  # type: ignore[misc]
        )
    memory = np.ones(_READ_BYTES // 8, np.uint64)
    read = repeat_best(lambda: np.bitwise_or.reduce(memory), float(_READ_BYTES))
    return Peaks(int8_macs_per_s=reached[0], float32_macs_per_s=reached[1], read_bytes_per_s=read)


def count_weights(network: Path) -> int:
    """Return how many weights a network multiplies by once for each row that passes: those of its matrix products.

    Args:
        network: file of the network in single precision.
    """
    import onnx

    graph = onnx.load(str(network), load_external_data=False).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer if len(tensor.dims) == 2}
    return sum(sizes.get(name, 0) for node in graph.node if node.op_type in ("MatMul", "Gemm") for name in node.input)


def count_tokens(encoder: Path, queries: Sequence[str]) -> float:
    """Return the mean tokens of a query, with those that mark begin and end."""
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_padding()
    encoded = tokenizer.encode_batch(list(queries))
    return sum(len(one.ids) for one in encoded) / max(1, len(encoded))


def count_work(shop: Shop, ranker: Path | None, candidates: int) -> list[StageWork]:
    """Return what the stages of a search must do for one query.

    Args:
        shop: what is served.
        ranker: folder of the exported ranker; None where none is served.
        candidates: vectors that a search wants of the dense index.
    """
    tokens = count_tokens(shop.encoder, shop.queries[:_SAMPLED_QUERIES])
    weights = count_weights(shop.encoder / "model.onnx")
    index = Snapshot(shop.catalog).dense
    texts, dimension = index.count, index.dimension
    work = [
        StageWork(
            stage="encoder",
            macs=tokens * weights,
            precision="int8",
            bytes_per_batch=weights,
            bytes_per_query=0,
            counted=f"{tokens:.1f} tokens of {weights:,} weights",
        )
    ]
    if texts <= MOST_TEXTS:
        near = min(texts, candidates + MARGIN)
        work.append(
            StageWork(
                stage="dense product",
                macs=texts * dimension,
                precision="int8",
                bytes_per_batch=texts * dimension,
                bytes_per_query=0,
                counted=f"{texts:,} texts of {dimension} bytes",
            )
        )
        work.append(
            StageWork(
                stage="dense, in full",
                macs=near * dimension,
                precision="float32",
                bytes_per_batch=0,
                bytes_per_query=4 * near * dimension,
                counted=f"{near} texts of {dimension} numbers",
            )
        )
    if ranker is not None:
        weights = count_weights(ranker / "model.onnx")
        work.append(
            StageWork(
                stage="ranker",
                macs=WINDOW * weights,
                precision="float32",
                bytes_per_batch=4 * weights,
                bytes_per_query=0,
                counted=f"{WINDOW} candidates of {weights:,} weights",
            )
        )
    return work


def find_floor(work: Sequence[StageWork], peaks: Peaks, batches: Sequence[int]) -> list[dict[str, Any]]:
    """Return the least that each stage can take, in microseconds of one core a query.

    A core multiplies while it reads, so the floor is the slower of the two: max(operations / peak, bytes / bandwidth)
    (the roofline model, Williams, Waterman and Patterson 2009). What stays in a core's caches from one batch to the
    next is not read again: there ``computed_us`` alone is the floor.

    Args:
        work: of a query.
        peaks: of a core.
        batches: how many queries share what is read once.
    """
    macs_per_s: Mapping[str, float] = {"int8": peaks.int8_macs_per_s, "float32": peaks.float32_macs_per_s}
    rows = []
    for stage in work:
        computed_us = 1e6 * stage.macs / macs_per_s[stage.precision]
        floors = {}
        for batch in batches:
            read_us = 1e6 * (stage.bytes_per_batch / batch + stage.bytes_per_query) / peaks.read_bytes_per_s
            floors[f"floor_us_at_{batch}"] = round(max(computed_us, read_us), 1)
        rows.append({**asdict(stage), "computed_us": round(computed_us, 1), **floors})
    return rows
