"""The ranker as an in-process stage on ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.models.ranker.manifest import MODEL_FILE, read_ranker_manifest

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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A waiting thread must not burn the core that the next process needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime's exceptions have no common base
            raise ModelError(f"ranker: {folder / MODEL_FILE} cannot be loaded ({exc}); export it again") from exc

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
        try:
            scores: NDArray[np.float32] = self._session.run([OUTPUT_NAME], given)[0]
        except Exception as exc:  # onnxruntime's exceptions have no common base
            raise ModelError(f"ranker: scoring {batch} x {count} candidates failed ({exc})") from exc
        return scores
