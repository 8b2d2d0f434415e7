"""The sequence model: codes of the last products to the state that scores the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.checksum import hash_file
from mercato.models.sequence.products import PRODUCTS_FILE, VECTORS_FILE, read_products
from mercato.triton_models.registry import ENGINES
from mercato_export.encoder import limit_buckets
from mercato_export.errors import WeightsError
from mercato_export.exportable import Exportable, Tensors
from mercato_export.networks.loading import Loader, name_loader
from mercato_export.networks.sequence import load_sequence
from mercato_export.options import DEFAULT_SEQUENCE_TOLERANCE
from mercato_export.parity import CosineGate, Figure, Outputs
from mercato_export.ranker import read_learned

PARITY_HISTORIES = 256
TOP = 10
SEED = 20240229


@dataclass(frozen=True, kw_only=True)
class NextProductQuality:
    """What the ten best next products lose: a share of them that another precision does not find.

    Attributes:
        items: histories, each with a batch axis of 1.
        vectors: float32 [products, width], of the products that are scored.
        bias: float32 [products].
        tolerance: most of the share that may be missed.
    """

    items: Sequence[Tensors]
    vectors: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    tolerance: float = DEFAULT_SEQUENCE_TOLERANCE

    def compare(self, expected: Outputs, actual: Outputs, *, precision: str) -> tuple[Figure, ...]:
        """Return the share of fp32's ten best products that are found; see `mercato_export.quality.Quality.compare`."""
        best, other = (
            np.argsort(-(states @ self.vectors.T + self.bias), axis=1, kind="stable")[:, :TOP]
            for states in (expected, actual)
        )
        shared = float(np.mean([np.isin(row, wanted).mean() for row, wanted in zip(other, best, strict=True)]))
        return (Figure(name="agreement of the top 10", value=shared, limit=1 - self.tolerance, at_least=True),)


def describe_sequence(
    folder: Path, *, load: Loader = load_sequence, tolerance: float = DEFAULT_SEQUENCE_TOLERANCE
) -> Exportable:
    """Load a trained sequence model and describe how to export it.

    Args:
        folder: what ``mercato train sequence --out`` wrote.
        load: takes the folder and returns the network and its config, which has ``products``, ``max_length`` and
            ``width``, and ``weight`` where one was chosen.
        tolerance: most of the ten best products that a smaller precision may exchange.

    Raises:
        WeightsError: the folder lacks the weights or the products.
        ModelError: weights and products do not fit together.
    """
    network, config = load(folder)
    companions = {name: folder / name for name in (PRODUCTS_FILE, VECTORS_FILE)}
    missing = [name for name, path in companions.items() if not path.is_file()]
    weights = [path for path in sorted(folder.glob("*.safetensors")) if path.name != VECTORS_FILE]
    if missing or not weights:
        what = ", ".join(missing) or "a .safetensors file of weights"
        raise WeightsError(f"--weights: {folder} lacks {what}; mercato train sequence writes all of them")
    products = read_products(folder)
    items = draw_histories(config.products, config.max_length)
    weight = getattr(config, "weight", None)
    return Exportable(
        name="sequence",
        module=network,
        inputs=("product_codes",),
        outputs=("state",),
        axes={"product_codes": ("batch", "sequence"), "state": ("batch", "width")},
        sizes={"width": config.width},
        items=items,
        gates={
            "fp32": CosineGate(mean=0.999999, minimum=0.99999),
            "fp16": CosineGate(mean=0.9999, minimum=0.999, alone=0.9999),
        },
        source={"sha256": {file.name: hash_file(file) for file in weights}, "loader": name_loader(load)},
        serving={
            "products": config.products,
            "max_length": config.max_length,
            "width": config.width,
            **({} if weight is None else {"weight": weight}),
            **read_learned(folder),
        },
        companions=companions,
        shapes=limit_buckets(ENGINES["sequence"].shapes, config.max_length),
        quality=NextProductQuality(items=items, vectors=products.vectors, bias=products.bias, tolerance=tolerance),
    )


def draw_histories(products: int, max_length: int, count: int = PARITY_HISTORIES) -> list[Tensors]:
    """Draw histories of lengths 1 to ``max_length``, spread evenly, of products drawn evenly.

    Args:
        products: codes are 1 to this.
        max_length: of the longest.
        count: how many.

    Returns:
        ``product_codes`` int64 [1, length] each.
    """
    random = np.random.default_rng(SEED)
    lengths = np.linspace(1, max_length, count).round().astype(int).tolist()
    return [{"product_codes": random.integers(1, products + 1, (1, length), np.int64)} for length in lengths]
