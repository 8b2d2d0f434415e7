"""What must hold in the compose project of one profile; each rule yields its problems."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import typer.main

from mercato.cli.main import app
from mercato.manifest import MANIFEST_FILE
from mercato.triton_models.declaration import ENGINE
from mercato_export.targets import TARGETS
from tests.unit.deploy.command_lines import read_command
from tests.unit.deploy.compose_project import (
    WORKDIR,
    Step,
    locate,
    mounts,
    path_written,
    paths_read,
    published,
    read_step,
    state_file,
    waits_for,
)
from tests.unit.deploy.dockerfile import REPOSITORY, is_pinned, made_folders

Services = Mapping[str, Any]


def serve_defaults() -> dict[str, Any]:
    """Return the default of each option of ``mercato serve``."""
    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    return {option.name: option.default for option in command.params}


def find_problems(services: Services) -> list[str]:
    """List everything that is wrong in the services of one profile."""
    problems: list[str] = []
    for rule in (check_commands, check_paths, check_order, check_images, check_health, check_ports):
        problems += rule(services)
    return problems


def list_commands(services: Services) -> Iterator[tuple[str, Mapping[str, Any], Step, dict[str, Any]]]:
    """Iterate (service, its description, step, values of parameters) over what runs a command of ours that parses."""
    for name, service in services.items():
        step = read_step(service)
        if step is not None:
            with suppress(ValueError):
                yield name, service, step, read_command(step.words)


def check_commands(services: Services) -> Iterator[str]:
    """Every command of ours parses, and ``once`` looks for a file that the command makes."""
    from mercato_training.common.metrics import METRICS_FILE  # brings torch

    for name, service in services.items():
        step = read_step(service)
        if step is not None:
            try:
                read_command(step.words)
            except ValueError as exc:
                yield f"{name}: {exc}"
    for name, _, step, values in list_commands(services):
        if step.output is None or step.output.suffix == ".done":
            continue
        if step.words[1] == "index":
            made = {MANIFEST_FILE}
        elif step.words[1] == "train":
            made = {METRICS_FILE}
        else:
            made = {TARGETS[target].file for target in values["target"].split(",")}
            if "tensorrt" in values["target"] and ENGINE not in made:
                yield f"{name}: an engine is served as {ENGINE}, the target writes {', '.join(made)}"
        if step.output not in {PurePosixPath(values["out"]) / file for file in made}:
            yield f"{name}: looks for {step.output}, the command writes {', '.join(made)} in {values['out']}"


def check_paths(services: Services) -> Iterator[str]:
    """Every path lies in a volume, written where it is writable, and no folder that is replaced is a mount point."""
    for name, service, step, values in list_commands(services):
        written = [path for path in (path_written(step, values), step.output, state_file(values)) if path]
        if "tensorrt" in values.get("target", ""):
            written.append(PurePosixPath(values["timing_cache"]))
        for path in written:
            where = locate(service, path)
            if where is None or not where[2]:
                yield f"{name}: {path} is in no writable volume"
        for path in paths_read(step, values):
            if locate(service, path) is None:
                yield f"{name}: {path} is in no volume"
        if any(WORKDIR / path == target for path in written for _, target, _ in mounts(service)):
            yield f"{name}: writes a mount point itself, which cannot be replaced"
    for name, service in services.items():
        # A fresh volume takes the owner of the image's folder; where the image has none, root's.
        file = Path((service.get("build") or {}).get("dockerfile", ""))
        made = made_folders((REPOSITORY / file).read_text()) if (REPOSITORY / file).is_file() else None
        for mount in service.get("volumes") or []:
            if made is not None and mount["type"] == "volume" and mount["target"] not in made:
                yield f"{name}: {file.name} makes no {mount['target']}, so it would belong to root"
            # The shop's folder is the user's; everything else that is mounted comes from the repository.
            given = Path(mount["source"])
            ours = mount["type"] == "bind" and mount["target"] != str(WORKDIR / "shop")
            if ours and not (given.is_relative_to(REPOSITORY) and given.exists()):
                yield f"{name}: {given} is not in the repository"


def check_order(services: Services) -> Iterator[str]:
    """Whoever reads what another service makes waits for it; the server waits for all that is made."""
    makers: list[tuple[str, tuple[str, PurePosixPath, bool]]] = []
    for name, service, step, values in list_commands(services):
        made = locate(service, path_written(step, values) or step.output) if step.output else None
        makers += [(name, made)] if made else []
    for name, service, step, values in list_commands(services):
        before = waits_for(services, name)
        if step.output is None:
            yield from (f"{name}: starts before {maker} has ended" for maker, _ in makers if maker not in before)
        for path in paths_read(step, values):
            read = locate(service, path)
            if read is None or (WORKDIR / path).is_relative_to(WORKDIR / "shop"):
                continue
            made_by = [maker for maker, made in makers if made[0] == read[0] and read[1].is_relative_to(made[1])]
            if not made_by:
                yield f"{name}: nothing makes {path}"
            yield from (f"{name}: reads {path} before {maker} has made it" for maker in made_by if maker not in before)


def check_images(services: Services) -> Iterator[str]:
    """Images of others are pinned; ours are built from a file that is there and never pulled."""
    for name, service in services.items():
        build = service.get("build")
        if build is None:
            if not is_pinned(service["image"]):
                yield f"{name}: {service['image']} is not pinned"
            continue
        if not (Path(build["context"]) / build["dockerfile"]).is_file():
            yield f"{name}: {build['dockerfile']} is not in the repository"
        if service.get("pull_policy") != "build":
            yield f"{name}: {service['image']} could be pulled from a registry that is not ours"
        base = (build.get("args") or {}).get("BASE_IMAGE")
        if base is not None and not is_pinned(base):
            yield f"{name}: {base} is not pinned"


def check_health(services: Services) -> Iterator[str]:
    """Every service that stays tells its health: from its image where that is ours, else here."""
    for name, service in services.items():
        step = read_step(service)
        if step is None and not (service.get("healthcheck") or {}).get("test"):
            yield f"{name}: no health check"
        if step is not None and step.output is None and service.get("healthcheck"):
            yield f"{name}: the image's health check, an inference, is replaced"
        one_shot = step is not None and step.output is not None
        if (service.get("restart") == "no") != one_shot:
            yield f"{name}: {'runs once' if one_shot else 'stays'}, restart is {service.get('restart')}"


def check_ports(services: Services) -> Iterator[str]:
    """Ports are published on loopback, each once; the server's are those of ``mercato serve``."""
    seen: dict[str, str] = {}
    for name, port in published(services):
        if port.get("host_ip") != "127.0.0.1":
            yield f"{name}: {port['target']} is published on {port.get('host_ip') or 'every address'}"
        if port["published"] in seen:
            yield f"{name}: port {port['published']} is taken by {seen[port['published']]}"
        seen[port["published"]] = name
    defaults = serve_defaults()
    for name, service, step, values in list_commands(services):
        if step.output is not None:
            continue
        listened = {values[option] for option in ("port", "http_port", "metrics_port")}
        if {port["target"] for port in service["ports"]} != listened:
            yield f"{name}: listens on {sorted(listened)}, other ports are published"
        if values["port"] != defaults["port"]:
            yield f"{name}: the health check asks port {defaults['port']}, the server listens on {values['port']}"
        if values["host"] != "0.0.0.0":
            yield f"{name}: listens on {values['host']}, which no other container reaches"
