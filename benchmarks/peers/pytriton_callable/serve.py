"""PyTriton with one callable and a worker for each core, or the same callable without a server.

    python -m benchmarks.peers.pytriton_callable.serve SHOP ENCODER PAGE_SIZE GRPC_PORT HTTP_PORT
    python -m benchmarks.peers.pytriton_callable.serve SHOP ENCODER PAGE_SIZE

Runs in the peer's own environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.pipe import serve_pipe
from benchmarks.peers.pytriton_callable.stages import Stages

MODEL = "search"
MOST_BATCHED = 32
QUEUE_DELAY_US = 500


def make_callable(stages: Stages) -> object:
    """Return what PyTriton calls with a batch."""

    def infer(**tensors: Any) -> dict[str, Any]:
        pages = stages.answer([query.decode() for query in tensors["QUERY"][:, 0].tolist()])
        return {"PAGE": np.array(pages, dtype=object)[:, None]}

    return batch(infer)


def serve(workers: list[Stages], grpc_port: int, http_port: int) -> None:
    """Serve until the process is told to end."""
    config = TritonConfig(
        grpc_port=grpc_port,
        http_port=http_port,
        grpc_address="127.0.0.1",
        http_address="127.0.0.1",
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name=MODEL,
            infer_func=[make_callable(worker) for worker in workers],
            inputs=[Tensor(name="QUERY", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="PAGE", dtype=bytes, shape=(1,))],
            config=ModelConfig(
                max_batch_size=MOST_BATCHED,
                batcher=DynamicBatcher(max_queue_delay_microseconds=QUEUE_DELAY_US),
            ),
        )
        triton.serve()


def main(shop: str, encoder: str, page_size: str, *ports: str) -> None:
    """Serve, or answer batches where no port is given."""
    first = Stages(Path(shop), Path(encoder), int(page_size))
    if not ports:
        serve_pipe(first.answer)
        return
    others = [Stages(Path(shop), Path(encoder), int(page_size), first) for _ in range((os.cpu_count() or 1) - 1)]
    serve([first, *others], *map(int, ports))


if __name__ == "__main__":
    main(*sys.argv[1:])
