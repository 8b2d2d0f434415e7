"""A network on PyTorch: one CUDA graph for each bucket and batch size, captured before the first request.

PyTorch is imported where it is used: only a server of the profile ``torch`` loads it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mercato.errors import ModelError
from mercato.models.engine.declaration import EngineModel
from mercato.models.engine.manifest import export_command
from mercato.models.engine.shapes import choose_bucket, pad_to_bucket

if TYPE_CHECKING:
    import torch

PROGRAM_FILE = "model.fp16.pt2"
# Runs before a capture: allocations and the choice of kernels must be over by then.
WARM_RUNS = 3

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class _Graph:
    """A captured graph with the memory it reads and writes."""

    graph: Any
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor


class GraphedNetwork:
    """Runs an exported program. On a GPU through CUDA graphs, on CPU as it is. One caller at a time; others wait.

    Attributes:
        model: the declaration: inputs, buckets and batch sizes.
        device: where it runs.
        captured: (batch size, bucket) of each CUDA graph, in the order of capture.
    """

    def __init__(self, folder: Path, model: EngineModel, *, device: str = "", graphs: bool = True) -> None:
        """Load the program, capture its graphs, and run each shape once.

        Args:
            folder: what ``mercato export MODEL --target torch`` wrote.
            model: the model's declaration.
            device: ``cuda`` or ``cpu``; empty for a GPU where there is one.
            graphs: whether to capture CUDA graphs; has no effect on CPU.

        Raises:
            ModelError: there is no program, or it cannot be loaded.
        """
        import torch
        from torch.export.passes import move_to_device_pass

        self.model = model
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        file = folder / PROGRAM_FILE
        remedy = f"export it: {export_command(model.name, 'torch', folder)}"
        if not file.is_file():
            raise ModelError(f"{model.name}: {file} does not exist; {remedy}")
        try:
            program = torch.export.load(file)
            if self.device.type != "cpu":
                program = move_to_device_pass(program, str(self.device))
            self._module = program.module()
        except Exception as exc:  # torch's loaders raise whatever the file makes them
            raise ModelError(f"{model.name}: {file} cannot be loaded ({exc}); {remedy}") from exc
        self._lock = threading.Lock()
        self._graphs: dict[tuple[int, int], _Graph] = {}
        with torch.inference_mode():
            if graphs and self.device.type == "cuda":
                self._capture_all()
            else:
                # what is compiled or allocated on first use is so before ready
                self._module(*self._make_inputs(1, model.shapes.buckets[0]))

    @property
    def captured(self) -> tuple[tuple[int, int], ...]:
        """(Batch size, bucket) of each CUDA graph."""
        return tuple(self._graphs)

    def run(self, *arrays: Array) -> npt.NDArray[np.float32]:
        """Compute one batch.

        Args:
            arrays: the inputs in the declaration's order, batch axis first; of any length.

        Returns:
            float32 [batch, ...]: the first output. An axis with buckets has the length that came in.

        Raises:
            ModelError: PyTorch refuses the inputs.
        """
        import torch

        batch = len(arrays[0])
        length = max(array.shape[1] for array, tensor in self._pairs(arrays) if self._varies(tensor.axes))
        bucket = choose_bucket(length, self.model.shapes.buckets)
        size = choose_bucket(batch, self.model.shapes.graph_batches)
        graph = self._graphs.get((size, bucket))
        try:
            with self._lock, torch.inference_mode():
                if graph is None:
                    output = self._module(*(torch.from_numpy(array).to(self.device) for array in arrays))
                else:
                    output = self._replay(graph, arrays, size, bucket)
                result: npt.NDArray[np.float32] = output[:batch].cpu().numpy()
        except (RuntimeError, IndexError) as exc:
            raise ModelError(f"{self.model.name}: PyTorch refused {[array.shape for array in arrays]}: {exc}") from exc
        return result[:, :length] if self._varies(self.model.outputs[0].axes) else result

    def _pairs(self, arrays: Sequence[Array]) -> Any:
        return zip(arrays, self.model.inputs, strict=True)

    def _varies(self, axes: Sequence[int | str]) -> bool:
        return self.model.shapes.axis in axes

    def _make_inputs(self, size: int, bucket: int) -> tuple[torch.Tensor, ...]:
        import torch

        types = {"INT64": torch.int64, "FP32": torch.float32}
        return tuple(
            torch.zeros((size, *tensor.dims(bucket)), dtype=types[tensor.data_type], device=self.device)
            for tensor in self.model.inputs
        )

    def _capture_all(self) -> None:
        import torch

        # The largest first: what is smaller fits into its memory pool.
        pool = None
        for bucket in reversed(self.model.shapes.buckets):
            for size in reversed(self.model.shapes.graph_batches):
                captured = self._capture(size, bucket, pool)
                pool = captured.graph.pool()
                self._graphs[size, bucket] = captured
        torch.cuda.synchronize(self.device)

    def _capture(self, size: int, bucket: int, pool: Any) -> _Graph:
        import torch

        inputs = self._make_inputs(size, bucket)
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_RUNS):
                self._module(*inputs)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            output = self._module(*inputs)
        return _Graph(graph=graph, inputs=inputs, output=output)

    def _replay(self, graph: _Graph, arrays: Sequence[Array], size: int, bucket: int) -> torch.Tensor:
        import torch

        for given, tensor, static in zip(arrays, self.model.inputs, graph.inputs, strict=True):
            padded = pad_to_bucket(given, (bucket,)) if self._varies(tensor.axes) else given
            # Rows above the batch keep what an earlier batch left: rows do not see each other.
            static[: len(padded)].copy_(torch.from_numpy(np.ascontiguousarray(padded)))
        graph.graph.replay()
        return graph.output
