"""PyTorch as a command wants it: so many threads, and no bars of other libraries in its progress."""

from __future__ import annotations

import torch
import transformers


def prepare_torch(threads: int) -> None:
    """Set up PyTorch and transformers.

    Args:
        threads: of PyTorch.
    """
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
