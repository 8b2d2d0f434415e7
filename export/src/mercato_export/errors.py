"""The exceptions of the exporter.

MercatoError
└── ExportError          an export failed; nothing was written
    ├── WeightsError         weights are missing or are not the pinned ones
    └── ParityError          what was exported does not compute what was trained
"""

from mercato.errors import MercatoError


class ExportError(MercatoError):
    """An export failed; nothing was written."""


class WeightsError(ExportError):
    """Weights cannot be found, or are not the pinned ones."""


class ParityError(ExportError):
    """An exported file differs from its PyTorch module by more than its gate allows."""
