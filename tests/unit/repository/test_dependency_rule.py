"""Who may import whom, read from the source: the arrows of the architecture, and what stays out of the server."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]

# The packages of this repository, by the name they are imported by.
OURS = frozenset(
    {
        "mercato",
        "mercato_client",
        "mercato_export",
        "mercato_training",
        "demo",
        "benchmarks",
        "tools",
        "tests",
    }
)
TRITON_STUB = frozenset({"triton_python_backend_utils", "c_python_backend_utils"})
TRITON_CLIENT = frozenset({"tritonclient", "grpc"})
# Shipped behind extras, so never imported by what starts or serves.
OFFLINE = frozenset({"mercato_export", "mercato_training"})
HEAVY = frozenset({"torch", "transformers", "onnx", "onnxscript", "pytriton"})


class Room(NamedTuple):
    """What one folder may import: of ours only what is named, of the rest all but what is forbidden."""

    folder: str
    ours: frozenset[str]
    forbidden: frozenset[str]


# The first room that holds a file decides, so that a folder's exceptions stand before it.
ROOMS = (
    # The one command line: the offline halves are reached from it, and only once a command runs (a test below).
    Room("src/mercato/cli", frozenset({"mercato", "mercato_client"}) | OFFLINE, HEAVY | TRITON_STUB),
    Room("src/mercato/serving", frozenset({"mercato", "mercato_client"}), HEAVY | TRITON_STUB),
    # It asks a running server, through the client that services use.
    Room("src/mercato/evaluation", frozenset({"mercato", "mercato_client"}), HEAVY | TRITON_STUB | TRITON_CLIENT),
    # It loads a running server, by the protocol itself.
    Room("src/mercato/bench", frozenset({"mercato", "mercato_client"}), HEAVY | TRITON_STUB),
    # The one room with PyTorch, which it imports where it is used, for the profile that runs on it.
    Room("src/mercato/torch_profile", frozenset({"mercato"}), (HEAVY - {"torch"}) | TRITON_STUB | TRITON_CLIENT),
    # It speaks to a vector database, whose client is built on gRPC.
    Room("src/mercato/milvus", frozenset({"mercato"}), HEAVY | TRITON_STUB | {"tritonclient"}),
    Room("src/mercato", frozenset({"mercato"}), HEAVY | TRITON_STUB | TRITON_CLIENT),
    Room("client/src/mercato_client", frozenset({"mercato_client"}), HEAVY | TRITON_STUB),
    Room("model_repository", frozenset({"mercato"}), HEAVY | TRITON_CLIENT),
    Room("export/src/mercato_export", frozenset({"mercato_export", "mercato"}), TRITON_STUB | TRITON_CLIENT),
    Room(
        "training/src/mercato_training",
        frozenset({"mercato_training", "mercato_export", "mercato"}),
        TRITON_STUB | TRITON_CLIENT,
    ),
    Room("demo", frozenset({"demo", "mercato", "mercato_client"}), HEAVY | TRITON_STUB),
    # What is measured on a GPU is measured against PyTorch.
    Room(
        "benchmarks/gpu",
        frozenset({"benchmarks", "mercato_export", "mercato"}),
        TRITON_STUB | TRITON_CLIENT,
    ),
    # How a model learns is measured by training it.
    Room("benchmarks/training", frozenset({"benchmarks", "mercato"}) | OFFLINE, TRITON_STUB | TRITON_CLIENT),
    # What else a shop could serve: each in an environment of its own, so that only what it installs can be imported.
    Room(
        "benchmarks/peers",
        frozenset({"benchmarks", "demo", "mercato", "mercato_client", "mercato_export"}),
        TRITON_STUB,
    ),
    Room("benchmarks", frozenset({"benchmarks", "demo", "mercato", "mercato_client"}), HEAVY | TRITON_STUB),
    Room("tools", frozenset({"tools"}), HEAVY | TRITON_STUB | TRITON_CLIENT),
)

# The client is installed into other people's services: numpy and tritonclient[grpc] (which brings grpc) and no more.
CLIENT_MAY_USE = frozenset({"numpy", "tritonclient", "grpc", "mercato_client"})

# What a Triton python stub must not load: each of its processes would hold the memory and wait for the import.
# (scipy.sparse is not among them: the word index's library is built on it.)
NOT_IN_A_STUB = ("torch", "transformers", "pandas", "onnx", "tritonclient", "grpc", "rich", "typer")


# What `mercato --help` must not load besides: seconds that nobody asked for.
NOT_FOR_HELP = frozenset(
    {"onnxruntime", "faiss", "scipy", "pandas", "matplotlib", "ir_measures", "tritonclient", "grpc", "pymilvus"}
)


def list_imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute module name) for each import in `source`, those inside functions included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            if node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)


def find_violations(room: Room, source: str) -> list[str]:
    """Return one sentence per import in `source` that `room` may not make."""
    found = []
    for line, module in list_imports(source):
        top = module.partition(".")[0]
        if top in OURS and top not in room.ours:
            found.append(f"line {line}: {room.folder} imports {module}, it may import {sorted(room.ours)} of ours")
        elif top in room.forbidden:
            found.append(f"line {line}: {room.folder} imports {module}, which it must not")
    return found


def files_of(room: Room) -> list[Path]:
    """Return the Python files that `room` decides about."""
    earlier = [REPOSITORY / other.folder for other in ROOMS[: ROOMS.index(room)]]
    files = sorted((REPOSITORY / room.folder).rglob("*.py"))
    return [path for path in files if not any(folder in path.parents for folder in earlier)]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.folder)
def test_rooms_import_only_what_the_architecture_allows(room: Room) -> None:
    violations = [
        f"{path.relative_to(REPOSITORY)}: {violation}"
        for path in files_of(room)
        for violation in find_violations(room, path.read_text())
    ]
    assert violations == []


def test_the_client_needs_numpy_and_tritonclient_and_no_more() -> None:
    allowed = CLIENT_MAY_USE | sys.stdlib_module_names
    foreign = [
        f"{path.relative_to(REPOSITORY)}:{line}: {module}"
        for path in sorted((REPOSITORY / "client" / "src").rglob("*.py"))
        for line, module in list_imports(path.read_text())
        if module.partition(".")[0] not in allowed
    ]
    assert foreign == []


def test_model_py_is_an_adapter_around_mercato() -> None:
    allowed = frozenset({"mercato", "numpy"}) | TRITON_STUB | sys.stdlib_module_names
    foreign = [
        f"{path.relative_to(REPOSITORY)}:{line}: {module}"
        for path in sorted((REPOSITORY / "model_repository").glob("*/*/model.py"))
        for line, module in list_imports(path.read_text())
        if module.partition(".")[0] not in allowed
    ]
    assert foreign == []


def list_early_imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, module) for what is imported when `source` is loaded: outside functions and type checking."""
    nodes: list[ast.AST] = list(ast.parse(source).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            nodes += ast.iter_child_nodes(node)


def test_the_command_line_reaches_what_is_behind_extras_only_once_a_command_runs() -> None:
    early = [
        f"{path.name}:{line}: {module}"
        for path in sorted((REPOSITORY / "src" / "mercato" / "cli").glob("*.py"))
        for line, module in list_early_imports(path.read_text())
        if module.partition(".")[0] in OFFLINE
    ]
    assert early == []


def test_early_imports_are_noticed() -> None:
    source = "try:\n    import torch\nexcept ImportError:\n    import numpy\ndef f():\n    import onnx\n"
    source += "if TYPE_CHECKING:\n    import peft\nclass A:\n    from mercato_export import graph"
    assert {module for _, module in list_early_imports(source)} == {"torch", "numpy", "mercato_export"}


def test_only_the_torch_profile_loads_pytorch() -> None:
    importing = [
        path.name
        for path in sorted((REPOSITORY / "model_repository").rglob("*.py"))
        for _, module in list_imports(path.read_text())
        if module.startswith("mercato.torch_profile")
    ]
    assert set(importing) == {"model_torch.py"}


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("src/mercato", "import torch"),
        ("src/mercato", "def f():\n    from transformers import AutoModel"),
        ("src/mercato", "from tritonclient.grpc import InferInput"),
        ("src/mercato", "import importlib\nimportlib.import_module('mercato_training.ranker.train')"),
        ("client/src/mercato_client", "from mercato.errors import DataError"),
        ("model_repository", "import mercato_client"),
        ("export/src/mercato_export", "import mercato_training"),
        ("demo", "from mercato_export import encoder"),
        ("src/mercato/torch_profile", "from transformers import AutoModel"),
        ("src/mercato/torch_profile", "from mercato_export.half import halve"),
    ],
)
def test_the_rule_notices(folder: str, source: str) -> None:
    room = next(room for room in ROOMS if room.folder == folder)
    assert len(find_violations(room, source)) == 1


