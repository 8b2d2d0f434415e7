"""The sequence model's network, a self-attentive encoder of the last products, and how it is kept on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mercato.errors import ModelError
from mercato.models.sequence.products import PRODUCTS_FILE, VECTORS_FILE
from mercato.triton_models.sequence import SEQUENCE_WIDTH

WEIGHTS_FILE = "sequence.safetensors"
CONFIG_FILE = "config.json"

NOT_SEEN = -1e4
"""Added to the attention to what comes later; finite in fp16 too."""


@dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """Shape of the network, and how much it weighs.

    Attributes:
        products: how many products it knows; their codes are 1 to ``products``, 0 is padding.
        max_length: last products of a history that it reads.
        width: of all states and vectors.
        layers: of attention.
        heads: of each layer; divide ``width``.
        dropout: share of what training leaves out after each step of the network.
        text_width: length of the products' text vectors while training; 0 without texts, and in a saved network.
        weight: of the source in the fusion with others, as chosen when it was trained; None where nothing chose it.
    """

    products: int
    max_length: int = 50
    width: int = SEQUENCE_WIDTH
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    text_width: int = 0
    weight: float | None = None


class AttentionLayer(nn.Module):
    """Causal attention with a learned bias for each distance, then two linear layers; both normalised before."""

    def __init__(self, config: SequenceConfig) -> None:
        """Make an untrained layer."""
        super().__init__()
        self.heads = config.heads
        self.max_length = config.max_length
        width = config.width
        self.before_attention = nn.LayerNorm(width)
        self.query, self.key, self.value, self.joined = (nn.Linear(width, width) for _ in range(4))
        self.distance = nn.Embedding(config.max_length, config.heads)
        nn.init.zeros_(self.distance.weight)
        self.before_perceptron = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Return float32 [batch, length, width], where no position depends on those after it."""
        batch, length, width = states.shape
        inputs = self.before_attention(states)
        query, key, value = (
            layer(inputs).reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        index = torch.arange(length, device=states.device)
        apart = index.unsqueeze(1) - index.unsqueeze(0)
        bias = self.distance(apart.clamp(0, self.max_length - 1)).permute(2, 0, 1)
        later = (apart < 0).to(torch.float32) * NOT_SEEN
        fit = (query @ key.transpose(2, 3)).float() / math.sqrt(width / self.heads) + bias.float() + later
        attention = torch.softmax(fit, dim=-1).to(value.dtype)
        read = (attention @ value).transpose(1, 2).reshape(batch, length, width)
        states = states + self.dropout(self.joined(read))
        hidden = nn.functional.relu(self.widen(self.before_perceptron(states)))
        changed: Tensor = states + self.dropout(self.narrow(hidden))
        return changed


class SequenceNetwork(nn.Module):
    """Reads the last products and says where the next one lies (SASRec, Kang and McAuley 2018).

    The score of a product is ``state . vector + bias``. Positions are told apart by their distance from one another and
    not by their number, so that a history may begin anywhere and padding stands on the right.
    """

    texts: Tensor

    def __init__(self, config: SequenceConfig) -> None:
        """Make an untrained network."""
        super().__init__()
        self.config = config
        self.read = nn.Embedding(config.products + 1, config.width)
        self.offered = nn.Embedding(config.products + 1, config.width)
        self.bias = nn.Parameter(torch.zeros(config.products + 1))
        for table in (self.read, self.offered):
            nn.init.normal_(table.weight, std=config.width**-0.5)
        self.layers = nn.ModuleList(AttentionLayer(config) for _ in range(config.layers))
        self.last = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        if config.text_width:
            self.register_buffer("texts", torch.zeros(config.products + 1, config.text_width), persistent=False)
            self.read_text, self.offer_text = (nn.Linear(config.text_width, config.width, bias=False) for _ in range(2))

    def forward(self, product_codes: Tensor) -> Tensor:
        """Encode histories.

        Args:
            product_codes: int64 [batch, length], oldest first, padded on the right with 0.

        Returns:
            float32 [batch, width]: the state after the last product.
        """
        states = self.encode(product_codes)
        length = (product_codes > 0).to(torch.int64).sum(dim=1, keepdim=True)
        index = torch.arange(product_codes.shape[1], device=product_codes.device).unsqueeze(0)
        at_last = (index == (length - 1).clamp(min=0)).to(states.dtype).unsqueeze(2)
        chosen: Tensor = (states * at_last).sum(dim=1)
        return chosen

    def encode(self, product_codes: Tensor) -> Tensor:
        """Return the state after each product: float32 [batch, length, width]."""
        states = self.read(product_codes)
        if self.config.text_width:
            states = states + self.read_text(self.texts[product_codes])
        states = self.dropout(states)
        for layer in self.layers:
            states = layer(states)
        normalized: Tensor = self.last(states)
        return normalized

    def score(self, states: Tensor, codes: Tensor) -> Tensor:
        """Score products: float32 [n, width] and int64 [m] -> float32 [n, m]."""
        scores: Tensor = states @ self._offer(codes).T + self.bias[codes]
        return scores

    def score_each(self, states: Tensor, codes: Tensor) -> Tensor:
        """Score one product for each state: float32 [n, width] and int64 [n] -> float32 [n]."""
        scores: Tensor = (states * self._offer(codes)).sum(dim=1) + self.bias[codes]
        return scores

    def _offer(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self.offered(codes)
        return vectors + self.offer_text(self.texts[codes]) if self.config.text_width else vectors

    def fold(self) -> SequenceNetwork:
        """Return the same network without texts: what they give to each product is in its vectors."""
        folded = SequenceNetwork(replace(self.config, text_width=0))
        own = {name: value for name, value in self.state_dict().items() if not name.endswith("_text.weight")}
        folded.load_state_dict(own)
        if self.config.text_width:
            with torch.no_grad():
                folded.read.weight += self.read_text(self.texts)
                folded.offered.weight += self.offer_text(self.texts)
        return folded.eval()


def save_sequence(
    folder: Path, network: SequenceNetwork, product_ids: Sequence[str], *, weight: float | None = None
) -> None:
    """Write weights, config and products.

    Args:
        folder: made where it is missing.
        network: the network; texts are folded in.
        product_ids: of the codes 1, 2, ...
        weight: of the source in the fusion; None where nothing chose it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folded = network.fold()
    save_file({name: value.contiguous() for name, value in folded.state_dict().items()}, folder / WEIGHTS_FILE)
    vectors = {"vectors": folded.offered.weight[1:].detach().clone(), "bias": folded.bias[1:].detach().clone()}
    save_file(vectors, folder / VECTORS_FILE)
    (folder / PRODUCTS_FILE).write_text(json.dumps(list(product_ids), ensure_ascii=False), encoding="utf-8")
    (folder / CONFIG_FILE).write_text(
        json.dumps(asdict(replace(folded.config, weight=weight)), indent=2) + "\n", encoding="utf-8"
    )


def load_sequence(folder: Path | str) -> tuple[SequenceNetwork, SequenceConfig]:
    """Read what `save_sequence` wrote.

    Returns:
        The network, in evaluation mode, and its config.

    Raises:
        ModelError: a file is missing, or the two do not fit together.
    """
    folder = Path(folder)
    try:
        config = SequenceConfig(**json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
        network = SequenceNetwork(config)
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
        raise ModelError(
            f"sequence: {folder} does not hold a trained sequence model ({exc}); "
            f"train one: mercato train sequence --state sqlite:PATH --out {folder}"
        ) from exc
    return network.eval(), config
