"""The compose project as Docker Compose itself reads it, and what its services run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tests.unit.deploy.dockerfile import REPOSITORY, SERVING, exec_form, parse_dockerfile

COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
# Docker Compose itself, inside a wheel: no container engine is needed to read a project.
COMPOSE = Path(sys.executable).with_name("docker-compose")
NVIDIA_ENTRYPOINT = "/opt/nvidia/nvidia_entrypoint.sh"
WORKDIR = PurePosixPath("/srv/mercato")
PROFILES = ("gpu", "cpu")
# Options by which our commands read what another service has made.
READ_OPTIONS = ("catalog", "encoder", "ranker", "weights")


def run_compose(
    *arguments: str, file: Path = COMPOSE_FILE, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose on a project file, as from the top of the repository."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [str(COMPOSE), "--project-directory", str(REPOSITORY), "--file", str(file), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env={**kept, **(variables or {})}, capture_output=True, text=True)


def read_project(profile: str, file: Path = COMPOSE_FILE) -> dict[str, Any]:
    """Return the project of a profile, with everything merged and filled in.

    Raises:
        ValueError: Compose refuses the file.
    """
    done = run_compose("--profile", profile, "config", "--format", "json", file=file)
    if done.returncode:
        raise ValueError(done.stderr)
    project: dict[str, Any] = json.loads(done.stdout)
    return project


@dataclass(frozen=True)
class Step:
    """What a service of ours runs.

    Attributes:
        words: the command line of ours, without entry points.
        output: the file that ``once`` looks for; None for a service that stays.
        needs: the file without which ``once`` does nothing.
    """

    words: tuple[str, ...]
    output: PurePosixPath | None = None
    needs: PurePosixPath | None = None


def read_step(service: Mapping[str, Any]) -> Step | None:
    """Return what a service of ours runs; None for an image of others."""
    if "build" not in service:
        return None
    entrypoint = service.get("entrypoint")
    if entrypoint is None:
        # Only the serving image is started as it is.
        entrypoint = exec_form(parse_dockerfile(SERVING.read_text())[-1].last("ENTRYPOINT"))
    words = [word for word in [*entrypoint, *service["command"]] if word != NVIDIA_ENTRYPOINT]
    if words[0] != "once":
        return Step(tuple(words))
    needs = (service.get("environment") or {}).get("NEEDS")
    return Step(tuple(words[2:]), PurePosixPath(words[1]), PurePosixPath(needs) if needs else None)


def mounts(service: Mapping[str, Any]) -> list[tuple[str, PurePosixPath, bool]]:
    """Return (source, target, writable) of each mount of a service."""
    listed = service.get("volumes") or []
    return [(one["source"], PurePosixPath(one["target"]), not one.get("read_only", False)) for one in listed]


def locate(service: Mapping[str, Any], path: PurePosixPath) -> tuple[str, PurePosixPath, bool] | None:
    """Return where a path of a service lies, as (volume, path within, writable); None where it is in no volume."""
    absolute = WORKDIR / path
    for source, target, writable in mounts(service):
        if absolute.is_relative_to(target):
            return source, absolute.relative_to(target), writable
    return None


def waits_for(services: Mapping[str, Any], name: str) -> set[str]:
    """Return all that has ended well or is healthy before a service starts, through others too."""
    found: set[str] = set()
    pending = [name]
    while pending:
        for other, how in (services[pending.pop()].get("depends_on") or {}).items():
            if other in services and other not in found and how["condition"] != "service_started":
                found.add(other)
                pending.append(other)
    return found


def published(services: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Iterate (service, port) over everything that is published."""
    for name, service in services.items():
        for port in service.get("ports") or []:
            yield name, port


def paths_read(step: Step, values: Mapping[str, Any]) -> list[PurePosixPath]:
    """Return the paths that a step reads: its arguments, its options, and what ``once`` needs."""
    # `index --weights` is no path, and that of an export is
    read = [PurePosixPath(values[name]) for name in READ_OPTIONS if isinstance(values.get(name), Path)]
    read += [PurePosixPath(values[name]) for name in ("file", "products") if name in values]
    return read + ([step.needs] if step.needs else [])


def path_written(step: Step, values: Mapping[str, Any]) -> PurePosixPath | None:
    """Return the folder or file that a step makes."""
    return PurePosixPath(values["out"]) if values.get("out") is not None else step.output


def state_file(values: Mapping[str, Any]) -> PurePosixPath | None:
    """Return the path in ``sqlite:PATH``."""
    return PurePosixPath(values["state"].partition(":")[2]) if values.get("state") else None
