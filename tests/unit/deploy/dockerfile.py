"""Dockerfiles as instructions, and the rules that hold between them and the repository."""

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).resolve().parents[3]
SERVING = REPOSITORY / "deploy" / "docker" / "serving.Dockerfile"
ENGINES = REPOSITORY / "deploy" / "docker" / "engines.Dockerfile"
NVIDIA_MONTH = re.compile(r"^nvcr\.io/nvidia/(tritonserver|tensorrt):(?P<month>\d\d\.\d\d)-py3$")


@dataclass
class Stage:
    """One ``FROM`` and what follows it: (instruction, argument) in order."""

    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str | None:
        """Return the argument of the last such instruction."""
        return next((text for name, text in reversed(self.instructions) if name == instruction), None)

    def all(self, instruction: str) -> list[str]:
        """Return the arguments of all such instructions."""
        return [text for name, text in self.instructions if name == instruction]


def parse_dockerfile(text: str) -> list[Stage]:
    """Split a Dockerfile into stages, with the defaults of its global arguments filled into ``FROM``.

    The linter has the last word on syntax; this reads what the rules below need, continued lines included.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    defaults: dict[str, str] = {}
    stages: list[Stage] = []
    for line in joined.splitlines():
        instruction, _, argument = line.strip().partition(" ")
        argument = argument.strip()
        if instruction == "FROM":
            image, _, name = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], argument).partition(" AS ")
            stages.append(Stage(image=image, name=name))
        elif not stages:
            assert instruction == "ARG", line
            name, _, value = argument.partition("=")
            defaults[name] = value
        else:
            stages[-1].instructions.append((instruction, argument))
    return stages


def copied_sources(stage: Stage) -> list[str]:
    """List what a stage takes from the build context: COPY without ``--from``, and bind mounts without ``from=``."""
    sources = []
    for argument in stage.all("COPY"):
        words = shlex.split(argument)
        if not any(word.startswith("--from=") for word in words):
            sources += [word for word in words if not word.startswith("--")][:-1]
    for argument in stage.all("RUN"):
        for mount in re.findall(r"--mount=type=bind,(\S+)", argument):
            options = dict(option.split("=", 1) for option in mount.split(","))
            if "from" not in options:
                sources.append(options["source"])
    return sources


def is_sent(source: str, ignore: str) -> bool:
    """Tell whether ``.dockerignore`` lets a path into the build context; the last pattern that matches decides.

    A pattern for a folder is one for all that lies in it, as Docker reads it.
    """
    path = PurePosixPath(source.rstrip("/"))
    names = [str(path), *(str(parent) for parent in path.parents)][:-1]
    sent = True
    for line in ignore.splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            body = pattern.lstrip("!").rstrip("/")
            if any(fnmatch.fnmatchcase(name, body) for name in names):
                sent = pattern.startswith("!")
    return sent


def exec_form(argument: str | None) -> list[str]:
    """Read an instruction's argument as a list of words; the shell form, which gets no signals, is refused."""
    assert argument is not None and argument.startswith("["), f"must be a JSON list: {argument}"
    words: list[str] = json.loads(argument)
    return words


def made_folders(text: str) -> set[str]:
    """Return the folders that a Dockerfile's last stage makes for its user (``install --directory``)."""
    commands = [command for run in parse_dockerfile(text)[-1].all("RUN") for command in run.split("&&")]
    made = [command.split() for command in commands if command.strip().startswith("install --directory")]
    return {word for words in made for word in words if word.startswith("/")}


def month(image: str) -> str:
    """Return the month of an NVIDIA image, ``25.06``."""
    match = NVIDIA_MONTH.match(image)
    assert match, image
    return match["month"]


def is_pinned(image: str) -> bool:
    """Tell whether an image has a tag that names one release: a digest, or at least a major and a minor number."""
    _, _, tag = image.rpartition("/")[2].partition(":")
    return "@sha256:" in image or bool(re.match(r"^v?\d+\.\d+", tag))


def find_problems(text: str, ignore: str) -> list[str]:
    """List what is wrong with a Dockerfile: sources that are missing or not sent, loose images, root.

    Args:
        text: the Dockerfile.
        ignore: the ``.dockerignore``.
    """
    problems = []
    stages = parse_dockerfile(text)
    names = {stage.name for stage in stages}
    for stage in stages:
        if stage.image not in names and not is_pinned(stage.image):
            problems.append(f"{stage.image}: not pinned")
        for source in copied_sources(stage):
            if not (REPOSITORY / source).exists():
                problems.append(f"{source}: not in the repository")
            elif not is_sent(source, ignore):
                problems.append(f"{source}: kept out by .dockerignore")
        for argument in [*stage.all("COPY"), *stage.all("RUN")]:
            for other in re.findall(r"(?:--from=|,from=)(\w+)", argument):
                if other not in names:
                    problems.append(f"{other}: no such stage")
    user = stages[-1].last("USER") or "root"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        problems.append(f"USER {user}: must be numbers other than 0, so that Kubernetes can tell it is not root")
    elif f"--uid {user.partition(':')[0]} " not in " ".join(stages[-1].all("RUN")):
        problems.append(f"USER {user}: no such user is made")
    return problems
