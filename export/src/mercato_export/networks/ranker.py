"""The ranker's network, and how it is kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mercato.errors import ModelError
from mercato_export.networks.perceptrons import Activation, Perceptrons, stack_alone
from mercato_export.networks.relevance import RelevanceLayer

WEIGHTS_FILE = "ranker.safetensors"
CONFIG_FILE = "config.json"

PURCHASE_OUTCOME = "purchase"
KIND_FEATURES = {"category_meaning": 1.0, "category_named": 0.5}
"""How well a candidate's category fits the query, and what each counts, as retrieval weighs them
(`mercato.retrieval.kinds.NAMED`)."""
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
        members: perceptrons of this shape that learn side by side, each with its own start, and answer with their
            mean: a little better than one, and as many times the work.
        outcomes: what a request may lead to, each with a head of its own over what the perceptron learned for all;
            the first is ``purchase``.
        blend: what the score of each outcome counts in the score that is served.
        relevance: width of the layer that learned from ratings; 0 for a network that saw none.
        bins: pieces that each of that layer's inputs is cut into.
        kind_weight: what the kind of a search's candidate counts that fits the query better by 1; see `KIND_FEATURES`.
    """

    feature_names: tuple[str, ...]
    dimension: int = 384
    projection: int = 32
    hidden: tuple[int, ...] = (64, 32)
    members: int = 1
    outcomes: tuple[str, ...] = (PURCHASE_OUTCOME,)
    blend: tuple[float, ...] = (1.0,)
    relevance: int = 0
    bins: int = 8
    kind_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check that members, outcomes and blend fit together."""
        if self.members < 1:
            raise ValueError(f"members must be at least 1, got {self.members}")
        if len(self.blend) != len(self.outcomes) or self.outcomes[:1] != (PURCHASE_OUTCOME,):
            raise ValueError(
                f"outcomes must be {PURCHASE_OUTCOME} and others, blend a number for each, "
                f"got {self.outcomes} and {self.blend}"
            )
        if len(self.outcomes) > 1 and not self.hidden:
            raise ValueError(f"outcomes must be {PURCHASE_OUTCOME} alone without hidden layers, got {self.outcomes}")


class RankerNetwork(nn.Module):
    """Scores candidates from vectors and features.

    score = ``skip * fused + trust * has_query * relevance + mean of the members' perceptrons`` for each outcome; what
    is served is the sum of the outcomes' scores, each times its part of the blend, and ``kind_weight * has_query * (sum
    over KIND_FEATURES)``.

    Inputs of the perceptron, which learns from purchases, are the standardised features, the cosines of query and
    history with the candidate, and the same two after one learned projection of all three. Its last layer starts at
    zero, so an untrained network answers in the order of retrieval. Each member has a perceptron and a projection of
    its own. The relevance, which learns from ratings, is in `mercato_export.networks.relevance`.
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
        self.projection = nn.Linear(config.dimension, config.members * config.projection, bias=False)
        self.perceptron = Perceptrons(config.members, count + 4, config.hidden, len(config.outcomes))

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
        scores = self.score_members(query, history, candidates, features).mean(dim=0)
        score: Tensor = scores[..., 0] * self.config.blend[0]
        for position, part in enumerate(self.config.blend[1:], start=1):
            if part:
                score = score + scores[..., position] * part
        if self.config.kind_weight:
            has_query = features[..., self.config.feature_names.index("has_query")]
            for name, part in KIND_FEATURES.items():
                column = features[..., self.config.feature_names.index(name)]
                score = score + self.config.kind_weight * part * has_query * column
        return score

    def fit_kinds(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how well the kinds of a search's candidates fit, float32 [..., n]; what `kind_weight` is counted of.

        Args:
            features: float32 [..., n, F].
        """
        columns = [self.config.feature_names.index(name) for name in KIND_FEATURES]
        fit: NDArray[np.float32] = features[..., columns] @ np.array(list(KIND_FEATURES.values()), np.float32)
        return fit

    def score_members(self, query: Tensor, history: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        """Score candidates by each member for each outcome: float32 [members, batch, n, outcomes]."""
        pair = torch.stack((query, history), dim=2)
        cosines = candidates @ pair
        score = self.skip * features[..., self.fused_column]
        if self.config.relevance:
            relevance = self.relevance(torch.cat((features, cosines), dim=2))
            score = score + self.trust * features[..., self.query_column] * relevance
        score = score[..., None]
        if not self.config.hidden:
            return score[None]
        members, (batch, count) = self.config.members, candidates.shape[:2]
        standard = ((features - self.mean) * self.scale).clamp(-FEATURE_LIMIT, FEATURE_LIMIT)
        shared = torch.cat((standard, cosines), dim=2).expand(members, -1, -1, -1)
        # [batch, n or 2, members * projection] -> [members, batch, n or 2, projection]
        apart = (batch, -1, members, self.config.projection)
        seen = self.projection(candidates).view(apart).permute(2, 0, 1, 3)
        wanted = self.projection(pair.transpose(1, 2)).view(apart).permute(2, 0, 3, 1)
        inputs = torch.cat((shared, seen @ wanted), dim=3)
        output: Tensor = self.perceptron(inputs.view(members, batch * count, -1)).view(members, batch, count, -1)
        return score + output


def save_ranker(folder: Path, network: RankerNetwork) -> None:
    """Write a network's weights and config into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(network.config), indent=2) + "\n", encoding="utf-8")


def load_ranker(folder: Path | str) -> tuple[RankerNetwork, RankerConfig]:
    """Read what :func:`save_ranker` wrote.

    Args:
        folder: what ``mercato train ranker --out`` wrote.

    Returns:
        The network, in evaluation mode, and its config.

    Raises:
        ModelError: a file is missing, or the two do not fit together.
    """
    folder = Path(folder)
    try:
        config = read_config(folder)
        network = RankerNetwork(config)
        network.load_state_dict(stack_alone(load_file(folder / WEIGHTS_FILE)))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
        raise ModelError(
            f"ranker: {folder} does not hold a trained ranker ({exc}); "
            f"train one: mercato train ranker --catalog CATALOG --state sqlite:PATH --out {folder}"
        ) from exc
    return network.eval(), config


def read_config(folder: Path) -> RankerConfig:
    """Read a network's config from its folder."""
    values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    lists: dict[str, Sequence[object]] = {name: tuple(value) for name, value in values.items() if type(value) is list}
    return RankerConfig(**{**values, **lists})
