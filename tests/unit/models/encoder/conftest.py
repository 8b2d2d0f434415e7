"""An exported tiny encoder for the tests of serving it."""

from pathlib import Path

import pytest

from mercato_export.encoder import describe_encoder
from mercato_export.pipeline import export_model
from tests.unit.export.tiny_encoder import MAX_TOKENS, make_texts, make_weights


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``mercato export encoder`` writes, of a BERT of two layers."""
    weights = make_weights(tmp_path_factory.mktemp("tiny-weights"))
    folder = tmp_path_factory.mktemp("exported") / "encoder"
    exportable = describe_encoder(weights, make_texts(), max_tokens=MAX_TOKENS)
    export_model(exportable, target="int8", out=folder, parity_source={"texts": "tests"})
    return folder
