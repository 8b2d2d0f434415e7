"""Fixtures that any test may use."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation data that may lie beside the checkout; skips the test where it does not.

    Nothing of it is part of this project: what runs on a fresh machine works without it.
    """
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the evaluation data (../shared/data beside the checkout) is not on this machine")
    return folder
