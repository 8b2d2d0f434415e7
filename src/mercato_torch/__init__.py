"""The ``torch`` profile: stages on PyTorch. Only its model files import this; nothing of `mercato` does."""

from mercato_torch.network import GraphedNetwork
from mercato_torch.stages import TorchEncoder, TorchRanker, TorchReranker, TorchSequence

__all__ = ["GraphedNetwork", "TorchEncoder", "TorchRanker", "TorchReranker", "TorchSequence"]
