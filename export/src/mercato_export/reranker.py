"""The reranker: tokens of a query and a product to one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.checksum import hash_file
from mercato.models.reranker import PairTokenizer
from mercato.triton_models.registry import ENGINES
from mercato_export.encoder import draw_token_ids, limit_buckets
from mercato_export.errors import ExportError, WeightsError
from mercato_export.exportable import Exportable, Tensors
from mercato_export.networks.loading import Loader, name_loader
from mercato_export.networks.reranker import TOKENIZER_FILE, load_reranker
from mercato_export.options import DEFAULT_INT8_TAU_TOLERANCE, DEFAULT_TOLERANCE
from mercato_export.parity import DifferenceGate, Figure, Outputs
from mercato_export.quality import OrderQuality

LEAST_PRODUCTS = 2
LARGEST_DIFFERENCE = 1e-3
# Scores of a trained reranker spread over several units; orders are what counts, and those are gated apart.
LARGEST_HALF_DIFFERENCE = 0.05
LARGEST_INT8_DIFFERENCE = 0.5

Lists = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class PairGate:
    """For scores of pairs: the largest difference to the module, and of a pair alone to the same in a padded batch.

    Attributes:
        maximum: most that a score may differ from the module's.
        alone: most that it may depend on its neighbours.
    """

    maximum: float
    alone: float = LARGEST_DIFFERENCE

    def compare(self, expected: Outputs, actual: Outputs, *, what: str) -> tuple[Figure, ...]:
        """Return ``max |e - a|``; see `mercato_export.parity.Gate.compare`."""
        gate = DifferenceGate(maximum=self.alone if what == "alone" else self.maximum)
        return gate.compare(expected, actual, what=what)


class PairedOrderQuality:
    """What the orders of candidate lists lost, each list a query with products."""

    def __init__(
        self, items: Sequence[Tensors], lengths: Sequence[int], *, tolerance: float, int8_tau_tolerance: float
    ) -> None:
        """Take the pairs of all lists, one list after the other.

        Args:
            items: the pairs, each with a batch axis of 1.
            lengths: pairs of each list.
            tolerance: see `mercato_export.quality.OrderQuality`.
            int8_tau_tolerance: most that int8's mean tau may miss of 1.
        """
        self._lengths = list(lengths)
        self._quality = OrderQuality(
            items=items, lengths=self._lengths, tolerance=tolerance, tau_tolerance={"int8": int8_tau_tolerance}
        )

    @property
    def items(self) -> Sequence[Tensors]:
        """The pairs."""
        return self._quality.items

    def compare(self, expected: Outputs, actual: Outputs, *, precision: str) -> tuple[Figure, ...]:
        """Return what the orders of the lists lost; see `mercato_export.quality.OrderQuality`."""
        return self._quality.compare(self._as_lists(expected), self._as_lists(actual), precision=precision)

    def _as_lists(self, scores: Outputs) -> npt.NDArray[np.float32]:
        padded = np.zeros((len(self._lengths), max(self._lengths)), np.float32)
        parts = np.split(scores[:, 0], np.cumsum(self._lengths)[:-1])
        for row, part in enumerate(parts):
            padded[row, : len(part)] = part
        return padded


def describe_reranker(
    folder: Path,
    lists: Lists,
    *,
    load: Loader = load_reranker,
    tolerance: float = DEFAULT_TOLERANCE,
    int8_tau_tolerance: float = DEFAULT_INT8_TAU_TOLERANCE,
) -> Exportable:
    """Load a trained reranker and describe how to export it.

    Args:
        folder: what ``mercato train reranker --out`` wrote.
        lists: queries with product texts, as they are when served.
        load: takes the folder and returns the network and its config.
        tolerance: most that a smaller precision may lose of nDCG@10, and that Kendall's tau may miss of 1.
        int8_tau_tolerance: most that int8's tau may miss of 1.

    Raises:
        WeightsError: the folder holds no weights, or its tokenizer is not the one of the training.
        ExportError: no list has two products.
    """
    network, config = load(folder)
    weights = sorted(folder.glob("*.safetensors"))
    tokenizer_file = folder / TOKENIZER_FILE
    if not weights or not tokenizer_file.is_file():
        raise WeightsError(
            f"--weights: {folder} must hold .safetensors and {TOKENIZER_FILE}; mercato train reranker writes both"
        )
    found = hash_file(tokenizer_file)
    if found != config.tokenizer_sha256:
        raise WeightsError(
            f"--weights: {tokenizer_file} must have sha256 {config.tokenizer_sha256}, the tokenizer of the training, "
            f"has {found}; put the right one there, or train again with mercato train reranker"
        )
    usable = [(query, list(texts)) for query, texts in lists if len(texts) >= LEAST_PRODUCTS]
    if not usable:
        raise ExportError("--catalog: parity is measured on candidate lists, and no query found two products")
    tokenizer = PairTokenizer(tokenizer_file, max_tokens=config.max_tokens, query_tokens=config.query_tokens)
    items = [item for query, texts in usable for item in _tokenize(tokenizer, query, texts)]
    sequence = ("batch", "sequence")
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    return Exportable(
        name="reranker",
        module=network,
        inputs=inputs,
        outputs=("score",),
        axes={**dict.fromkeys(inputs, sequence), "score": ("batch", "one")},
        sizes={"one": 1},
        items=items,
        gates={
            "fp32": PairGate(maximum=LARGEST_DIFFERENCE),
            "int8": PairGate(maximum=LARGEST_INT8_DIFFERENCE),
            "fp16": PairGate(maximum=LARGEST_HALF_DIFFERENCE, alone=LARGEST_HALF_DIFFERENCE),
        },
        source={
            "sha256": {file.name: hash_file(file) for file in (*weights, tokenizer_file)},
            "loader": name_loader(load),
        },
        serving={
            "tokenizer_sha256": found,
            "max_tokens": config.max_tokens,
            "query_tokens": config.query_tokens,
            "weight": config.weight,
            "layers": [int(layer) for layer in config.layers],
        },
        calibration=draw_pairs(tokenizer, int(config.trunk["vocab_size"])),
        companions={TOKENIZER_FILE: tokenizer_file},
        heads=int(config.trunk["num_attention_heads"]),
        hidden_size=int(config.trunk["hidden_size"]),
        shapes=limit_buckets(ENGINES["reranker"].shapes, config.max_tokens),
        quality=PairedOrderQuality(
            items,
            [len(texts) for _, texts in usable],
            tolerance=tolerance,
            int8_tau_tolerance=int8_tau_tolerance,
        ),
    )


def draw_pairs(tokenizer: PairTokenizer, vocabulary_size: int) -> list[Tensors]:
    """Draw pairs of random tokens, a third of each the query; see `mercato_export.encoder.draw_token_ids`.

    Args:
        tokenizer: the reranker's.
        vocabulary_size: ids are below it.

    Returns:
        The reranker's inputs, of lengths 4, 8, 16, ... up to the tokenizer's longest pair.
    """
    empty = tokenizer([""], [[""]]).input_ids[0]
    first, separator = int(empty[0]), int(empty[-1])
    feeds = draw_token_ids(first, separator, vocabulary_size, max_tokens=tokenizer.max_tokens)
    for feed in feeds:
        ids = feed["input_ids"]
        end = max(ids.shape[1] // 3, 1)
        ids[:, end] = separator
        feed["token_type_ids"] = np.zeros_like(ids)
        feed["token_type_ids"][:, end + 1 :] = 1
    return feeds


def _tokenize(tokenizer: PairTokenizer, query: str, texts: Sequence[str]) -> list[Tensors]:
    items = []
    for text in texts:
        pair = tokenizer([query], [[text]])
        items.append(
            {
                "input_ids": pair.input_ids,
                "attention_mask": pair.attention_mask,
                "token_type_ids": pair.token_type_ids,
            }
        )
    return items
