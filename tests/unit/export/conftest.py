"""What the tests of the exporter share."""

from pathlib import Path

import pytest

from mercato_export.encoder import describe_encoder
from mercato_export.exportable import Exportable
from tests.unit.export.tiny_encoder import MAX_TOKENS, make_texts, make_weights


@pytest.fixture(scope="session")
def exportable(tmp_path_factory: pytest.TempPathFactory) -> Exportable:
    """A tiny encoder with the gates of the real one."""
    weights: Path = tmp_path_factory.mktemp("tiny-weights")
    return describe_encoder(make_weights(weights), make_texts(), max_tokens=MAX_TOKENS)
