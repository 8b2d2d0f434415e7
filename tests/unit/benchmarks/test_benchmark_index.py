"""`python -m benchmarks` finds the benchmarks that are there, and documents name no others."""

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import DEMO_STORE, FOLDER, find_benchmarks

REPOSITORY = Path(__file__).resolve().parents[3]


def test_what_can_be_run_says_what_it_needs() -> None:
    runnable = {path.stem for path in FOLDER.glob("*/*.py") if '__name__ == "__main__"' in path.read_text()}
    assert set(find_benchmarks()) == runnable
    assert len(runnable) > 10


def test_names_are_those_of_modules_and_no_two_share_one() -> None:
    stems = [path.stem for path in FOLDER.glob("*/*.py") if path.stem in find_benchmarks()]
    assert sorted(stems) == list(find_benchmarks())
    for name, benchmark in find_benchmarks().items():
        assert (REPOSITORY / (benchmark.module.replace(".", "/") + ".py")).is_file(), name
        assert benchmark.summary.endswith("."), name


def test_those_that_need_the_demo_store_alone_are_run_where_none_is_named() -> None:
    assert [name for name, benchmark in find_benchmarks().items() if benchmark.needs == DEMO_STORE] == [
        "bench",
        "bundles",
        "explanations",
        "live_suggestions",
        "long_filters",
        "one_process",
        "recommend_latency",
        "retrieval",
        "search_features",
        "serving_load",
        "topologies",
    ]


def test_a_new_module_is_found_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "fast.py").write_text('"""How fast.\n\nMore."""\nNEEDS = "nothing"\n')
    (tmp_path / "search" / "data.py").write_text('"""No benchmark."""\n')
    (found,) = find_benchmarks(tmp_path).items()
    assert (found[0], found[1].needs, found[1].summary) == ("fast", "nothing", "How fast.")
    assert found[1].module == f"{tmp_path.name}.search.fast"


@pytest.mark.parametrize("suffix", ["md", "py"])
def test_commands_in_documents_name_benchmarks_that_exist(suffix: str) -> None:
    paths = [*REPOSITORY.glob(f"*.{suffix}"), *(REPOSITORY / "docs").rglob(f"*.{suffix}"), *FOLDER.rglob(f"*.{suffix}")]
    named = {name for path in paths for name in re.findall(r"-m benchmarks ([a-z_]+)", path.read_text())}
    assert named and named <= set(find_benchmarks())
