"""Fixtures that any test may use."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from mercato.errors import MercatoError

# An example of a property may take as long as a busy machine lets it: times are measured in benchmarks.
settings.register_profile("patient", settings(), deadline=None)
settings.register_profile("many", settings(), deadline=None, max_examples=100_000)
settings.load_profile("patient")

REPOSITORY = Path(__file__).resolve().parent.parent
ENCODER = REPOSITORY / "var" / "models" / "encoder"


@pytest.fixture(scope="session")
def encoder_folder() -> Path:
    """The real encoder; exported once where it is missing (under a minute)."""
    ENCODER.parent.mkdir(parents=True, exist_ok=True)
    with (ENCODER.parent / ".tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (ENCODER / "manifest.json").is_file():
            command = [sys.executable, "-m", "mercato.cli", "export", "encoder", "--out", str(ENCODER)]
            exported = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
            if exported.returncode:
                raise MercatoError(f"the encoder cannot be exported: {exported.stderr[-2000:]}")
    return ENCODER


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation data that may lie beside the checkout; skips the test where it does not.

    Nothing of it is part of this project: what runs on a fresh machine works without it.
    """
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the evaluation data (../shared/data beside the checkout) is not on this machine")
    return folder
