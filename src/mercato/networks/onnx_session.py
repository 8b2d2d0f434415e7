"""ONNX Runtime on CPU, as every network of Mercato is run by it in process, by servers and by the exporter.

The boundary to the library: the one place where its exceptions, which have no common base of their own, become ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from mercato.arrays import Float32
from mercato.errors import ModelError

# Of ONNX Runtime's severities: its warnings are about the graph, and nobody who serves can act on them.
_ERRORS_ONLY = 3
_FATAL_ONLY = 4


def open_session(
    network: Path | bytes, *, model: str, threads: int | None = None, quiet: bool = False
) -> ort.InferenceSession:
    """Open a network so that several processes can share the cores.

    Args:
        network: an ONNX file, or what would stand in one.
        model: the model's name, for messages.
        threads: threads of one run. With 1 the caller's own thread does the work; None takes every core.
        quiet: whether ONNX Runtime writes no errors of its own to standard error; exceptions say them anyway.

    Returns:
        The session; `run_session` runs it.

    Raises:
        ModelError: ONNX Runtime cannot load the network.
    """
    options = ort.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread burns the core that the next process needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY if quiet else _ERRORS_ONLY
    content = network if isinstance(network, bytes) else str(network)
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        what = f"a graph of {len(network)} bytes" if isinstance(network, bytes) else network
        raise ModelError(f"{model}: {what} cannot be loaded ({exc}); export it again") from exc


def run_session(
    session: ort.InferenceSession, outputs: Sequence[str] | None, inputs: Mapping[str, npt.NDArray[Any]], *, model: str
) -> list[npt.NDArray[Any]]:
    """Run a network.

    Args:
        session: what `open_session` gave.
        outputs: names of the outputs wanted; None for all.
        inputs: name -> array.
        model: the model's name, for messages.

    Returns:
        The outputs, in the order of ``outputs``.

    Raises:
        ModelError: the network refuses the inputs, or fails.
    """
    try:
        results: list[npt.NDArray[Any]] = session.run(outputs, inputs)
    except Exception as exc:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
        raise ModelError(f"{model}: ONNX Runtime refused {shapes}: {exc}") from exc
    return results


class OnnxSession:
    """A network with one output. Safe to run from several threads."""

    def __init__(self, path: Path, *, model: str, output: str, threads: int = 1) -> None:
        """Open an ONNX file.

        Args:
            path: the file.
            model: the model's name, for messages.
            output: name of the output.
            threads: threads of one run. With 1 the caller's own thread does the work.

        Raises:
            ModelError: ONNX Runtime cannot load the file.
        """
        self._model, self._outputs = model, [output]
        self._session = open_session(path, model=model, threads=threads)

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> Float32:
        """Run the network.

        Args:
            inputs: name -> array.

        Returns:
            The output, float32.

        Raises:
            ModelError: the network refuses the inputs, or fails.
        """
        result: Float32 = run_session(self._session, self._outputs, inputs, model=self._model)[0]
        return result
