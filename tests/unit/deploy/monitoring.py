"""Monitoring: which metrics a dashboard asks for, and what must hold between its files and the compose project."""

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import promql_parser as promql
import yaml

from tests.unit.deploy.compose_project import mounts
from tests.unit.deploy.dockerfile import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "monitoring"
PROMETHEUS = FOLDER / "prometheus.yml"
DATASOURCES = FOLDER / "grafana" / "datasources.yml"
PROVIDERS = FOLDER / "grafana" / "providers.yml"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "triton.json"

# Labels of Triton's metrics. Those of a model were read from a server of version 2.51 (and are again by
# test_metrics_of_a_server.py); those of a GPU are from Triton's documentation, docs/user_guide/metrics.md.
OF_A_MODEL = frozenset({"model", "version"})
OF_A_GPU = frozenset({"gpu_uuid"})
OF_THE_MACHINE: frozenset[str] = frozenset()
TRITON_METRICS = {
    "nv_inference_request_success": OF_A_MODEL,
    "nv_inference_request_failure": OF_A_MODEL | {"reason"},
    "nv_inference_count": OF_A_MODEL,
    "nv_inference_exec_count": OF_A_MODEL,
    "nv_inference_request_duration_us": OF_A_MODEL,
    "nv_inference_queue_duration_us": OF_A_MODEL,
    "nv_inference_compute_input_duration_us": OF_A_MODEL,
    "nv_inference_compute_infer_duration_us": OF_A_MODEL,
    "nv_inference_compute_output_duration_us": OF_A_MODEL,
    "nv_inference_pending_request_count": OF_A_MODEL,
    "nv_pinned_memory_pool_total_bytes": OF_THE_MACHINE,
    "nv_pinned_memory_pool_used_bytes": OF_THE_MACHINE,
    "nv_cpu_utilization": OF_THE_MACHINE,
    "nv_cpu_memory_total_bytes": OF_THE_MACHINE,
    "nv_cpu_memory_used_bytes": OF_THE_MACHINE,
    "nv_gpu_utilization": OF_A_GPU,
    "nv_gpu_memory_total_bytes": OF_A_GPU,
    "nv_gpu_memory_used_bytes": OF_A_GPU,
    "nv_gpu_power_usage": OF_A_GPU,
    "nv_gpu_power_limit": OF_A_GPU,
    "nv_energy_consumption": OF_A_GPU,
}
# Of Prometheus itself, for every target; and what it adds to each metric.
OWN_METRICS = {"up": frozenset[str]()}
ADDED_LABELS = frozenset({"instance", "job"})
# What Grafana fills in before it asks.
VARIABLES = {"$__rate_interval": "1m", "$model": ".*"}


def read_yaml(text: str) -> Any:
    """Read a YAML file's text."""
    return yaml.safe_load(text)


def fill(expression: str) -> str:
    """Put values for Grafana's variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def walk(node: Any) -> Iterator[Any]:
    """Iterate over an expression and all that it is made of."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None and not isinstance(one, (str, int, float)):
                yield from walk(one)


def labels_used(selector: Any) -> set[str]:
    """Return the labels that a selector asks for."""
    return {matcher.name for matcher in selector.matchers.matchers}


def check_expression(expression: str) -> Iterator[str]:
    """It parses, and its metrics and labels are Triton's."""
    try:
        nodes = list(walk(promql.parse(fill(expression))))
    except ValueError as exc:
        yield f"{expression}: {exc}"
        return
    known = {**TRITON_METRICS, **OWN_METRICS}
    selected = [node for node in nodes if isinstance(node, promql.VectorSelector)]
    if not selected:
        yield f"{expression}: asks for no metric"
    allowed = set(ADDED_LABELS)
    for selector in selected:
        if selector.name not in known:
            yield f"{expression}: {selector.name} is no metric of Triton"
            continue
        allowed |= known[selector.name]
        for label in labels_used(selector) - known[selector.name] - ADDED_LABELS:
            yield f"{expression}: {selector.name} has no label {label}"
    for node in nodes:
        modifier = getattr(node, "modifier", None)
        for label in set(getattr(modifier, "labels", None) or []) - allowed:
            yield f"{expression}: sums by {label}, a label of none of its metrics"


def check_dashboard(text: str, datasource: str) -> Iterator[str]:
    """Panels lie apart, have ids of their own, and ask the provisioned source for metrics that there are."""
    board = json.loads(text)
    panels = board["panels"]
    if len({panel["id"] for panel in panels}) != len(panels):
        yield "two panels have one id"
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        if not apart and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]:
            yield f"panels lie over each other: {one}, {other}"
    for panel in panels:
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
            yield f"{panel['title']}: wider than the page"
        if not panel["description"]:
            yield f"{panel['title']}: says nothing of what it shows"
        for target in [panel, *panel["targets"]]:
            if target["datasource"]["uid"] != datasource:
                yield f"{panel['title']}: source {target['datasource']['uid']} is not provisioned"
        for target in panel["targets"]:
            yield from check_expression(target["expr"])
    for variable in board["templating"]["list"]:
        if variable["datasource"]["uid"] != datasource:
            yield f"{variable['name']}: source {variable['datasource']['uid']} is not provisioned"
        metric, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").split(", ")
        if label not in TRITON_METRICS.get(metric, frozenset()):
            yield f"{variable['name']}: {metric} has no label {label}"


def check_scraping(text: str, services: dict[str, Any]) -> Iterator[str]:
    """Prometheus asks hosts and ports that services of the project have."""
    config = read_yaml(text)
    known = {"global", "scrape_configs"}
    yield from (f"{name}: not a section of Prometheus that is used here" for name in set(config) - known)
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    if len(set(jobs)) != len(jobs):
        yield "two jobs have one name"
    ports: dict[str, set[int]] = {"localhost": {9090}}
    for name, service in services.items():
        networks = (service.get("networks") or {}).values()
        for host in [name, *(alias for network in networks for alias in (network or {}).get("aliases", []))]:
            ports.setdefault(host, set()).update(port["target"] for port in service.get("ports") or [])
    for job in config["scrape_configs"]:
        for group in job["static_configs"]:
            for target in group["targets"]:
                host, _, port = target.partition(":")
                if int(port) not in ports.get(host, set()):
                    yield f"{job['job_name']}: nothing listens at {target}"


def check_provisioning(sources: str, providers: str, services: dict[str, Any]) -> Iterator[str]:
    """Grafana finds its source by a service's name and port, and its dashboards where they are mounted."""
    for source in read_yaml(sources)["datasources"]:
        host, _, port = source["url"].removeprefix("http://").partition(":")
        if int(port) not in {one["target"] for one in services.get(host, {}).get("ports") or []}:
            yield f"{source['name']}: nothing listens at {source['url']}"
    grafana = services["grafana"]
    folders = {target for _, target, _ in mounts(grafana)}
    for provider in read_yaml(providers)["providers"]:
        if PurePosixPath(provider["options"]["path"]) not in folders:
            yield f"{provider['name']}: {provider['options']['path']} is not mounted"
    for target in ("datasources", "dashboards"):
        if PurePosixPath(f"/etc/grafana/provisioning/{target}/mercato.yml") not in folders:
            yield f"{target}: not provisioned"
    home = PurePosixPath(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    if home.parent not in folders or not (DASHBOARD.parent / home.name).is_file():
        yield f"{home}: no such dashboard"
