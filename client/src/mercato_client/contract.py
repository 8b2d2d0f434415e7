"""Names, types and shapes of the tensors of every model that clients may call.

Pure data. The same facts stand in each model's ``config.pbtxt`` and in the ONNX files; a test compares them.
Shapes leave out the batch dimension, which comes first on the wire; -1 is any length.
"""

from dataclasses import dataclass
from typing import Literal

DataType = Literal["BYTES", "FP32", "INT32", "INT64"]
"""Type names as they travel; ``config.pbtxt`` writes ``TYPE_STRING`` for BYTES and ``TYPE_`` before the others."""

EMBEDDING_WIDTH = 384  # all-MiniLM-L6-v2
DEFAULT_PAGE_SIZE = 20
QUEUE_FULL_RETRY_AFTER_S = 1.0
"""When to come back to a server whose queue was full: what waits there, one batch, is answered within that time."""
MAX_RANKED = 500
"""Products of a list to order; such a request has this page size, where it names none."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: as in ``config.pbtxt``.
        dtype: Triton's type name; BYTES holds UTF-8 text.
        dims: shape without the batch dimension; -1 is any length.
        unset: what an input may be left out for, and means the same when sent; None where it must be given, and for
            outputs. The client sends it rather than leave the input out: Triton puts requests into one batch only if
            they have the same inputs, and a mixed load would be served one by one.
    """

    name: str
    dtype: DataType
    dims: tuple[int, ...]
    unset: str | int | None = None

    @property
    def optional(self) -> bool:
        """Whether a request may leave it out."""
        return self.unset is not None


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What one model takes and answers.

    Attributes:
        name: the model's name on the server.
        inputs: in the order of ``config.pbtxt``.
        outputs: in the order of ``config.pbtxt``.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def _text(name: str, *, optional: bool = False) -> TensorSpec:
    return TensorSpec(name=name, dtype="BYTES", dims=(1,), unset="" if optional else None)


def _count(name: str, unset: int) -> TensorSpec:
    return TensorSpec(name=name, dtype="INT32", dims=(1,), unset=unset)


_PAGE_INPUTS = (
    _text("FILTER", optional=True),
    _count("PAGE_SIZE", DEFAULT_PAGE_SIZE),
    _count("OFFSET", 0),
    _text("CONTEXT", optional=True),
    _text("OPTIONS", optional=True),
)

_PAGE_OUTPUTS = (
    TensorSpec(name="PRODUCT_ID", dtype="BYTES", dims=(-1,)),
    TensorSpec(name="SCORE", dtype="FP32", dims=(-1,)),
    TensorSpec(name="DETAILS", dtype="BYTES", dims=(1,)),
)

SEARCH = ModelSpec(
    name="search",
    inputs=(_text("QUERY"), _text("VISITOR_ID", optional=True), _text("USER_ID", optional=True), *_PAGE_INPUTS),
    outputs=_PAGE_OUTPUTS,
)

RECOMMEND = ModelSpec(
    name="recommend",
    inputs=(
        _text("PLACEMENT"),
        _text("SEED_PRODUCT_IDS", optional=True),
        _text("VISITOR_ID", optional=True),
        _text("USER_ID", optional=True),
        *_PAGE_INPUTS,
    ),
    outputs=_PAGE_OUTPUTS,
)

DEFAULT_SUGGESTIONS = 10

SUGGEST = ModelSpec(
    name="suggest",
    inputs=(_text("PREFIX"), _count("LIMIT", DEFAULT_SUGGESTIONS)),
    outputs=(
        TensorSpec(name="SUGGESTION", dtype="BYTES", dims=(-1,)),
        TensorSpec(name="SCORE", dtype="FP32", dims=(-1,)),
        TensorSpec(name="DETAILS", dtype="BYTES", dims=(1,)),
    ),
)

EVENTS = ModelSpec(name="events", inputs=(_text("EVENTS"),), outputs=(_text("RESULT"),))

DEFAULT_STATEMENTS = 200

PROFILE = ModelSpec(
    name="profile",
    inputs=(_text("USER_ID", optional=True), _text("VISITOR_ID", optional=True), _count("LIMIT", DEFAULT_STATEMENTS)),
    outputs=(_text("RESULT"),),
)

CATALOG = ModelSpec(name="catalog", inputs=(_text("OPERATIONS"),), outputs=(_text("RESULT"),))

ENCODER = ModelSpec(
    name="encoder",
    inputs=(
        TensorSpec(name="input_ids", dtype="INT64", dims=(-1,)),
        TensorSpec(name="attention_mask", dtype="INT64", dims=(-1,)),
    ),
    outputs=(TensorSpec(name="embedding", dtype="FP32", dims=(EMBEDDING_WIDTH,)),),
)

MODELS = {model.name: model for model in (SEARCH, RECOMMEND, SUGGEST, EVENTS, CATALOG, PROFILE, ENCODER)}
"""Every model of the contract by name."""
