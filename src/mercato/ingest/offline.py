"""Product changes straight into state, without a server: the same rules, and the encoder only where a text changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from mercato.arrays import Float32
from mercato.errors import DataError, EncoderMismatchError, MercatoError
from mercato.incoming import WriteResult
from mercato.index.current import CurrentProducts
from mercato.index.snapshot import Snapshot
from mercato.ingest.catalog import CatalogWriter
from mercato.models.stages import EncoderStage
from mercato.state.store import StateStore, open_state
from mercato.text import TextRole


class LateEncoder:
    """An encoder that is opened when the first text is to be encoded."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Name an encoder.

        Args:
            folder: what `mercato export encoder` wrote.
            identity: the one that the catalogue was built with.
        """
        self._folder = folder
        self._identity = identity
        self._encoder: EncoderStage | None = None

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode texts: float32 [texts, dimension], unit length.

        Raises:
            ModelError: the encoder's folder cannot be used.
            EncoderMismatchError: the catalogue was built with another.
        """
        if self._encoder is None:
            from mercato.models.encoder.onnx_encoder import OnnxEncoder

            encoder = OnnxEncoder(self._folder)
            if encoder.identity != self._identity:
                raise EncoderMismatchError(
                    f"--encoder {self._folder}: is {encoder.identity}, but the catalogue needs {self._identity}"
                    "; give that one"
                )
            self._encoder = encoder
        return self._encoder.encode(texts, role)


@contextmanager
def open_offline_writer(
    url: str, catalog: Path | None, encoder: Path
) -> Iterator[Callable[[list[dict[str, Any]]], WriteResult]]:
    """Open what writes operations into a state file, also beside a running server, which reads them.

    Args:
        url: ``sqlite:PATH``.
        catalog: the snapshot that is served; None for the one that was last indexed with this state.
        encoder: folder of the exported encoder.

    Yields:
        A function that writes operations as `CatalogWriter` takes them; what it returns is durable.

    Raises:
        DataError: no catalogue is given, and none is known.
        MercatoError: state or catalogue cannot be used.
    """
    state = open_state(url)
    try:
        snapshot = Snapshot(catalog if catalog is not None else _find_catalog(url, state))
        writer = CatalogWriter(CurrentProducts(snapshot, state), state, LateEncoder(encoder, snapshot.manifest.encoder))

        def write(operations: list[dict[str, Any]]) -> WriteResult:
            [result] = writer.write([orjson.dumps(operations)])
            if isinstance(result, MercatoError):
                raise result
            return result

        yield write
    finally:
        state.close()


def _find_catalog(url: str, state: StateStore) -> Path:
    noted = state.catalog_path()
    if noted is None:
        raise DataError(f"--state {url}: no catalogue was indexed with it; give the one it belongs to, --catalog DIR")
    if not Path(noted).exists():
        raise DataError(
            f"--state {url}: its catalogue {noted} is not there; give the one that is served, --catalog DIR"
        )
    return Path(noted)
