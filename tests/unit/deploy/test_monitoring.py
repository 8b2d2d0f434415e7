"""Prometheus, Grafana and the dashboard fit each other, the compose project and Triton's metrics."""

import json
import shutil
import subprocess

import pytest

from tests.unit.deploy.compose_project import PROFILES, read_project
from tests.unit.deploy.monitoring import (
    DASHBOARD,
    DATASOURCES,
    PROMETHEUS,
    PROVIDERS,
    check_dashboard,
    check_expression,
    check_provisioning,
    check_scraping,
    read_yaml,
)

SOURCE = "mercato-prometheus"


@pytest.mark.parametrize("profile", PROFILES)
def test_prometheus_asks_what_is_there(profile: str) -> None:
    assert list(check_scraping(PROMETHEUS.read_text(), read_project(profile)["services"])) == []


def test_prometheus_accepts_its_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on this machine; the file's hosts and ports are checked without it")
    done = subprocess.run([promtool, "check", "config", str(PROMETHEUS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    services = read_project("cpu")["services"]
    assert list(check_provisioning(DATASOURCES.read_text(), PROVIDERS.read_text(), services)) == []


def test_rates_reach_over_enough_scrapes() -> None:
    interval = read_yaml(PROMETHEUS.read_text())["global"]["scrape_interval"]
    (source,) = read_yaml(DATASOURCES.read_text())["datasources"]
    assert (source["uid"], source["jsonData"]["timeInterval"]) == (SOURCE, interval)


def test_the_dashboard_asks_for_metrics_that_triton_has() -> None:
    assert list(check_dashboard(DASHBOARD.read_text(), SOURCE)) == []


def test_the_dashboard_shows_what_load_does() -> None:
    asked = " ".join(
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    )
    shown = ("request_success", "request_failure", "queue_duration_us", "exec_count", "pending_request_count")
    assert [name for name in shown if f"nv_inference_{name}" not in asked] == []


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rate(nv_inference_requests_success[1m])", "nv_inference_requests_success is no metric of Triton"),
        ("sum by (modell) (rate(nv_inference_count[1m]))", "sums by modell"),
        ("sum by (reason) (rate(nv_inference_count[1m]))", "sums by reason"),
        ('nv_cpu_utilization{model="search"}', "nv_cpu_utilization has no label model"),
        ("rate(nv_inference_count[1m]", "unclosed left parenthesis"),
        ("rate(nv_inference_count)", "expected type matrix"),
        ("1 + 1", "asks for no metric"),
        ("nv_inference_count / nv_inference_executions", "nv_inference_executions is no metric of Triton"),
    ],
)
def test_wrong_expressions_are_noticed(expression: str, said: str) -> None:
    (problem, *_) = check_expression(expression)
    assert said in problem


DASHBOARD_MUTATIONS = {
    "metric": ("nv_inference_pending_request_count", "nv_inference_pending_requests", "is no metric of Triton"),
    "source": (SOURCE, "prometheus", "source prometheus is not provisioned"),
    "id": ('"id": 2', '"id": 1', "two panels have one id"),
    "place": ('"x": 12', '"x": 6', "panels lie over each other"),
    "width": ('"x": 12', '"x": 13', "wider than the page"),
    "variable": ("request_success, model)", "request_success, name)", "has no label name"),
}


@pytest.mark.parametrize("mutation", DASHBOARD_MUTATIONS)
def test_a_wrong_dashboard_is_noticed(mutation: str) -> None:
    right, wrong, said = DASHBOARD_MUTATIONS[mutation]
    text = DASHBOARD.read_text()
    assert right in text
    noticed = list(check_dashboard(text.replace(right, wrong), SOURCE))
    assert any(said in problem for problem in noticed), noticed


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("triton:8002", "triton:8012", "nothing listens at triton:8012"),
        ("triton:8002", "tritonserver:8002", "nothing listens at tritonserver:8002"),
        ("job_name: prometheus", "job_name: triton", "two jobs have one name"),
        ("scrape_configs:", "scraping: {}\nscrape_configs:", "scraping: not a section"),
    ],
)
def test_wrong_scraping_is_noticed(right: str, wrong: str, said: str) -> None:
    text = PROMETHEUS.read_text()
    assert right in text
    services = read_project("gpu")["services"]
    assert any(said in problem for problem in check_scraping(text.replace(right, wrong), services))


def test_wrong_provisioning_is_noticed() -> None:
    services = read_project("cpu")["services"]
    sources, providers = DATASOURCES.read_text(), PROVIDERS.read_text()
    elsewhere = list(check_provisioning(sources.replace(":9090", ":9091"), providers, services))
    assert any("nothing listens at http://prometheus:9091" in problem for problem in elsewhere)
    unmounted = list(check_provisioning(sources, providers.replace("/etc/grafana/dashboards", "/dashboards"), services))
    assert any("/dashboards is not mounted" in problem for problem in unmounted)
