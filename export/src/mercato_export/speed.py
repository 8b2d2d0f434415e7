"""How fast an exported encoder is: int8 against fp32 ONNX against PyTorch, in one run, on one thread each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato_export.encoder import describe_encoder
from mercato_export.weights import LocatedWeights

BATCH_SIZES = (1, 32)
TEXTS_PER_ROUND = 96

Encode = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], object]


def measure_speed(
    folder: Path, weights: LocatedWeights, texts: Sequence[str], *, rounds: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """Measure CPU milliseconds a text.

    The time is that of the calling thread on the CPU, with the encoders taking turns, each warm. Of each batch the
    least of all rounds counts: no quiet moment longer than one batch is needed. Tokenizing is left out.

    Args:
        folder: what ``mercato export encoder`` wrote.
        weights: what it was made of.
        texts: texts to encode.
        rounds: times that each encoder encodes `TEXTS_PER_ROUND` of them, in each batch size.
        report: called with one line for each result.

    Returns:
        ``ms_per_text`` by encoder and batch size, and ``ratio`` of fp32 and PyTorch to int8.
    """
    torch.set_num_threads(1)
    module = describe_encoder(weights, texts[:2]).module
    int8, fp32 = OnnxEncoder(folder, precision="int8"), OnnxEncoder(folder, precision="fp32")

    def run_torch(input_ids: npt.NDArray[np.int64], attention_mask: npt.NDArray[np.int64]) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(input_ids), torch.from_numpy(attention_mask))

    encoders: dict[str, Encode] = {"int8": int8.embed_tokens, "fp32": fp32.embed_tokens, "pytorch": run_torch}
    chosen = [texts[position] for position in np.linspace(0, len(texts) - 1, TEXTS_PER_ROUND).astype(int)]
    # in no order of length, as queries arrive
    chosen = [chosen[position] for position in np.random.default_rng(0).permutation(len(chosen))]
    batches = {
        size: [int8.tokenizer(chosen[start : start + size]) for start in range(0, len(chosen), size)]
        for size in BATCH_SIZES
    }
    least_ms = {(name, size): np.full(len(feeds), np.inf) for name in encoders for size, feeds in batches.items()}
    for _ in range(rounds):
        for name, encode in encoders.items():
            for size, feeds in batches.items():
                encode(*feeds[-1])  # its weights are in the caches, as they are where it serves alone
                for index, feed in enumerate(feeds):
                    started = time.thread_time()
                    encode(*feed)
                    taken_ms = (time.thread_time() - started) * 1000
                    least_ms[name, size][index] = min(taken_ms, least_ms[name, size][index])
    best = {key: float(least.sum()) / len(chosen) for key, least in least_ms.items()}
    for size in BATCH_SIZES:
        line = ", ".join(f"{name} {best[name, size]:.2f} ms" for name in encoders)
        ratios = ", ".join(f"{best[name, size] / best['int8', size]:.2f} x {name}" for name in ("fp32", "pytorch"))
        report(f"batch {size}: {line} a text; int8 is {ratios}")
    return {
        "texts": len(chosen),
        "tokens_mean": float(np.mean([mask.sum() for _, mask in batches[1]])),
        "rounds": rounds,
        "ms_per_text": {name: {str(size): best[name, size] for size in BATCH_SIZES} for name in encoders},
        "ratio": {
            name: {str(size): best[name, size] / best["int8", size] for size in BATCH_SIZES}
            for name in ("fp32", "pytorch")
        },
    }
