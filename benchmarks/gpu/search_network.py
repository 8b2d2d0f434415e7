"""A search on one device: encode, compare with every vector, keep the best. PyTorch alone, weights made here.

Time does not depend on the values of weights and vectors, so both are drawn. The encoder has the shape of the one that
is served (MiniLM, 6 layers of 384); the vectors are a million, in half precision. On a GPU each batch size is a CUDA
graph.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

logger = logging.getLogger(__name__)

BATCHES = (1, 2, 4, 8, 16, 32, 64)
SEED = 7
WARM_UP = 3


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is searched, and with what.

    Attributes:
        vectors: how many are compared.
        dimension: of a vector, and of the encoder.
        layers: of the encoder.
        heads: of each layer.
        vocabulary: tokens that there are.
        tokens: of a query, padding included.
        results: of a query.
    """

    vectors: int = 1_000_000
    dimension: int = 384
    layers: int = 6
    heads: int = 12
    vocabulary: int = 30_522
    tokens: int = 16
    results: int = 200


class Layer(nn.Module):
    """A layer of BERT: attention and two products, each with a norm behind it."""

    def __init__(self, shape: Shape) -> None:
        """Draw its weights."""
        super().__init__()
        self._heads = shape.heads
        self.attention = nn.Linear(shape.dimension, 3 * shape.dimension)
        self.join = nn.Linear(shape.dimension, shape.dimension)
        self.widen = nn.Linear(shape.dimension, 4 * shape.dimension)
        self.narrow = nn.Linear(4 * shape.dimension, shape.dimension)
        self.norms = nn.ModuleList(nn.LayerNorm(shape.dimension) for _ in range(2))

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Compute the layer: hidden [batch, tokens, dimension], mask bool [batch, 1, 1, tokens]."""
        batch, tokens, dimension = hidden.shape
        parts = self.attention(hidden).view(batch, tokens, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        hidden = self.norms[0](hidden + self.join(mixed.transpose(1, 2).reshape(batch, tokens, dimension)))
        return self.norms[1](hidden + self.narrow(functional.gelu(self.widen(hidden))))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Tokens to a unit vector: the mean of the last layer over the tokens that are there (0 is padding)."""

    def __init__(self, shape: Shape) -> None:
        """Draw its weights."""
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.dimension)
        self.positions = nn.Parameter(torch.randn(shape.tokens, shape.dimension))
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encode tokens int64 [batch, tokens]: [batch, dimension], unit length."""
        there = tokens != 0
        hidden = self.words(tokens) + self.positions
        for layer in self.layers:
            hidden = layer(hidden, there[:, None, None, :])
        weights = there[..., None].to(hidden.dtype)
        return functional.normalize((hidden * weights).sum(1) / weights.sum(1).clamp(min=1), dim=-1)


class SearchNetwork:
    """A search, with the buffers and graphs of each batch size.

    Attributes:
        shape: what is searched.
        device: where.
    """

    def __init__(self, shape: Shape, device: str) -> None:
        """Draw weights and vectors, the same ones each time, and capture the graphs.

        Args:
            shape: what is searched.
            device: ``cuda``, or ``cpu``, which computes in full precision.
        """
        self.shape, self.device = shape, torch.device(device)
        self._half = torch.float16 if self.device.type == "cuda" else torch.float32
        torch.manual_seed(SEED)
        self._encoder = Encoder(shape).eval().to(self.device, self._half)
        drawn = torch.Generator(self.device).manual_seed(SEED)
        vectors = torch.empty(shape.vectors, shape.dimension, device=self.device, dtype=self._half)
        vectors.normal_(generator=drawn)
        self._vectors = functional.normalize(vectors, dim=-1)
        self._tokens = {size: torch.zeros(size, shape.tokens, dtype=torch.int64, device=device) for size in BATCHES}
        self._found: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        try:
            for size in BATCHES if self.device.type == "cuda" else ():
                self._capture(size)
        except RuntimeError as exc:  # some operation of this PyTorch cannot be captured: without graphs it still counts
            logger.warning("without CUDA graphs: %s", exc)
            self._graphs.clear()

    @property
    def graphed(self) -> bool:
        """Whether batches are CUDA graphs."""
        return bool(self._graphs)

    @torch.inference_mode()
    def _compute(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self._encoder(tokens) @ self._vectors.T
        best = torch.topk(scores, self.shape.results, dim=-1)
        return best.values, best.indices

    def _capture(self, size: int) -> None:
        tokens = self._tokens[size]
        tokens[:, 0] = 1
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._compute(tokens)
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._found[size] = self._compute(tokens)
        self._graphs[size] = graph

    def start(self, size: int) -> None:
        """Compute what stands in the buffer of a batch size; on a GPU without waiting for it."""
        if size in self._graphs:
            self._graphs[size].replay()
        else:
            self._found[size] = self._compute(self._tokens[size])

    def search(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Search.

        Args:
            tokens: int64 [batch, tokens], 0 for padding; a batch of at most the largest of `BATCHES`.

        Returns:
            Scores float32 [batch, results], descending, and vector numbers int64 [batch, results], both on the CPU.
        """
        size = round_up(len(tokens))
        self._tokens[size][: len(tokens)].copy_(tokens)
        self.start(size)
        scores, found = self._found[size]
        return scores[: len(tokens)].float().cpu(), found[: len(tokens)].cpu()

    def time_kernels(self, size: int, runs: int) -> float:
        """Return the seconds of one batch, started back to back: nothing but the device's own work."""
        self._tokens[size].copy_(torch.from_numpy(draw_queries(size, self.shape)))
        for _ in range(WARM_UP):
            self.start(size)
        self._wait()
        began = time.perf_counter()
        for _ in range(runs):
            self.start(size)
        self._wait()
        return (time.perf_counter() - began) / runs

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def round_up(count: int) -> int:
    """Return the least batch size that holds so many queries."""
    return next(size for size in BATCHES if size >= count)


def draw_queries(count: int, shape: Shape) -> npt.NDArray[np.int64]:
    """Draw queries of four to eight words, as they are mostly: int64 [count, tokens], 0 for padding."""
    random = np.random.default_rng(SEED)
    tokens = random.integers(1, shape.vocabulary, (count, shape.tokens))
    lengths = random.integers(4, 9, count)
    return np.where(np.arange(shape.tokens) < lengths[:, None], tokens, 0)
