"""The metrics that the dashboard asks for are those of a real server, names and labels."""

import json
import re
import time
import urllib.request
from pathlib import Path

import pytest

from mercato.errors import ServerError
from mercato.serving.binary import find_server
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from tests.unit.deploy.dockerfile import REPOSITORY
from tests.unit.deploy.monitoring import DASHBOARD, OF_A_GPU, TRITON_METRICS

pytestmark = pytest.mark.triton
ECHO = REPOSITORY / "tests" / "integration" / "echo_repository"
SAMPLE = re.compile(r"^(?P<name>nv_\w+)(?:\{(?P<labels>[^}]*)\})? ", flags=re.MULTILINE)
# Metrics of the machine appear with the first interval of two seconds.
LATE_METRIC, PATIENCE_S = "nv_cpu_utilization", 30.0


def read_metrics(text: str) -> dict[str, set[str]]:
    """Return metric -> labels."""
    samples = SAMPLE.finditer(text)
    return {sample["name"]: set(re.findall(r'(\w+)="', sample["labels"] or "")) for sample in samples}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What a server says of itself after one request."""
    try:
        find_server()
    except ServerError as exc:
        pytest.skip(f"no Triton server on this machine: {exc}")
    folder: Path = tmp_path_factory.mktemp("server")
    options = ServerOptions(
        repository=ECHO,
        models=("echo",),
        canaries={"echo": None},
        ports=Ports(grpc=0, http=0, metrics=0),
        run_root=folder / "runs",
        log=folder / "server.log",
        stop_timeout_s=1.0,
        supervised=False,
    )
    with TritonServer(options) as server:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with urllib.request.urlopen(f"http://{server.metrics_address}/metrics") as answer:
                found = read_metrics(answer.read().decode())
            if LATE_METRIC in found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def test_every_metric_that_is_known_has_the_labels_that_are_known(metrics: dict[str, set[str]]) -> None:
    without_gpu = {name: set(labels) for name, labels in TRITON_METRICS.items() if labels != OF_A_GPU}
    assert {name: metrics.get(name) for name in without_gpu} == without_gpu


def test_the_dashboard_finds_everything_but_a_gpu(metrics: dict[str, set[str]]) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = set(re.findall(r"\bnv_\w+", " ".join(target["expr"] for panel in panels for target in panel["targets"])))
    assert {name for name in asked - set(metrics) if not name.startswith("nv_gpu_")} == set()
