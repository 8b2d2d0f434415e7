"""A query that is a product's code: nothing after retrieval puts another product before it, but a pin or sorting."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from tests.stores import HashEncoder, build, product

SHARED = 30
"""Products that hold every piece of the code: more than one page."""


class Reversing:
    """A ranker that likes the last candidate best."""

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        return np.tile(np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))


class LikesOthers:
    """A reranker that likes the shortest text least, and decides alone."""

    weight = 1.0

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        return [np.array([len(text) for text in group], np.float32) for group in texts]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> LiveCatalog:
    """A printer's cartridge, its code, and what goes with it, which names that code again and again."""
    cartridge = product(
        "own",
        "Ink black",
        price=20,
        brand="Brava",
        categories=["Ink"],
        attributes={"mpn": "LC-51 BK", "gtin": "4006381333931"},
    )
    others = [
        product(
            f"o{number}",
            f"LC 51 BK compatible LC51BK refill LC-51 set {number}",
            price=1 + number,
            brand="Norda",
            categories=["Refill"],
            attributes={"color": "black"},
        )
        for number in range(SHARED)
    ]
    folder = tmp_path_factory.mktemp("codes") / "catalog"
    build(folder, [*others, cartridge])
    return LiveCatalog(Snapshot(folder), None)


def ask(
    catalog: LiveCatalog,
    query: str,
    rules: Mapping[str, Any] | None = None,
    ranker: Any = None,
    reranker: Any = None,
    **options: Any,
) -> Any:
    given = Rules(RuleFile.model_validate(rules)) if rules is not None else None
    pipeline = Pipeline(
        catalog, HashEncoder(), Retriever(catalog, None), ranker, reranker, rerank_depth=24, rules=given
    )
    request = {"QUERY": query.encode(), "OPTIONS": orjson.dumps(options), "PAGE_SIZE": 10}
    [answer] = pipeline.answer([parse_search(request)])
    details = orjson.loads(answer.details)
    return [one["id"] for one in details["results"]], details, answer.scores


BURIED = {"condition": 'brand: ANY("Brava")', "boost": -1}
PUSHED = {"condition": 'brand: ANY("Norda")', "boost": 1}


@pytest.mark.parametrize("query", ["LC-51 BK", "lc51bk", "#LC/51.BK", "4006381333931", "4006381-333931", "OWN"])
@pytest.mark.parametrize(
    "what",
    [
        {},
        {"ranker": Reversing()},
        {"reranker": LikesOthers()},
        {"ranker": Reversing(), "reranker": LikesOthers()},
        {"boosts": [BURIED, PUSHED]},
        {"rules": {"boosts": [BURIED, PUSHED]}},
        {"diversity": 1.0},
        {"collapse": True},
        {"understand": "boost"},
        {"beyond": True},
        {"ranker": Reversing(), "rules": {"boosts": [BURIED]}, "boosts": [PUSHED], "diversity": 0.7, "collapse": True},
    ],
    ids=lambda what: "-".join(what) or "alone",
)
def test_the_code_leads_whatever_comes_after_retrieval(
    catalog: LiveCatalog, query: str, what: Mapping[str, Any]
) -> None:
    ids, details, scores = ask(catalog, query, **what)
    assert ids[0] == "own"
    assert details["match"] == "exact"
    assert (np.diff(scores) <= 0).all()


def test_what_a_code_says_besides_is_not_read(tmp_path: Path) -> None:
    """A code that begins with a brand's name or a colour is one word, and no condition of it."""
    items = [product("a", "Case", brand="Red", attributes={"mpn": "RED-2024"})]
    items += [product(f"r{number}", f"Red case {number} 2024", brand="Red") for number in range(5)]
    build(tmp_path / "catalog", items)
    ids, details, _ = ask(LiveCatalog(Snapshot(tmp_path / "catalog"), None), "red 2024")
    assert ids[0] == "a"
    assert not details.get("understood")
    assert not details.get("corrected_query")


def test_a_pin_holds_its_position_and_the_code_follows(catalog: LiveCatalog) -> None:
    pins = [{"product": "o7", "position": 1}, {"product": "o8", "position": 3}]
    ids, _, _ = ask(catalog, "LC-51 BK", rules={"rules": [{"query": "LC-51 BK", "pins": pins}]}, ranker=Reversing())
    assert ids[:3] == ["o7", "own", "o8"]


def test_sorting_wins(catalog: LiveCatalog) -> None:
    cheapest, details, _ = ask(catalog, "LC-51 BK", order_by="price", ranker=Reversing())
    assert cheapest == [f"o{number}" for number in range(10)]
    assert details["match"] == "exact"
    dearest, _, _ = ask(catalog, "LC-51 BK", order_by="price desc")
    # 20 is the code's own price, o19 has the same.
    assert "own" not in dearest[:10]


def test_what_is_blocked_leads_nothing(catalog: LiveCatalog) -> None:
    ids, details, _ = ask(catalog, "LC-51 BK", rules={"blocked": ["own"]})
    assert "own" not in ids
    assert details["match"] != "exact"