def test_the_rule_allows_relative_imports_and_the_arrows() -> None:
    training = next(room for room in ROOMS if room.folder == "training/src/mercato_training")
    source = "from . import data\nfrom mercato_export.gate import Parity\nimport mercato, torch"
    assert find_violations(training, source) == []


def read_library() -> dict[str, set[str]]:
    """Return the modules of the library, and those of it that each imports."""
    root = REPOSITORY / "src"
    paths = {".".join(path.relative_to(root).with_suffix("").parts): path for path in root.rglob("*.py")}
    imports: dict[str, set[str]] = {}
    for name, path in paths.items():
        imports[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imports[name].update(alias.name for alias in node.names if alias.name in paths)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    imports[name].add(whole if whole in paths else node.module)
    return imports


def room_of(module: str) -> str:
    """Return the room of a module of the library: the folder below `mercato`, or the file that stands there alone."""
    return module.split(".")[1] if "." in module else module


def find_cycle(arrows: dict[str, set[str]]) -> list[str]:
    """Return the rooms that reach themselves along the arrows, sorted."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for room in arrows.get(waiting.pop(), set()) - seen:
                seen.add(room)
                waiting.append(room)
        return seen

    return sorted(room for room in arrows if room in reach(room))


def test_no_room_of_the_library_is_in_a_cycle() -> None:
    arrows: dict[str, set[str]] = {}
    for module, imported in read_library().items():
        for other in imported:
            if other.startswith("mercato.") and room_of(other) != room_of(module):
                arrows.setdefault(room_of(module), set()).add(room_of(other))
    assert len(arrows) > 15
    assert find_cycle(arrows) == []


def test_cycles_are_noticed() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]
    assert find_cycle({"a": {"b"}, "b": {"c"}, "d": {"a", "c"}}) == []


def test_every_folder_with_python_has_a_room() -> None:
    listed = {room.folder.partition("/")[0] for room in ROOMS} | {"tests"}
    present = {path.relative_to(REPOSITORY).parts[0] for path in REPOSITORY.glob("[!.]*/**/*.py")} - {"var", "docs"}
    assert present <= listed


def list_stub_modules() -> list[str]:
    """Return the modules of `mercato` that any `model.py` imports."""
    sources = [path.read_text() for path in (REPOSITORY / "model_repository").glob("*/*/model.py")]
    modules = {module for source in sources for _, module in list_imports(source)}
    return sorted(module for module in modules if module.partition(".")[0] == "mercato")


def load_in_subprocess(modules: list[str]) -> set[str]:
    """Return the top-level names of everything that a fresh interpreter has loaded after importing `modules`."""
    code = "import importlib, json, sys\nfor name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
    code += "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-c", code, json.dumps(modules)]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_what_a_stub_imports_stays_light() -> None:
    modules = list_stub_modules()
    if not modules:
        pytest.skip("model_repository holds no model.py yet")
    assert load_in_subprocess(modules) & set(NOT_IN_A_STUB) == set()


def test_the_torch_profile_imports_pytorch_where_it_is_used() -> None:
    assert "torch" not in load_in_subprocess(["mercato.torch_profile"])


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys\nfrom typer.testing import CliRunner\nfrom mercato.cli.main import app\n"
    code += "for words in ([], ['export'], ['train'], ['train', 'ranker']):\n"
    code += "    assert CliRunner().invoke(app, [*words, '--help']).exit_code == 0\n"
    code += "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert {"mercato", "typer"} <= loaded
    assert loaded & (HEAVY | OFFLINE | NOT_FOR_HELP) == set()


def test_loaded_modules_are_noticed() -> None:
    assert "scipy" in load_in_subprocess(["scipy.sparse"])
    assert "scipy" not in load_in_subprocess(["json"])
