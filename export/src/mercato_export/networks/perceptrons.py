"""Several small perceptrons of one shape side by side, in one matrix product a layer."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Activation(nn.Module):
    """ReLU, while training with dropout after it; holds no weights."""

    dropout: float = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        """Return float32 of the same shape."""
        return nn.functional.dropout(nn.functional.relu(inputs), self.dropout, self.training)


class StackedLinear(nn.Module):
    """A linear layer for each member: ``inputs @ weight + bias``, each with its own inputs."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        """Draw each member's weights as `torch.nn.Linear` draws its own."""
        super().__init__()
        layers = [nn.Linear(inputs, outputs) for _ in range(members)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]).contiguous())
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [members, rows, inputs] to [members, rows, outputs], in the type of the weights."""
        return torch.bmm(inputs.to(self.weight.dtype), self.weight) + self.bias

    def halved(self) -> StackedLinear:
        """Return the layer in fp16, for the exporter."""
        return copy.deepcopy(self).half()


class Perceptrons(nn.Sequential):
    """Perceptrons that share their inputs' shape and nothing else; the last layer starts at zero.

    Takes float32 [members, rows, inputs], gives float32 [members, rows, outputs].
    """

    def __init__(self, members: int, inputs: int, hidden: Sequence[int], outputs: int) -> None:
        """Make untrained perceptrons, each of which answers 0.

        Args:
            members: how many.
            inputs: width of the input.
            hidden: widths of the hidden layers.
            outputs: width of the output.
        """
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [StackedLinear(members, inputs, width), Activation()]
            inputs = width
        last = StackedLinear(members, inputs, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(*layers, last)


def stack_alone(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a saved network's weights with those of a perceptron that stood alone as a stack of one.

    Args:
        weights: a network's state; linear layers of ``perceptron`` may be float32 [outputs, inputs] and [outputs], as
            they were kept before there were several.
    """
    return {
        name: (value.T[None] if value.dim() == 2 else value[None, None]).contiguous()
        if name.startswith("perceptron.") and value.dim() < 3
        else value
        for name, value in weights.items()
    }
