"""The part of the ranker that learns from ratings: a wide layer over features cut into pieces."""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_LIMIT = 5.0
"""Bound on a standardised input."""


class RelevanceLayer(nn.Module):
    """How well a candidate answers a query, from 0 (not at all) to 1 (as well as anything that was rated).

    A hundred rated queries are few for a network. Each input is given once standardised and once cut into pieces
    between the quantiles of what training saw (piecewise linear encoding, Gorishniy et al. 2022): thresholds are there
    from the start, as a tree has them, and need not be learned. The layer joins several small networks that were
    trained apart, and answers with their mean (bagging, Breiman 1996).
    """

    mean: Tensor
    scale: Tensor
    lower: Tensor
    steepness: Tensor

    def __init__(self, inputs: int, width: int, bins: int) -> None:
        """Make an untrained layer, which answers 0."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.zeros(inputs))
        self.register_buffer("lower", torch.zeros(inputs, bins))
        self.register_buffer("steepness", torch.zeros(inputs, bins))
        self.hidden = nn.Linear(inputs * (1 + bins), width)
        self.output = nn.Linear(width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def cut_by(self, inputs: Tensor) -> None:
        """Set scales and pieces from training inputs, float32 [rows, I]; one that never varies is left out."""
        deviation = inputs.std(dim=0, correction=0)
        varies = deviation > 1e-6
        self.mean.copy_(inputs.mean(dim=0))
        self.scale.copy_(torch.where(varies, 1.0 / deviation.clamp(min=1e-6), 0.0))
        bins = self.lower.shape[1]
        edges = torch.quantile(inputs.double(), torch.linspace(0, 1, bins + 1, dtype=torch.float64), dim=0).float().T
        widths = edges[:, 1:] - edges[:, :-1]
        self.lower.copy_(edges[:, :-1])
        smallest = 1e-3 * deviation[:, None]
        self.steepness.copy_(torch.where((widths > smallest) & varies[:, None], 1.0 / widths.clamp(min=1e-6), 0.0))

    def encode(self, inputs: Tensor) -> Tensor:
        """Encode inputs, float32 [..., I] to [..., I * (1 + bins)]."""
        standard = ((inputs - self.mean) * self.scale).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        pieces = ((inputs.unsqueeze(-1) - self.lower) * self.steepness).clamp(0.0, 1.0)
        pieces = pieces - 0.5 * (self.steepness > 0).to(pieces.dtype)
        return torch.cat((standard, pieces.flatten(-2)), dim=-1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the relevance, float32 [...], of inputs, float32 [..., I]."""
        relevance: Tensor = self.output(torch.relu(self.hidden(self.encode(inputs)))).squeeze(-1)
        return relevance
