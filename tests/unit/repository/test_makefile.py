"""The Makefile's targets are the ones that are documented, and the script of continuous integration runs them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
TARGETS = {"help", "setup", "demo", "test", "test-slow", "test-pythons", "check", "bench", "clean"}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def run_make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Without the variables of a `make` that runs these tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "KEEP"))}
    return subprocess.run(["make", *arguments], cwd=REPOSITORY, capture_output=True, text=True, env=environment)


def test_help_is_the_default_and_lists_every_target() -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) +\S", run_make().stdout, flags=re.MULTILINE))
    assert listed == TARGETS
    assert run_make("help").stdout == run_make().stdout


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_can_be_planned(target: str) -> None:
    planned = run_make("--dry-run", target)
    assert planned.returncode == 0, planned.stderr


@pytest.mark.parametrize("target", ["demo", "test", "test-slow", "check", "bench"])
def test_targets_set_up_what_they_need(target: str) -> None:
    assert "tools/environment.py" in run_make("--dry-run", target).stdout


def test_keep_leaves_the_server_running() -> None:
    assert "-m demo --keep" in run_make("--dry-run", "demo", "KEEP=1").stdout
    assert "--keep" not in run_make("--dry-run", "demo").stdout


def test_bench_loads_the_demo_store_and_runs_others_by_name() -> None:
    assert run_make("--dry-run", "bench").stdout.rstrip().endswith("-m benchmarks bench")
    assert run_make("--dry-run", "bench", "ARGS=retrieval").stdout.rstrip().endswith("-m benchmarks retrieval")


def test_check_types_each_adapter_on_its_own() -> None:
    planned = run_make("--dry-run", "check").stdout
    for path in (REPOSITORY / "model_repository").glob("*/*/model.py"):
        assert str(path.relative_to(REPOSITORY)) in planned


def test_documents_name_targets_that_exist() -> None:
    documents = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    named = {name for path in documents for name in re.findall(r"[`\n$] ?make ([a-z]+(?:-[a-z]+)*)", path.read_text())}
    assert named <= TARGETS


def test_continuous_integration_runs_check_and_test() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    assert re.findall(r"\bmake (\w+)$", script.read_text(), flags=re.MULTILINE) == ["setup", "check", "test"]
