"""The reranker's network, a cross-encoder cut from a text encoder's layers, and how it is kept on disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mercato.errors import ModelError

WEIGHTS_FILE = "reranker.safetensors"
CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"

START_SHARPNESS = 10.0
"""Of the cosine that an untrained network answers: 0.1 more in cosine is 1 more in score."""


@dataclass(frozen=True, kw_only=True)
class RerankerConfig:
    """Shape of the network and of what it reads.

    Attributes:
        layers: layers of the encoder that are kept, from 0, in order.
        max_tokens: a pair is cut after this many tokens, the three special ones included.
        query_tokens: a query is cut after this many, so that the product always has room.
        weight: share of the reranker's score in the blend with the score of the stage before; 0 to 1.
        trunk: the encoder's own configuration, as ``config.json`` of its weights has it.
        tokenizer_sha256: of the tokenizer that it was trained with.
    """

    layers: tuple[int, ...]
    max_tokens: int
    query_tokens: int
    weight: float
    trunk: dict[str, Any]
    tokenizer_sha256: str


class RerankerNetwork(nn.Module):
    """Scores pairs ``[CLS] query [SEP] product [SEP]``.

    The means of the query's and of the product's token states, ``u`` and ``v`` (unit length), and the state ``c`` of
    ``[CLS]`` give ``score = sum_d m_d u_d v_d + h c``. At the start ``m`` is `START_SHARPNESS` and ``h`` is 0: the
    score is a cosine, so that training begins with what the encoder knows of likeness and not with noise.
    """

    def __init__(self, config: RerankerConfig, trunk: nn.Module) -> None:
        """Wrap a trunk that returns ``last_hidden_state`` and has the layers of the configuration."""
        super().__init__()
        self.config = config
        self.trunk = trunk
        width = int(config.trunk["hidden_size"])
        self.match = nn.Parameter(torch.full((width,), START_SHARPNESS))
        self.head = nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Score pairs: int64 [batch, sequence] three times -> float32 [batch, 1], higher is better."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(0)
        states = self.trunk(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=positions,
        ).last_hidden_state
        of_product = (token_type_ids * attention_mask).unsqueeze(-1).to(states.dtype)
        of_query = attention_mask.unsqueeze(-1).to(states.dtype) - of_product
        matched = _mean(states, of_query) * _mean(states, of_product) * self.match
        score: Tensor = matched.sum(-1, keepdim=True) + self.head(states[:, 0])
        return score


def _mean(states: Tensor, weights: Tensor) -> Tensor:
    """Return the unit-length mean of weighted token states; zeros where all weights are zero."""
    mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)
    return nn.functional.normalize(mean, dim=-1, eps=1e-6)


def cut_encoder(folder: Path, layers: tuple[int, ...]) -> nn.Module:
    """Load an encoder's weights and keep some of its layers.

    Args:
        folder: holds ``model.safetensors`` and ``config.json``.
        layers: which, from 0, in order.

    Raises:
        ModelError: the encoder has no such layer.
    """
    from transformers import AutoModel

    trunk: Any = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    count = len(trunk.encoder.layer)
    if not layers or min(layers) < 0 or max(layers) >= count:
        raise ModelError(f"layers: must be some of 0 to {count - 1}, got {list(layers)}")
    trunk.encoder.layer = nn.ModuleList(trunk.encoder.layer[index] for index in layers)
    trunk.config.num_hidden_layers = len(layers)
    trunk.pooler = None
    return trunk  # type: ignore[no-any-return]


def choose_layers(count: int, available: int) -> tuple[int, ...]:
    """Choose which layers a smaller network keeps: spread evenly from the first to the last, or all.

    Args:
        count: how many to keep.
        available: how many the encoder has.
    """
    if count >= available:
        return tuple(range(available))
    if count == 1:
        return (0,)
    return tuple(round(index * (available - 1) / (count - 1)) for index in range(count))


def save_reranker(folder: Path, network: RerankerNetwork, tokenizer: Path) -> None:
    """Write weights, config and tokenizer.

    Args:
        folder: made where it is missing.
        network: the network.
        tokenizer: ``tokenizer.json`` that it was trained with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # clones: layers taken out of an encoder may share memory with it
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}, folder / WEIGHTS_FILE
    )
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(network.config), indent=2, sort_keys=True), encoding="utf-8")
    if tokenizer.resolve() != (folder / TOKENIZER_FILE).resolve():
        shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)


def load_reranker(folder: Path | str) -> tuple[RerankerNetwork, RerankerConfig]:
    """Read what `save_reranker` wrote.

    Returns:
        The network, in evaluation mode, and its config.

    Raises:
        ModelError: a file is missing, or the two do not fit together.
    """
    from transformers import AutoConfig, AutoModel

    folder = Path(folder)
    try:
        values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        config = RerankerConfig(**{**values, "layers": tuple(values["layers"])})
        shape = AutoConfig.for_model(**{**config.trunk, "num_hidden_layers": len(config.layers)})
        trunk: Any = AutoModel.from_config(shape, attn_implementation="eager")  # type: ignore[no-untyped-call]
        trunk.pooler = None
        network = RerankerNetwork(config, trunk)
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
        raise ModelError(
            f"reranker: {folder} does not hold a trained reranker ({exc}); "
            f"train one: mercato train reranker --catalog CATALOG --out {folder}"
        ) from exc
    return network.eval(), config
