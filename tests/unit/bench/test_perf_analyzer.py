"""perf_analyzer as the driver of a benchmark: found, asked, and its report told in the form of the others."""

from pathlib import Path

import pytest

from mercato.bench.document import run_bench
from mercato.bench.perf_analyzer import LIBRARIES, find_perf_analyzer
from mercato.bench.plan import Plan
from mercato.bench.shop import ShopFiles
from mercato.errors import MercatoError
from tests.unit.bench.triton_double import TritonDouble, serve_double

# Answers as the tool does, with a report of its own invention.
SCRIPT = """#!/bin/sh
if [ "$1" = --version ]; then echo "Perf Analyzer Version 0"; exit 0; fi
while [ $# -gt 0 ]; do [ "$1" = -f ] && report=$2; [ "$1" = --input-data ] && data=$2; shift; done
grep -q '"QUERY"' "$data" && grep -q '"USER_ID"' "$data" || exit 9
cat > "$report" <<EOF
Concurrency,Inferences/Second,Server Queue,p50 latency,p90 latency,p95 latency,p99 latency
1,120.5,250,1000,2000,3000,4000
EOF
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "bin" / "perf_analyzer"
    file.parent.mkdir()
    file.write_text(SCRIPT)
    file.chmod(0o755)
    return file


def test_it_is_found_on_path_or_by_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_perf_analyzer(program)
    assert (found.version, found.libraries) == ("Perf Analyzer Version 0", None)
    (program.parent / LIBRARIES).mkdir()
    assert find_perf_analyzer(program).libraries == program.parent / LIBRARIES
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert find_perf_analyzer().executable == program


def test_none_that_runs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MercatoError, match="does not run here; name one that runs here with --perf-analyzer"):
        find_perf_analyzer(tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MercatoError, match="none is on PATH; .* or take --driver asyncio"):
        find_perf_analyzer()


def test_its_figures_are_told_as_those_of_the_other_driver(program: Path) -> None:
    plan = Plan(
        workloads=("search",),
        draws=("unique",),
        callers=(1,),
        load_percent=(50.0,),
        seconds=0.3,
        driver="perf_analyzer",
        perf_analyzer=program,
    )
    with serve_double(TritonDouble()) as address:
        document = run_bench(address, plan, ShopFiles())
    closed, opened = document["points"]
    assert document["driver"] == "perf_analyzer Perf Analyzer Version 0"
    assert (closed["queries_per_s"], closed["latency_ms"]["p90"], closed["latency_ms"]["p99.9"]) == (120.5, 2.0, None)
    assert closed["stages_ms"] == {"queue": 0.25}
    assert (opened["load_percent"], opened["rate_per_s"]) == (50.0, 60.25)
    assert str(program) not in str(document)
