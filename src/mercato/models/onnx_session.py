"""ONNX Runtime on CPU, as every network of Mercato is run by it in process.

The boundary to the library: the one place where its exceptions, which have no common base of their own, become ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from mercato.arrays import Float32
from mercato.errors import ModelError

_ERRORS_ONLY = (
    3  # of ONNX Runtime's severities: its warnings are about the graph, and nobody who serves can act on them
)


class OnnxSession:
    """A network with one output. Safe to run from several threads."""

    def __init__(self, path: Path, *, model: str, output: str, threads: int = 1) -> None:
        """Open an ONNX file so that several processes can share the cores.

        Args:
            path: the file.
            model: the model's name, for messages.
            output: name of the output.
            threads: threads of one run. With 1 the caller's own thread does the work.

        Raises:
            ModelError: ONNX Runtime cannot load the file.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning thread burns the core that the next process needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY
        self._model, self._output = model, output
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:
            raise ModelError(f"{model}: {path} cannot be loaded ({exc}); export it again") from exc

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> Float32:
        """Run the network.

        Args:
            inputs: name -> array.

        Returns:
            The output, float32.

        Raises:
            ModelError: the network refuses the inputs, or fails.
        """
        try:
            result: Float32 = self._session.run([self._output], inputs)[0]
        except Exception as exc:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ModelError(f"{self._model}: ONNX Runtime refused {shapes}: {exc}") from exc
        return result
