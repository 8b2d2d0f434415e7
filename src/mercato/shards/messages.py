"""What a router asks a shard, and what it is answered, as messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.errors import InvalidInputError, MercatoError, ModelError
from mercato.index.part import CatalogPart
from mercato.requests.written import read_request, write_request
from mercato.retrieval.whole import Figures
from mercato.shards.shard import Shard, ShardFound, ShardSearch
from mercato.shards.wire import Body, unpack

CANARY = b"canary"
"""What the shard's server asks itself."""
SEARCH = "search"
DOCUMENTS = "documents"
VECTORS = "vectors"


class ShardAnswerer:
    """Answers the messages of a shard's server."""

    def __init__(self, shard: Shard) -> None:
        """Take the shard."""
        self._shard = shard

    def answer(self, messages: Sequence[bytes | MercatoError]) -> list[bytes | MercatoError]:
        """Answer messages, or pass on the errors of those that could not be read."""
        return [one if isinstance(one, MercatoError) else self._answer(one) for one in messages]

    def _answer(self, message: bytes) -> bytes | MercatoError:
        try:
            return answer_message(self._shard, message)
        except MercatoError as exc:
            return exc


def answer_message(shard: Shard, message: bytes) -> bytes:
    """Answer a router's message, or the canary of its server.

    Raises:
        ModelError: it cannot be read, or is meant for another shard.
    """
    if message == CANARY:
        return Body(document={"products": shard.catalog.base}).pack()
    body = unpack(message)
    asked, part = (body.document.get("cut"), body.document.get("number")), shard.part
    if asked != (part.cut, part.number):
        raise ModelError(
            f"shard {part.number} of the cut of {part.cut}: asked for shard {asked[1]} of the cut of {asked[0]}; serve "
            "shards and router of one `mercato shard`, and name the shards in the order of their numbers"
        )
    answer = Body()
    if body.document["asked"] == DOCUMENTS:
        documents = shard.read_documents(body.arrays["rows"])
        answer.arrays["bytes"] = np.frombuffer(b"".join(documents), np.uint8)
        answer.arrays["sizes"] = np.array([len(one) for one in documents], np.int64)
    elif body.document["asked"] == VECTORS:
        answer.arrays["vectors"] = shard.read_vectors(body.arrays["rows"])
    else:
        outcomes = shard.search([_read_search(body, index) for index in range(body.document["searches"])])
        for index, outcome in enumerate(outcomes):
            _write_outcome(answer, index, outcome)
    return answer.pack()


def ask_search(part: CatalogPart, number: int, searches: Sequence[ShardSearch]) -> bytes:
    """Write the message that goes on with searches at a shard, by its number, from 1."""
    body = Body(document={**_address(part, number), "asked": SEARCH, "searches": len(searches)})
    for index, search in enumerate(searches):
        body.document[f"{index}.key"] = search.key
        body.document[f"{index}.request"] = write_request(search.request).decode()
        body.document[f"{index}.rounds"] = len(search.told)
        body.arrays[f"{index}.exact"] = search.exact
        if search.vector is not None:
            body.arrays[f"{index}.vector"] = search.vector
        for place, told in enumerate(search.told):
            body.put(f"{index}.told{place}", told)
    return body.pack()


def read_outcomes(message: bytes, count: int) -> list[Figures | ShardFound | MercatoError]:
    """Read what a shard answered to so many searches.

    Raises:
        ModelError: it cannot be read.
    """
    body = unpack(message)
    return [_read_outcome(body, index) for index in range(count)]


def ask_rows(part: CatalogPart, number: int, wanted: str, rows: Int32) -> bytes:
    """Write the message that asks a shard for `DOCUMENTS` or `VECTORS` of rows of the whole catalogue, int32 [n]."""
    return Body(document={**_address(part, number), "asked": wanted}, arrays={"rows": rows}).pack()


def read_documents(message: bytes) -> list[bytes]:
    """Read documents; raises ModelError where there are none."""
    body = unpack(message)
    ends = np.cumsum(body.arrays["sizes"]).tolist()
    written = body.arrays["bytes"].tobytes()
    return [written[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read_vectors(message: bytes) -> Float32:
    """Read vectors, float32 [n, D]; raises ModelError where there are none."""
    vectors: Float32 = unpack(message).arrays["vectors"]
    return vectors


def _address(part: CatalogPart, number: int) -> dict[str, object]:
    return {"cut": part.cut, "number": number}


def _read_search(body: Body, index: int) -> ShardSearch:
    return ShardSearch(
        key=body.document[f"{index}.key"],
        request=read_request(body.document[f"{index}.request"].encode()),
        vector=body.arrays.get(f"{index}.vector"),
        exact=body.arrays[f"{index}.exact"],
        told=[body.get(Figures, f"{index}.told{place}") for place in range(body.document[f"{index}.rounds"])],
    )


def _write_outcome(body: Body, index: int, outcome: Figures | ShardFound | MercatoError) -> None:
    if isinstance(outcome, MercatoError):
        body.document[f"{index}.error"] = str(outcome)
        if isinstance(outcome, InvalidInputError):
            body.document[f"{index}.parameter"] = outcome.parameter
    else:
        kind = "found" if isinstance(outcome, ShardFound) else "said"
        body.document[f"{index}.kind"] = kind
        body.put(f"{index}.{kind}", outcome)


def _read_outcome(body: Body, index: int) -> Figures | ShardFound | MercatoError:
    error = body.document.get(f"{index}.error")
    if error is None:
        kind = body.document[f"{index}.kind"]
        return body.get(ShardFound, f"{index}.found") if kind == "found" else body.get(Figures, f"{index}.said")
    parameter = body.document.get(f"{index}.parameter")
    if parameter is None:
        return ModelError(error)
    return InvalidInputError(parameter, error.removeprefix(f"{parameter}: "))
