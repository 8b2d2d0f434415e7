"""How a family of encoders wants its texts: what stands before a query and a product, and how tokens become a vector.

Read from what sentence-transformers keeps beside weights, else known by the family's name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from mercato.text import TextRole
from mercato_export.errors import ExportError

Pooling = Literal["mean", "cls"]

MODULES_FILE = "modules.json"
POOLING_FILE = "1_Pooling/config.json"
PROMPTS_FILE = "config_sentence_transformers.json"
FORMAT_FILES = (MODULES_FILE, POOLING_FILE, PROMPTS_FILE)
EXPORTED_MODULES = ("Transformer", "Pooling", "Normalize")
PRODUCT_PROMPTS = ("document", "passage", "corpus")
"""Names that prompts for what is searched have, in the order of preference."""


@dataclass(frozen=True, kw_only=True)
class SentenceFormat:
    """How an encoder reads texts.

    Attributes:
        pooling: ``mean`` of the token states, or the state of the first token, ``cls``.
        query_prefix: stands before each query.
        product_prefix: stands before each product text.
        multilingual: whether texts of one meaning are near each other in whatever language they are.
    """

    pooling: Pooling = "mean"
    query_prefix: str = ""
    product_prefix: str = ""
    multilingual: bool = False

    @property
    def prefixes(self) -> dict[TextRole, str]:
        """What stands before the texts of each role."""
        return {"query": self.query_prefix, "product": self.product_prefix}


MULTILINGUAL = re.compile("multilingual|bge-m3|labse")
_E5 = SentenceFormat(query_prefix="query: ", product_prefix="passage: ")
FAMILIES: tuple[tuple[str, SentenceFormat], ...] = (
    # Wang et al. 2024, arXiv 2402.05672, section 3; the task is the one of its model card
    (
        r"e5-.*instruct",
        SentenceFormat(
            query_prefix="Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
        ),
    ),
    # Wang et al. 2022, arXiv 2212.03533, section 4
    (r"(?:multilingual-)?e5-(?:small|base|large)", _E5),
    # Xiao et al. 2023, arXiv 2309.07597, and the model cards: only queries carry the instruction
    (r"bge-m3", SentenceFormat(pooling="cls")),
    (r"bge-.*zh", SentenceFormat(pooling="cls", query_prefix="为这个句子生成表示以用于检索相关文章：")),
    (
        r"bge-.*en",
        SentenceFormat(pooling="cls", query_prefix="Represent this sentence for searching relevant passages: "),
    ),
)
"""Pattern of a model's name -> how it was trained; the first that matches counts."""


def find_format(
    folder: Path,
    repository: str,
    *,
    pooling: str | None = None,
    query_prefix: str | None = None,
    product_prefix: str | None = None,
    multilingual: bool | None = None,
) -> SentenceFormat:
    """Return how an encoder reads texts.

    What is given counts before what the folder says, that before what the family's name says, and without any of them
    token states are averaged and nothing stands before a text.

    Args:
        folder: of the weights, with `FORMAT_FILES` where there are any.
        repository: name of the model, such as ``intfloat/multilingual-e5-small``.
        pooling: ``mean`` or ``cls``; None to find out.
        query_prefix: None to find out.
        product_prefix: None to find out.
        multilingual: None to find out by the name.

    Raises:
        ExportError: a pooling that is not exported, a layer after it, or a file that is not JSON.
    """
    family = _find_family(repository)
    prompts = _read_prompts(folder) or family.prefixes
    chosen = _check_pooling(pooling, "--pooling") if pooling is not None else _read_pooling(folder)
    return SentenceFormat(
        pooling=chosen or family.pooling,
        query_prefix=prompts["query"] if query_prefix is None else query_prefix,
        product_prefix=prompts["product"] if product_prefix is None else product_prefix,
        multilingual=family.multilingual if multilingual is None else multilingual,
    )


def write_format(folder: Path, found: SentenceFormat) -> None:
    """Write `FORMAT_FILES` as sentence-transformers has them, so that weights keep how they read texts."""
    (folder / POOLING_FILE).parent.mkdir(parents=True, exist_ok=True)
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
        for number, (name, path) in enumerate(zip(EXPORTED_MODULES, ("", "1_Pooling", "2_Normalize"), strict=True))
    ]
    pooling = {
        "pooling_mode_cls_token": found.pooling == "cls",
        "pooling_mode_mean_tokens": found.pooling == "mean",
    }
    prompts = {"query": found.query_prefix, "document": found.product_prefix}
    documents = {MODULES_FILE: modules, POOLING_FILE: pooling, PROMPTS_FILE: {"prompts": prompts}}
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _find_family(repository: str) -> SentenceFormat:
    name = repository.rpartition("/")[2].lower()
    found = next((known for pattern, known in FAMILIES if re.match(pattern, name)), SentenceFormat())
    return replace(found, multilingual=MULTILINGUAL.search(name) is not None)


def _read_pooling(folder: Path) -> Pooling | None:
    modules = _read_json(folder / MODULES_FILE)
    path = POOLING_FILE
    for module in modules if isinstance(modules, list) else ():
        name = str(module.get("type", "")).rpartition(".")[2]
        if name not in EXPORTED_MODULES:
            raise ExportError(
                f"{folder / MODULES_FILE}: has a layer {name} after the token states, which is not exported; choose "
                f"an encoder of {', '.join(EXPORTED_MODULES)} alone"
            )
        if name == "Pooling":
            path = f"{module.get('path', '1_Pooling')}/config.json"
    config = _read_json(folder / path)
    if not isinstance(config, dict):
        return None
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    names = [key.removeprefix("pooling_mode_").removesuffix("_token").removesuffix("_tokens") for key in chosen]
    names += [str(config["pooling_mode"])] if "pooling_mode" in config else []
    return _check_pooling("+".join(names), str(folder / path)) if names else None


def _check_pooling(name: str, where: str) -> Pooling:
    known: tuple[Pooling, ...] = get_args(Pooling)
    for pooling in known:
        if pooling == name:
            return pooling
    raise ExportError(f"{where}: pooling must be one of {', '.join(known)}, got {name!r}")


def _read_prompts(folder: Path) -> dict[TextRole, str]:
    config = _read_json(folder / PROMPTS_FILE)
    prompts = config.get("prompts") if isinstance(config, dict) else None
    if not isinstance(prompts, dict):
        return {}
    product = next((str(prompts[name]) for name in PRODUCT_PROMPTS if prompts.get(name)), "")
    found: dict[TextRole, str] = {"query": str(prompts.get("query") or ""), "product": product}
    # sentence-transformers writes empty prompts for models that say nothing of them
    return found if any(found.values()) else {}


def _read_json(file: Path) -> Any:
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ExportError(f"{file} is not JSON ({exc}); download the model again") from exc
