"""Every declared model on a GPU: engines, PyTorch and the floor, over buckets and batch sizes.

.venv/bin/python -m benchmarks.gpu.encode
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.gpu.engine_runner import EngineRunner
from benchmarks.gpu.floor import Rates, Work, count_work, measure_rates
from benchmarks.gpu.models import load_module, make_inputs
from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from mercato.models.engine.declaration import EngineModel
from mercato.models.engine.machine import read_machine
from mercato.triton_models.registry import ENGINES
from mercato_export.half import halve
from mercato_export.tensorrt_flavour import FLAVOURS

NEEDS = "a GPU"
BATCHES = (1, 8, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One variant at one shape.

    Attributes:
        queries_per_s: with batches started back to back.
        p50_ms: of one batch, waited for.
        p99_ms: of one batch, waited for.
    """

    queries_per_s: float
    p50_ms: float
    p99_ms: float


def main(
    models: Annotated[
        Path, typer.Option(help="folder of models: NAME with the engine, NAME-training with the weights")
    ] = Path("var/models"),
    only: Annotated[list[str] | None, typer.Option(help="a declared model; can be given repeatedly")] = None,
    runs: Annotated[int, typer.Option(min=100, help="batches of each measurement")] = 500,
) -> None:
    """Measure queries per second and p99, CUDA graphs on and off, against PyTorch and the floor."""
    unknown = sorted(set(only or ()) - set(ENGINES))
    if unknown:
        raise BenchmarkError(f"--only: must be one of {', '.join(ENGINES)}, got {unknown[0]!r}")
    if not torch.cuda.is_available():
        raise BenchmarkError("no GPU that PyTorch can use; run this on a machine with one")
    console, device = Console(), torch.device("cuda")
    rates = measure_rates(device)
    console.print(f"{rates.operations_per_s / 1e12:.0f} T operations/s in fp16, {rates.bytes_per_s / 1e9:.0f} GB/s")
    rows: list[dict[str, Any]] = []
    for name, model in ENGINES.items():
        if only and name not in only:
            continue
        try:
            module = load_module(name, models / f"{name}-training")
        except BenchmarkError as exc:
            console.print(f"left out: {exc}", highlight=False, markup=False)
            continue
        rows += measure_model(model, models / name, module, device, rates, runs)
    show(console, rows)
    path = write_record(
        "gpu_encode",
        {
            "gpu": [gpu.name for gpu in read_machine().gpus],
            "torch": torch.__version__,
            "rates": {"operations_per_s": rates.operations_per_s, "bytes_per_s": rates.bytes_per_s},
            "runs": runs,
            "rows": rows,
        },
    )
    console.print(f"wrote {path}")


def measure_model(
    model: EngineModel, folder: Path, module: torch.nn.Module, device: torch.device, rates: Rates, runs: int
) -> list[dict[str, Any]]:
    """Measure every variant of a model at every shape.

    Args:
        model: the declaration.
        folder: holds the engine.
        module: the model in fp32.
        device: the GPU.
        rates: what it was measured to do.
        runs: batches of each measurement.

    Returns:
        A row for each variant and shape: JSON values.
    """
    half = halve(module).to(device)
    rows = []
    for bucket in model.shapes.buckets:
        for batch in BATCHES:
            cpu = make_inputs(model, batch, bucket)
            work = count_work(module, list(cpu.values()))
            inputs = {name: tensor.to(device) for name, tensor in cpu.items()}
            for variant, start in list_variants(model, folder, half, inputs, device):
                measured = measure(start, batch, device, runs)
                rows.append(describe(model.name, variant, bucket, batch, measured, work, rates))
    return rows


def list_variants(
    model: EngineModel, folder: Path, half: torch.nn.Module, inputs: dict[str, torch.Tensor], device: torch.device
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield (name, what starts one batch) of everything that is compared; engines that are there, PyTorch always."""
    arguments = tuple(inputs.values())
    with torch.inference_mode():
        for flavour in FLAVOURS.values():
            engine = folder / flavour.engine_file
            if engine.is_file():
                runner = EngineRunner(engine, model, device)
                yield flavour.name, runner.prepare(inputs, graph=False)[0]
                yield f"{flavour.name}, graph", runner.prepare(inputs, graph=True)[0]
        yield "torch half", lambda: half(*arguments)
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            for _ in range(3):
                half(*arguments)
        torch.cuda.synchronize(device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            half(*arguments)
        yield "torch half, graph", graph.replay


def measure(start: Callable[[], object], batch: int, device: torch.device, runs: int) -> Measured:
    """Time one variant: first each batch by itself, then all of them back to back."""
    taken = np.empty(runs)
    with torch.inference_mode():
        for _ in range(10):
            start()
        torch.cuda.synchronize(device)
        for run in range(runs):
            began = time.perf_counter()
            start()
            torch.cuda.synchronize(device)
            taken[run] = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(runs):
            start()
        torch.cuda.synchronize(device)
        total_s = time.perf_counter() - began
    p50, p99 = np.percentile(taken, (50, 99)) * 1000
    return Measured(queries_per_s=batch * runs / total_s, p50_ms=float(p50), p99_ms=float(p99))


def describe(
    model: str, variant: str, bucket: int, batch: int, measured: Measured, work: Work, rates: Rates
) -> dict[str, Any]:
    """Return one row: what was measured, the floor, and how many times the floor it took."""
    floor_s = work.floor_s(rates)
    return {
        "model": model,
        "variant": variant,
        "bucket": bucket,
        "batch": batch,
        "queries_per_s": round(measured.queries_per_s, 1),
        "p50_ms": round(measured.p50_ms, 4),
        "p99_ms": round(measured.p99_ms, 4),
        "floor_ms": round(floor_s * 1000, 5),
        "times_floor": round(batch / measured.queries_per_s / floor_s, 2),
    }


def show(console: Console, rows: list[dict[str, Any]]) -> None:
    """Show the rows as a table."""
    if not rows:
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)


if __name__ == "__main__":
    run_command(main)
