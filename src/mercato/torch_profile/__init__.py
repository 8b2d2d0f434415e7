"""The ``torch`` profile: stages on PyTorch. Only its model files import this; nothing else of `mercato` does."""

from mercato.torch_profile.network import GraphedNetwork
from mercato.torch_profile.stages import TorchEncoder, TorchRanker, TorchReranker, TorchSequence

__all__ = ["GraphedNetwork", "TorchEncoder", "TorchRanker", "TorchReranker", "TorchSequence"]
