"""The products that a sequence model knows: ids by code, and the vector and bias that score each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mercato.arrays import Float32
from mercato.errors import ModelError

PRODUCTS_FILE = "products.json"
VECTORS_FILE = "products.safetensors"


@dataclass(frozen=True, kw_only=True)
class SequenceProducts:
    """The products of a sequence model; the code of the first is 1.

    Attributes:
        ids: of the codes 1, 2, ...
        vectors: float32 [products, width].
        bias: float32 [products].
    """

    ids: list[str]
    vectors: Float32
    bias: Float32

    def __len__(self) -> int:
        """Return the number of products."""
        return len(self.ids)


def read_products(folder: Path) -> SequenceProducts:
    """Read the products beside a sequence model.

    Args:
        folder: holds ``products.json`` and ``products.safetensors``.

    Raises:
        ModelError: a file is missing or broken, or the two do not fit together.
    """
    remedy = f"export it again: mercato export sequence --weights DIR --out {folder}"
    try:
        ids = orjson.loads((folder / PRODUCTS_FILE).read_bytes())
        arrays = load_file(folder / VECTORS_FILE)
        vectors, bias = arrays["vectors"], arrays["bias"]
    except (OSError, ValueError, KeyError, SafetensorError) as exc:
        raise ModelError(
            f"sequence: {folder} must hold {PRODUCTS_FILE} and {VECTORS_FILE} with vectors and bias ({exc}); {remedy}"
        ) from exc
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids) or len(set(ids)) != len(ids):
        raise ModelError(f"sequence: {folder / PRODUCTS_FILE} must be a list of distinct product ids; {remedy}")
    if vectors.ndim != 2 or len(vectors) != len(ids) or bias.shape != (len(ids),):
        raise ModelError(
            f"sequence: {folder / VECTORS_FILE} must hold vectors [{len(ids)}, width] and bias [{len(ids)}], for "
            f"each product of {PRODUCTS_FILE}; given {list(vectors.shape)} and {list(bias.shape)}; {remedy}"
        )
    if not (np.isfinite(vectors).all() and np.isfinite(bias).all()):
        raise ModelError(f"sequence: {folder / VECTORS_FILE} holds values that are not finite; {remedy}")
    return SequenceProducts(ids=ids, vectors=vectors.astype(np.float32), bias=bias.astype(np.float32))
