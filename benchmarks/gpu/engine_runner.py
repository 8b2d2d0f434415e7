"""Runs an engine from Python, without a server: what is measured is the engine and nothing around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.command import BenchmarkError
from mercato.models.engine.declaration import EngineModel
from mercato.models.engine.manifest import read_engine_manifest
from mercato_export.tensorrt_flavour import FLAVOURS

TYPES = {"INT64": torch.int64, "FP32": torch.float32}


class EngineRunner:
    """An engine with its buffers on a GPU.

    Attributes:
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        version: of the library that runs it.
    """

    def __init__(self, engine: Path, model: EngineModel, device: torch.device) -> None:
        """Load an engine.

        Args:
            engine: the engine's file, its manifest beside it.
            model: the declaration.
            device: the GPU.

        Raises:
            BenchmarkError: this GPU or this library does not take it.
        """
        self._model = model
        self._device = device
        self.flavour = read_engine_manifest(engine, model.name).flavour
        library = FLAVOURS[self.flavour].load()
        self.version = str(library.__version__)
        self._runtime = library.Runtime(library.Logger(library.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(engine.read_bytes())
        if self._engine is None:
            raise BenchmarkError(f"{engine}: {self.flavour} {self.version} does not load it on this GPU")
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def prepare(self, inputs: dict[str, torch.Tensor], *, graph: bool) -> tuple[Callable[[], None], torch.Tensor]:
        """Make one batch ready to run.

        Args:
            inputs: the batch, on the GPU; read again at each run.
            graph: whether to capture a CUDA graph and replay it.

        Returns:
            What starts one run, and the output it writes; synchronise the device to wait for it.
        """
        first = next(iter(inputs.values()))
        context = self._engine.create_execution_context()
        profile = self._find_profile(inputs)
        context.set_optimization_profile_async(profile, self._stream.cuda_stream)
        self._stream.synchronize()
        for name, tensor in inputs.items():
            context.set_input_shape(name, tuple(tensor.shape))
            context.set_tensor_address(name, tensor.data_ptr())
        declared = self._model.outputs[0]
        output = torch.empty(
            tuple(context.get_tensor_shape(declared.name)), dtype=TYPES[declared.data_type], device=self._device
        )
        context.set_tensor_address(declared.name, output.data_ptr())

        def enqueue() -> None:
            if not context.execute_async_v3(self._stream.cuda_stream):
                raise BenchmarkError(f"{self._model.name}: a batch of {tuple(first.shape)} failed")

        for _ in range(3):
            enqueue()
        self._stream.synchronize()
        if not graph:
            return enqueue, output
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured, stream=self._stream):
            enqueue()

        def replay() -> None:
            # holds the context, whose memory the graph uses
            _ = context
            captured.replay()

        return replay, output

    def _find_profile(self, inputs: dict[str, torch.Tensor]) -> int:
        for number in range(self._engine.num_optimization_profiles):
            if all(self._holds(number, name, tensor) for name, tensor in inputs.items()):
                return number
        shapes: dict[str, Any] = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
        raise BenchmarkError(f"{self._model.name}: no profile of the engine holds {shapes}")

    def _holds(self, number: int, name: str, tensor: torch.Tensor) -> bool:
        least, _, most = self._engine.get_tensor_profile_shape(name, number)
        return all(low <= length <= high for low, length, high in zip(least, tensor.shape, most, strict=True))
