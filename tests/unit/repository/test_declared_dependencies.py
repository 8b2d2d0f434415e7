"""Whatever is imported is declared: nothing works only because something else happened to bring it."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
LIBRARY = ("src/mercato",)
# Rooms and files whose packages come with an extra, which they name where something of it is missing.
WITH_EXTRAS = {
    "src/mercato/bench/": "evaluation",
    "src/mercato/catalog_report/": "evaluation",
    "src/mercato/evaluation/": "evaluation",
    "src/mercato/indexing/dictionaries.py": "glosses",
    "src/mercato/indexing/ray_engine.py": "ray",
    "src/mercato/milvus/": "milvus",
    "src/mercato/text/catalog_languages.py": "languages",
    "src/mercato/torch_profile/": "torch",
}
# folder of the wheel -> the extras that install what it imports beside the library's own dependencies
BEHIND_EXTRAS = {
    "export/src/mercato_export": ("export",),
    "training/src/mercato_training": ("export", "training"),
}
DEVELOPMENT = ("demo", "benchmarks", "tests")
# Files that run in environments of their own, made from the requirements beside them.
OWN_ENVIRONMENTS = "benchmarks/peers/*/requirements.txt"

# Found beside a model by Triton, or brought by an extra that is declared: tritonclient[grpc] is what grpc comes with.
BROUGHT = {"triton_python_backend_utils", "c_python_backend_utils", "grpc", "google"}


def normalize(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(section: str) -> set[str]:
    """Return the distributions that `dependencies`, or an extra, of pyproject.toml names."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lists = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
    return {normalize(re.match(r"[A-Za-z0-9_.-]+", name)[0]) for name in lists[section]}


def read_own_environments() -> set[str]:
    """Return the distributions that are installed into environments beside the project's own."""
    lines = [line for path in REPOSITORY.glob(OWN_ENVIRONMENTS) for line in path.read_text().splitlines()]
    return {normalize(name[0]) for line in lines if (name := re.match(r"[A-Za-z0-9_.-]+", line))}


def list_foreign_imports(folder: str) -> dict[str, str]:
    """Return top-level module -> a file that imports it, for what is neither ours nor of the standard library."""
    ours = {path.name for path in REPOSITORY.iterdir()} | {"mercato", "mercato_client"}
    ours |= {"mercato_export", "mercato_training"}
    found = {}
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        beside = {sibling.stem for sibling in path.parent.glob("*.py")}
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - beside:
                if top not in ours | BROUGHT and top not in sys.stdlib_module_names:
                    found.setdefault(top, str(path.relative_to(REPOSITORY)))
    return found


def find_undeclared(imports: dict[str, str], declared: set[str]) -> dict[str, str]:
    """Return the imports that no declared distribution provides."""
    providers = importlib.metadata.packages_distributions()
    return {
        module: path
        for module, path in imports.items()
        if not {normalize(name) for name in providers.get(module, [module])} & declared
    }


@pytest.mark.parametrize("folder", LIBRARY)
def test_what_the_library_imports_is_among_its_dependencies(folder: str) -> None:
    undeclared = find_undeclared(list_foreign_imports(folder), read_requirements("dependencies"))
    for room, extra in WITH_EXTRAS.items():
        of_room = {module: path for module, path in undeclared.items() if path.startswith(room)}
        assert find_undeclared(of_room, read_requirements(extra)) == {}
        undeclared = {module: path for module, path in undeclared.items() if module not in of_room}
    assert undeclared == {}


@pytest.mark.parametrize("folder", BEHIND_EXTRAS)
def test_what_ships_behind_an_extra_is_installed_by_it(folder: str) -> None:
    sections = ("dependencies", *BEHIND_EXTRAS[folder])
    declared = set().union(*(read_requirements(section) for section in sections))
    assert find_undeclared(list_foreign_imports(folder), declared) == {}


@pytest.mark.parametrize("folder", DEVELOPMENT)
def test_what_development_imports_is_declared_in_an_extra(folder: str) -> None:
    sections = ("dependencies", "embedded", "export", "training", "evaluation", "milvus", "demo", "dev")
    declared = set().union(*(read_requirements(section) for section in sections), read_own_environments())
    assert find_undeclared(list_foreign_imports(folder), declared) == {}


def test_undeclared_imports_are_noticed() -> None:
    assert find_undeclared({"yaml": "a.py", "numpy": "b.py"}, {"numpy"}) == {"yaml": "a.py"}
    assert "numpy" in read_requirements("dependencies")
    assert "pytest" in list_foreign_imports("tests")
