"""Any query whatsoever, over shops of every kind, gives an answer or one clear error.

A long run: ``pytest --hypothesis-profile=many tests/unit/pipeline/test_any_query.py`` (100,000 queries, some minutes).
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mercato.catalog.product import Product
from mercato.errors import MercatoError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from tests import stores

SHOPS: Mapping[str, list[Product]] = {
    "forty products": stores.make_products(),
    "one product": [stores.product("only", "Green tea", price=3.5, brand="Acme")],
    "products without any word": [stores.product(f"sign-{at}", sign, price=1.0) for at, sign in enumerate("★☂✂")],
    "one word": [stores.product(f"same-{at}", "tea tea tea") for at in range(30)],
    "a language that nothing is known of": [
        stores.product("a", "ჩაის ჭიქა", brand="ლარი"),
        stores.product("b", "ყავის ჭიქა"),
        stores.product("c", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ"),
    ],
    "prices at the end of what numbers hold": [
        stores.product("cheap", "Tea", price=0.0),
        stores.product("dear", "Tea", price=1e15),
    ],
}
MEANT = (
    "under", "over", "between", "and", "less than", "at least", "without", "no", "not", "-", "unter", "zwischen",
    "ohne", "moins de", "sans", "menos de", "sin", "低于", "不含", "以上", "$", "€", "kg", "GB", "cm", "pack of", "x",
    "1e308", "-1", "0", "9" * 400, "1.5", "1,5", "½", "٣", "tea", "milk", "acme", "organic", "p07", "(", ")", '"', "OR",
    "*", "\\", "\0", "\u202e", "\ufeff", "\u0301", "\U0010ffff", "\ud800",
)  # fmt: skip
queries = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=st.characters(min_codepoint=0x10000), max_size=20),
    st.lists(st.one_of(st.sampled_from(MEANT), st.text(max_size=4)), max_size=9).map(" ".join),
    st.lists(st.sampled_from(MEANT), max_size=9).map("".join),
)


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Pipeline]:
    def open_shop(folder: Path, products: list[Product]) -> Pipeline:
        stores.build(folder, products)
        catalog = LiveCatalog(Snapshot(folder), None)
        return Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, None), None)

    folder = tmp_path_factory.mktemp("shops")
    return {name: open_shop(folder / str(at), products) for at, (name, products) in enumerate(SHOPS.items())}


@cache
def context(language: str) -> bytes:
    return orjson.dumps({"time": stores.NOW, "language": language})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=queries,
    shop=st.sampled_from(sorted(SHOPS)),
    language=st.sampled_from(["", "de", "zh", "es", "fr", "th", "tlh"]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "spelling": st.sampled_from(["off", "suggest", "auto"]),
            "understand": st.sampled_from(["off", "boost", "auto"]),
            "beyond": st.booleans(),
        },
    ),
)
@example(query="under 5 over 10 between 20 and 3", shop="forty products", language="", options={})
@example(query="tea under 1e308 over -1e308 under 0", shop="forty products", language="", options={})
@example(query="without with without tea -tea", shop="one product", language="", options={})
def test_any_query_gives_an_answer_or_one_sentence(
    shops: Mapping[str, Pipeline], query: str, shop: str, language: str, options: Mapping[str, object]
) -> None:
    try:
        request = parse_search(
            {
                "QUERY": query.encode("utf-8", "surrogatepass"),
                "CONTEXT": context(language),
                "OPTIONS": orjson.dumps({**options, "explain": True}),
            }
        )
    except MercatoError as error:
        check(error)
        return
    (answer,) = shops[shop].answer([request])
    if isinstance(answer, MercatoError):
        check(answer)
        return
    assert isinstance(answer, Answer)
    details = orjson.loads(answer.details)
    assert len(set(answer.product_ids)) == len(answer.product_ids) <= len(SHOPS[shop])
    assert details["total"] <= len(SHOPS[shop])


def check(error: MercatoError) -> None:
    sentence = str(error)
    assert sentence.strip() and "\n" not in sentence and len(sentence) < 2_000 and "Traceback" not in sentence
