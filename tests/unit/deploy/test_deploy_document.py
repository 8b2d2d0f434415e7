"""What docs/deploy.md tells people to type exists, and what it says of versions is what the files hold."""

import re
import shlex

import pytest

from tests.unit.deploy.command_lines import read_command
from tests.unit.deploy.compose_project import read_project
from tests.unit.deploy.dockerfile import ENGINES, REPOSITORY, SERVING, month, parse_dockerfile

DOCUMENT = (REPOSITORY / "docs" / "deploy.md").read_text()
COMMANDS = [line.strip() for line in DOCUMENT.splitlines() if re.match(r" {4}\S", line)]
VERBS = {"up", "ps", "exec", "logs", "run", "restart", "config"}
WITH_VALUE = {"--entrypoint", "--env", "--profile"}


def read_compose_line(line: str) -> tuple[str, str | None, list[str], str]:
    """Return verb, service, the words of the service's command, and the profile."""
    words = shlex.split(line)
    words = words[words.index("compose") + 1 :]
    options: dict[str, str] = {}
    plain: list[str] = []
    while words:
        word = words.pop(0)
        if len(plain) < 2 and word.startswith("--"):
            options[word] = words.pop(0) if word in WITH_VALUE else ""
        else:
            plain.append(word)
    entry = [options["--entrypoint"]] if "--entrypoint" in options else []
    return plain[0], plain[1] if len(plain) > 1 else None, entry + plain[2:], options.get("--profile", "gpu")


def test_lines_are_read_as_docker_compose_reads_them() -> None:
    assert read_compose_line("A=1 docker compose --profile cpu up --detach") == ("up", None, [], "cpu")
    line = "docker compose run --rm --entrypoint mercato index index a.csv --out=b"
    assert read_compose_line(line) == ("run", "index", ["mercato", "index", "a.csv", "--out=b"], "gpu")


@pytest.mark.parametrize("line", [line for line in COMMANDS if "docker compose" in line])
def test_verbs_services_and_commands_exist(line: str) -> None:
    verb, service, words, profile = read_compose_line(line)
    assert verb in VERBS
    assert service is None or service in read_project(profile)["services"]
    if words:
        read_command(words)


def test_the_other_command_is_the_demos() -> None:
    assert [line for line in COMMANDS if "docker compose" not in line] == ["python -m demo --write-store"]
    assert '"--write-store"' in (REPOSITORY / "demo" / "__main__.py").read_text()


def test_every_service_is_in_the_table() -> None:
    rows = "\n".join(line for line in DOCUMENT.splitlines() if line.startswith("| `"))
    services = {*read_project("gpu")["services"], *read_project("cpu")["services"]}
    assert {service for service in services if f"`{service}`" not in rows} == set()


def test_images_months_and_versions_are_those_of_the_files() -> None:
    for file in (SERVING, ENGINES):
        image = parse_dockerfile(file.read_text())[-1].image
        assert f"`{image}`" in DOCUMENT
        assert f"**{month(image)}**" in DOCUMENT
    numpy = re.search(r"^numpy==(\S+)", (REPOSITORY / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert numpy and f"**numpy** is {numpy[1]} " in DOCUMENT


def test_it_says_plainly_that_nothing_was_run() -> None:
    assert "**None of it was run here**" in DOCUMENT
    assert "**No digest was resolved**" in DOCUMENT


def test_variables_that_are_named_are_read() -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*_(?:PORT|SHOP|URL))`", DOCUMENT))
    read = (REPOSITORY / "docker-compose.yml").read_text()
    assert named and {name for name in named if name not in read} == set()
