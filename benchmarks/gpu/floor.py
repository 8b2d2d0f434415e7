"""The time that no implementation can go below: operations over the matrix rate, bytes over the bandwidth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

MATRIX_SIZE = 8192
COPIED_BYTES = 1 << 30
MEASURED_RUNS = 20
HALF_BYTES = 2


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a GPU was measured to do.

    Attributes:
        operations_per_s: floating-point operations of a large product in fp16.
        bytes_per_s: bytes read and written by a large copy.
    """

    operations_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one batch has to do at least.

    Attributes:
        operations: multiplications and additions of its matrix products.
        bytes: weights, inputs and output, each moved once.
    """

    operations: int
    bytes: int

    def floor_s(self, rates: Rates) -> float:
        """Return ``max(operations / rate, bytes / bandwidth)``: the two overlap at best."""
        return max(self.operations / rates.operations_per_s, self.bytes / rates.bytes_per_s)


def count_work(module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> Work:
    """Count the work of one batch.

    Args:
        module: in fp32, on CPU; its weights count with two bytes each.
        inputs: one batch.
    """
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        output = module(*inputs)
    # Of a table of embeddings only the rows of this batch are read.
    tables = [child for child in module.modules() if isinstance(child, torch.nn.Embedding)]
    rows = sum(inputs[0].numel() * table.embedding_dim for table in tables)
    held = sum(parameter.numel() for parameter in module.parameters()) - sum(t.weight.numel() for t in tables)
    moved = sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, output))
    return Work(operations=counter.get_total_flops(), bytes=(held + rows) * HALF_BYTES + moved)


def measure_rates(device: torch.device) -> Rates:
    """Measure a GPU with one product and one copy, both large."""
    left, right = (torch.randn(MATRIX_SIZE, MATRIX_SIZE, device=device, dtype=torch.float16) for _ in range(2))
    source = torch.empty(COPIED_BYTES, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    product_s = _time(lambda: torch.matmul(left, right), device)
    copy_s = _time(lambda: target.copy_(source), device)
    return Rates(operations_per_s=2 * MATRIX_SIZE**3 / product_s, bytes_per_s=2 * COPIED_BYTES / copy_s)


def _time(work: Callable[[], object], device: torch.device) -> float:
    for _ in range(3):
        work()
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    for _ in range(MEASURED_RUNS):
        work()
    torch.cuda.synchronize(device)
    return (time.perf_counter() - started) / MEASURED_RUNS
