"""The ranker as an in-process stage on ONNX Runtime."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.models.ranker.manifest import MODEL_FILE, read_ranker_manifest
from mercato.networks.onnx_session import OnnxSession

INPUT_NAMES = ("query", "history", "candidates", "features")
OUTPUT_NAME = "score"


class OnnxRanker:
    """Scores candidates with the exported network, on one thread. Safe to call from several threads.

    Attributes:
        dimension: length of the vectors.
    """

    def __init__(self, folder: Path | str) -> None:
        """Load the model.

        Args:
            folder: holds ``model.onnx`` and ``manifest.json``.

        Raises:
            ModelError: a file is missing or broken, or the model was trained on other features than
                :data:`~mercato.features.features.FEATURE_NAMES`.
        """
        folder = Path(folder)
        self.dimension = read_ranker_manifest(folder, FEATURE_NAMES).dimension
        self._session = OnnxSession(folder / MODEL_FILE, model="ranker", output=OUTPUT_NAME)

    def score(
        self,
        query: NDArray[np.float32],
        history: NDArray[np.float32],
        candidates: NDArray[np.float32],
        features: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score the candidates of a batch of requests.

        Args:
            query: float32 [batch, D], unit length; zeros for a recommendation.
            history: float32 [batch, D], unit length; zeros where there is none.
            candidates: float32 [batch, n, D], unit length; padding may hold anything finite.
            features: float32 [batch, n, F], columns as :data:`~mercato.features.features.FEATURE_NAMES`.

        Returns:
            float32 [batch, n], higher is better; comparable within a request only. Padding gets a score too, which the
            caller drops.

        Raises:
            ModelError: shapes do not fit together or the model fails.
        """
        batch, count = features.shape[:2]
        expected = {
            "query": (batch, self.dimension),
            "history": (batch, self.dimension),
            "candidates": (batch, count, self.dimension),
            "features": (batch, count, len(FEATURE_NAMES)),
        }
        given = dict(zip(INPUT_NAMES, (query, history, candidates, features), strict=True))
        wrong = [
            f"{name} must be {shape}, given {given[name].shape}"
            for name, shape in expected.items()
            if given[name].shape != shape
        ]
        if wrong:
            raise ModelError(f"ranker: {'; '.join(wrong)}")
        if batch * count == 0:
            return np.zeros((batch, count), dtype=np.float32)
        return self._session.run(given)
