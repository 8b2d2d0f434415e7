"""The ranker's network, and how it is kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mercato.errors import ModelError
from training.relevance import RelevanceLayer

WEIGHTS_FILE = "ranker.safetensors"
CONFIG_FILE = "config.json"

FEATURE_LIMIT = 5.0
"""Bound on a standardised feature: serving may meet values that training never saw."""


@dataclass(frozen=True, kw_only=True)
class RankerConfig:
    """Shape of the network.

    Attributes:
        feature_names: columns of the feature tensor, in order; must hold ``fused``.
        dimension: length of the vectors.
        projection: width of the learned projection of vectors. Wider tells products apart better, and its product with
            the candidates is most of the cost.
        hidden: widths of the hidden layers; none for a network that learned from ratings alone.
        relevance: width of the layer that learned from ratings; 0 for a network that saw none.
        bins: pieces that each of that layer's inputs is cut into.
    """

    feature_names: tuple[str, ...]
    dimension: int = 384
    projection: int = 32
    hidden: tuple[int, ...] = (64, 32)
    relevance: int = 0
    bins: int = 8


class Activation(nn.Module):
    """ReLU, while training with dropout after it; holds no weights."""

    dropout: float = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        """Return float32 of the same shape."""
        return nn.functional.dropout(nn.functional.relu(inputs), self.dropout, self.training)


class RankerNetwork(nn.Module):
    """Scores candidates from vectors and features.

    score = ``skip * fused + trust * has_query * relevance + perceptron``.

    Inputs of the perceptron, which learns from purchases, are the standardised features, the cosines of query and
    history with the candidate, and the same two after one learned projection of all three. Its last layer starts at
    zero, so an untrained network answers in the order of retrieval. The relevance, which learns from ratings, is in
    `training.relevance`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: RankerConfig) -> None:
        """Make an untrained network that answers in the order of retrieval."""
        super().__init__()
        self.config = config
        count = len(config.feature_names)
        self.fused_column = config.feature_names.index("fused")
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        self.skip = nn.Parameter(torch.ones(1))
        if config.relevance:
            self.query_column = config.feature_names.index("has_query")
            self.trust = nn.Parameter(torch.ones(1))
            self.relevance = RelevanceLayer(count + 2, config.relevance, config.bins)
        if not config.hidden:
            return
        self.projection = nn.Linear(config.dimension, config.projection, bias=False)
        layers: list[nn.Module] = []
        width = count + 4
        for hidden in config.hidden:
            layers += [nn.Linear(width, hidden), Activation()]
            width = hidden
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.perceptron = nn.Sequential(*layers, last)

    def drop_out(self, share: float) -> None:
        """Set how much of each hidden layer training leaves out (Srivastava et al. 2014); nothing of it is kept."""
        for module in self.modules():
            if isinstance(module, Activation):
                module.dropout = share

    def standardize_by(self, features: Tensor) -> None:
        """Set mean and scale from training features, float32 [rows, F].

        A feature that never varied gets scale 0: what it would do when it does is not known.
        """
        deviation = features.std(dim=0, correction=0)
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-6, 1.0 / deviation.clamp(min=1e-6), torch.zeros_like(deviation)))

    def forward(self, query: Tensor, history: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        """Score candidates.

        Args:
            query: float32 [batch, D], unit length or zeros.
            history: float32 [batch, D], unit length or zeros.
            candidates: float32 [batch, n, D].
            features: float32 [batch, n, F].

        Returns:
            float32 [batch, n], higher is better.
        """
        pair = torch.stack((query, history), dim=2)
        cosines = candidates @ pair
        score: Tensor = self.skip * features[..., self.fused_column]
        if self.config.relevance:
            relevance = self.relevance(torch.cat((features, cosines), dim=2))
            score = score + self.trust * features[..., self.query_column] * relevance
        if not self.config.hidden:
            return score
        learned = self.projection(candidates) @ self.projection(pair.transpose(1, 2)).transpose(1, 2)
        standard = ((features - self.mean) * self.scale).clamp(-FEATURE_LIMIT, FEATURE_LIMIT)
        output: Tensor = self.perceptron(torch.cat((standard, cosines, learned), dim=2)).squeeze(2)
        return score + output


def save_ranker(folder: Path, network: RankerNetwork) -> None:
    """Write a network's weights and config into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(network.config), indent=2) + "\n", encoding="utf-8")


def load_ranker(folder: Path | str) -> tuple[RankerNetwork, RankerConfig]:
    """Read what :func:`save_ranker` wrote.

    Args:
        folder: what ``python -m training ranker --out`` wrote.

    Returns:
        The network, in evaluation mode, and its config.

    Raises:
        ModelError: a file is missing, or the two do not fit together.
    """
    folder = Path(folder)
    try:
        config = read_config(folder)
        network = RankerNetwork(config)
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
        raise ModelError(
            f"ranker: {folder} does not hold a trained ranker ({exc}); "
            f"train one with python -m training ranker --out {folder}"
        ) from exc
    return network.eval(), config


def read_config(folder: Path) -> RankerConfig:
    """Read a network's config from its folder."""
    values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    lists: dict[str, Sequence[object]] = {name: tuple(values[name]) for name in ("feature_names", "hidden")}
    return RankerConfig(**{**values, **lists})
