"""`sequence` as a Triton model on PyTorch: codes in, states out. The ``torch`` profile alone loads this."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.settings import read_settings
from mercato.torch_profile import TorchSequence
from mercato.torch_profile.stages import require_folder
from mercato.triton_models.sequence import SEQUENCE


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the sequence model, warm."""
        adapter.configure_logging(pb_utils)
        self._sequence = TorchSequence(require_folder(read_settings().sequence, "sequence"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the histories of a batch in one call of the network."""
        return adapter.serve_arrays(
            pb_utils, requests, SEQUENCE.input_names, lambda codes: {"state": self._sequence.encode(codes)}
        )
