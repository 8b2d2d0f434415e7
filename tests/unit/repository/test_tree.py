"""What holds for every file of the repository: sizes, package files, and nothing of one machine or registry."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]

MAX_LINES = 500
MIN_LINES = 60
MAX_ADAPTER_LINES = 100
# path -> why the file is longer than MAX_LINES
LONGER: dict[str, str] = {}
# path -> why the file is shorter than MIN_LINES
SHORTER = {
    "benchmarks/harness/command.py": "what every benchmark imports to be a command",
    "benchmarks/serving/perf.py": "one command around a load of perf_analyzer",
    "benchmarks/search/baselines_search.py": "one baseline, beside the benchmark that asks it",
    "export/src/mercato_export/config.py": "one command, and errors of the library told as those of exports",
    "export/src/mercato_export/errors.py": "error tree of the package, below every room",
    "export/src/mercato_export/networks/loading.py": "a boundary to files that torch wrote",
    "export/src/mercato_export/options.py": "options that every export shares, read by --help without torch",
    "src/mercato/arrays.py": "names of arrays, below every room",
    "src/mercato/checksum.py": "one function, below every room",
    "src/mercato/cli/__main__.py": "entry point",
    "src/mercato/cli/dial_options.py": "options that several commands share",
    "src/mercato/cli/main.py": "entry point",
    "src/mercato/cli/shard.py": "one command; what it does is a room of its own",
    "src/mercato/cli/moments.py": "an option type that several commands share",
    "src/mercato/cli/training_options.py": "options that several commands share",
    "src/mercato/evaluation/folds.py": "shared by training and evaluation",
    "src/mercato/events/event_batch.py": "a value that rooms above share",
    "src/mercato/events/event_order.py": "what signals and features need of events, without Arrow",
    "src/mercato/features/product_features.py": "a block of features, as its neighbours are",
    "src/mercato/index/query_signals.py": "declared below the rooms that share them",
    "src/mercato/ingest/events.py": "one writer a file",
    "src/mercato/models/engine/declaration.py": "read where no engine can be opened",
    "src/mercato/models/reranker/blend.py": "numeric, shared by training and serving",
    "src/mercato/models/reranker/product_text.py": "shared by exporter, training and serving",
    "src/mercato/models/sequence/manifest.py": "one kind of manifest a model",
    "src/mercato/policy/diversity.py": "one policy a file, the boundary to pyversity",
    "src/mercato/progress.py": "one protocol, below every room",
    "src/mercato/requests/restriction.py": "a value that rules, retrieval and explanations share",
    "src/mercato/requests/profile.py": "the inputs of one model, which no page has",
    "src/mercato/requests/understand.py": "an option type that request and understanding share",
    "src/mercato/retrieval/bought_again.py": "one rule, shared by contexts and the source that goes by it",
    "src/mercato/serving/shared_memory.py": "a boundary to the operating system",
    "src/mercato/signals/learning_settings.py": "a value that rooms above share",
    "src/mercato/text/query_key.py": "what makes two queries one, below every room",
    "src/mercato/text/stopwords.py": "one function over a list of its own",
    "src/mercato/understanding/field_kinds.py": "a table of words, read by lexicon and measures",
    "src/mercato/zscore.py": "one formula, below every room",
    "src/mercato/membership.py": "one function, below every room",
    "training/src/mercato_training/common/learned.py": "one file format, shared by training of several models",
    "training/src/mercato_training/encoder/catalog_queries.py": "which queries there are, apart from their answers",
}
# folders where one idea is one file, however short
ONE_IDEA_A_FILE = (
    "benchmarks/peers/",
    "model_repository/",
    "src/mercato/retrieval/sources/",
    "src/mercato/triton_models/",
)

# Written in parts, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs"),
        ("deb", "debian", "org"),
        ("download", "pytorch", "org"),
        ("proxy", "golang"),
    )
]
MACHINE_PATH = re.compile(r"(?<![\w.*{}$<>~-])/(?:work|root|home|tmp)/[\w.]")
MEANT = {
    # path -> the machine path it means, and no other
    "tests/unit/repository/test_tree.py": "examples below",
}


def list_tracked_files() -> list[Path]:
    """Return the files that git tracks or would track; skip where this is no checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for path in (REPOSITORY / line for line in listing.splitlines()) if path.is_file()]


def read_texts() -> dict[str, str]:
    """Return path -> content of every text file of the repository."""
    texts = {}
    for path in list_tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            texts[str(path.relative_to(REPOSITORY))] = content.decode("utf-8", errors="replace")
    return texts


def find_registry_hosts(text: str) -> list[str]:
    """Return the package registries that `text` names."""
    return [host for host in REGISTRY_HOSTS if host in text]


def is_reexport(node: ast.stmt) -> bool:
    """Tell whether a statement belongs into a package file: docstring, import, `__all__` or `__version__`."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id in ("__all__", "__version__") for target in node.targets)
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_docstring or isinstance(node, (ast.Import, ast.ImportFrom))


def test_no_file_names_a_registry() -> None:
    assert {name: hosts for name, text in read_texts().items() if (hosts := find_registry_hosts(text))} == {}


def test_no_file_holds_a_path_of_one_machine() -> None:
    texts = {name: text for name, text in read_texts().items() if name not in MEANT}
    assert {name: found for name, text in texts.items() if (found := MACHINE_PATH.findall(text))} == {}


@pytest.mark.parametrize("text", ["cd /work/main", '"/root/.cache"', "open('/tmp/x')", "=/home/me/models"])
def test_machine_paths_are_noticed(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["client/work/x", "/v2/models/search", "home-page", "~/home/x", "a/tmp/b"])
def test_other_paths_are_left_alone(text: str) -> None:
    assert not MACHINE_PATH.search(text)


def test_registries_are_noticed() -> None:
    assert find_registry_hosts(f"see https://{REGISTRY_HOSTS[0]}/simple") == [REGISTRY_HOSTS[0]]


def test_package_files_only_reexport() -> None:
    offending = []
    for path in list_tracked_files():
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            offending += [f"{path.relative_to(REPOSITORY)}:{node.lineno}" for node in body if not is_reexport(node)]
    assert offending == []


@pytest.mark.parametrize("source", ["def f(): ...", "x = 1", "for i in (): pass", "if True:\n    import os"])
def test_code_in_a_package_file_is_noticed(source: str) -> None:
    assert not is_reexport(ast.parse(source).body[0])


def test_files_stay_readable_in_one_sitting() -> None:
    lines = {name: text.count("\n") for name, text in read_texts().items() if name.endswith(".py")}
    assert {name: count for name, count in lines.items() if count > MAX_LINES and name not in LONGER} == {}
    assert [name for name in LONGER if lines.get(name, 0) <= MAX_LINES] == [], "no longer needs its exception"


def test_small_files_have_a_reason() -> None:
    lines = {
        name: text.count("\n")
        for name, text in read_texts().items()
        if name.endswith(".py") and not name.startswith("tests/") and Path(name).name != "__init__.py"
    }
    small = {name: count for name, count in lines.items() if count < MIN_LINES}
    assert {name: n for name, n in small.items() if not name.startswith(ONE_IDEA_A_FILE) and name not in SHORTER} == {}
    assert [name for name in SHORTER if name not in small] == [], "no longer needs its reason, or is gone"


def test_adapters_stay_thin() -> None:
    adapters = sorted((REPOSITORY / "model_repository").glob("*/*/model.py"))
    lines = {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in adapters}
    assert {name: count for name, count in lines.items() if count > MAX_ADAPTER_LINES} == {}
