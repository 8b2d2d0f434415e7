"""Explanations in answers: the pipeline over real retrieval, in one process and behind calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from mercato.arrays import Float32
from mercato.errors import MercatoError, ModelError
from mercato.events.event import Event
from mercato.explain.explainer import FEATURES_SHOWN, Explainer, PageToExplain
from mercato.features.features import COLUMN
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.pipeline.remote import RemoteRetriever, retrieve_batch
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import PageRequest, parse_recommend, parse_search
from mercato.requests.retrieval import Retrieved
from mercato.requests.trace import StageTrace
from mercato.retrieval.retriever import Retriever
from mercato.text import TextRole
from tests import stores

MakeRetriever = Callable[[list[Event]], Retriever]
CONTEXT = orjson.dumps({"time": stores.NOW})


class PriceRanker:
    """The dearest first: score = log price."""

    def __init__(self, fails_at_call: int = 0) -> None:
        self.calls = 0
        self._fails_at_call = fails_at_call

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        self.calls += 1
        if self.calls == self._fails_at_call:
            raise ModelError("ranker: gone")
        return features[..., COLUMN["log_price"]].copy()


def options(**given: object) -> bytes:
    return orjson.dumps({"explain": True, **given})


def search(query: str, **fields: Any) -> PageRequest:
    return parse_search({"QUERY": query.encode(), "CONTEXT": CONTEXT, "OPTIONS": options(), **fields})


def recommend(placement: str = "home-page", **fields: Any) -> PageRequest:
    return parse_recommend({"PLACEMENT": placement.encode(), "CONTEXT": CONTEXT, "OPTIONS": options(), **fields})


def ask(retriever: Retriever, request: PageRequest, ranker: PriceRanker | None = None) -> dict[str, Any]:
    return details(Pipeline(retriever.catalog, stores.HashEncoder(), retriever, ranker).answer([request])[0])


def details(answer: Answer | MercatoError) -> dict[str, Any]:
    assert isinstance(answer, Answer), answer
    parsed: dict[str, Any] = orjson.loads(answer.details)
    return parsed


def explanations(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {result["id"]: result["explanation"] for result in answer["results"]}


def stage_names(found: Mapping[str, Any]) -> set[str]:
    return {name for explanation in found.values() for name in explanation["stages"]}


def behind_calls(retriever: Retriever) -> RemoteRetriever:
    def call(model: str, inputs: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        assert model == "retriever"
        answer = retrieve_batch(retriever, inputs["REQUEST"], inputs.get("QUERY_VECTOR"))
        return {name: np.array(answer[name]) for name in outputs}

    return RemoteRetriever(call)


def test_nobody_asked_nothing_is_said_or_kept(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with(stores.make_purchases())
    ranker = PriceRanker()
    answer = ask(retriever, search("frozen pizza", OPTIONS=b"{}"), ranker)
    assert all("explanation" not in result for result in answer["results"])
    assert "explain_us" not in answer["timings"]
    assert ranker.calls == 1, "no ablation"
    [outcome] = retriever.retrieve([stores.search_request("pizza")], None)
    assert isinstance(outcome, Retrieved)
    assert outcome.stages is None


def test_ranks_and_scores_are_those_of_the_stages(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([])
    catalog = retriever.catalog
    answer = ask(retriever, search("organic frozen pizza", PAGE_SIZE=40), PriceRanker())
    found = explanations(answer)
    scores = {name: {p: e["stages"][name]["score"] for p, e in found.items() if name in e["stages"]} for name in STAGES}
    ranks = {name: {p: e["stages"][name]["rank"] for p, e in found.items() if name in e["stages"]} for name in STAGES}
    for name in STAGES:
        ordered = sorted(ranks[name], key=ranks[name].__getitem__)
        assert sorted(ranks[name].values()) == list(range(1, len(ordered) + 1)), name
        falling = [scores[name][product_id] for product_id in ordered]
        assert falling == sorted(falling, reverse=True), name
    # Each stage's numbers are those that it computes by itself.
    vector = stores.HashEncoder().encode(["organic frozen pizza"])[0]
    for product_id, score in scores["dense"].items():
        row = np.array([catalog.row_of(product_id)])
        assert score == pytest.approx(float(catalog.vectors(row)[0] @ vector), abs=1e-5)
    assert set(scores["words"]) == {f"p{n:02d}" for n in range(40) if n // 4 == 1 or n % 4 == 2}
    for product_id, score in scores["ranker"].items():
        product = catalog.product(product_id)
        assert product is not None
        assert score == pytest.approx(math.log1p(product.price or 0.0), rel=1e-5)
    assert [result["id"] for result in answer["results"]] == sorted(ranks["ranker"], key=ranks["ranker"].__getitem__)


STAGES = ("words", "dense", "fusion", "ranker")


def test_a_stage_that_was_not_there_is_absent(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([])
    without_ranker = explanations(ask(retriever, search("pizza")))
    assert stage_names(without_ranker) - {"popular"} == {"words", "dense", "fusion"}
    assert all(e["features"] == [] for e in without_ranker.values())

    class Deaf(stores.HashEncoder):
        def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
            raise ModelError("encoder: gone")

    [answer] = Pipeline(retriever.catalog, Deaf(), retriever, None).answer([search("pizza")])
    assert stage_names(explanations(details(answer))) - {"popular"} == {"words", "fusion"}


def test_matched_words_and_line_of_a_search(retriever_with: MakeRetriever) -> None:
    found = explanations(ask(retriever_with([]), search("frozen pizza large")))
    assert found["p05"]["matched"] == {
        "words": ["frozen", "pizza", "large"],
        "fields": [
            {"name": "title", "words": ["frozen", "pizza", "large"]},
            {"name": "categories", "words": ["frozen"]},
            {"name": "attributes.size", "words": ["large"]},
        ],
    }
    assert found["p05"]["text"] == (
        "matches 'frozen', 'pizza', 'large' in the title; close in meaning to 'frozen pizza large'"
    )


def test_features_name_what_the_ranker_went_by(retriever_with: MakeRetriever) -> None:
    ranker = PriceRanker()
    answer = ask(retriever_with([]), search("pizza", PAGE_SIZE=40), ranker)
    found = explanations(answer)
    assert ranker.calls == 2, "the answer and one more for all explanations"
    assert {feature["name"] for e in found.values() for feature in e["features"]} == {"price"}
    prices = {result["id"]: result["price"] for result in answer["results"]}
    logs = np.log1p([prices[product_id] for product_id in prices])
    for product_id, e in found.items():
        [feature] = e["features"]
        assert feature["value"] == pytest.approx(prices[product_id], rel=1e-3)
        expected = (np.log1p(prices[product_id]) - logs.mean()) / logs.std()
        assert feature["effect"] == pytest.approx(expected, abs=1e-3)
    assert "dearer than the others" in found["p39"]["text"]
    assert "than the others" not in found["p00"]["text"], "the price speaks against the cheapest here"
    assert len(found["p39"]["features"]) <= FEATURES_SHOWN


def test_a_recommendation_says_what_it_comes_from(retriever_with: MakeRetriever) -> None:
    events = [stores.purchase("me", "p04", 3), stores.purchase("me", "p20", 40)]
    found = explanations(ask(retriever_with(events), recommend(USER_ID=b"me", PAGE_SIZE=40), PriceRanker()))
    assert found["p12"]["because"] == {
        "source": "lately",
        "product_id": "p04",
        "event_type": "purchase-complete",
        "time": "2023-11-11T22:13:20Z",  # three days before 2023-11-14T22:13:20Z
        "buyers": 5,
        "days": 35,
        "until": "2023-11-14T22:13:20Z",
    }
    # p12 costs 13, below most: nothing speaks for it but what it is bought with.
    pizza = "Small frozen pizza, which you bought on 11 Nov"
    assert found["p12"]["text"] == f"bought in the last five weeks by 5 who bought {pizza}"
    assert found["p20"]["text"].startswith("you bought it on 5 Oct")
    assert found["p12"]["matched"]["fields"] == [
        {"name": "brand", "words": ["Acme"]},
        {"name": "attributes.size", "words": ["small"]},
    ]


def test_without_the_event_it_is_no_reason_any_more(retriever_with: MakeRetriever) -> None:
    others = [stores.purchase("me", "p20", 40)]
    found = explanations(ask(retriever_with(others), recommend(USER_ID=b"me", PAGE_SIZE=40)))
    for source in ("lately", "also_bought", "cooccurrence"):
        assert found["p12"]["because"]["source"] != source
        assert source not in found["p12"]["stages"]


def test_a_seed_is_named_at_a_product_page(retriever_with: MakeRetriever) -> None:
    page = recommend("product-page", SEED_PRODUCT_IDS=b'["p04"]')
    found = explanations(ask(retriever_with([]), page, PriceRanker()))
    assert found["p05"]["text"] == "like Small frozen pizza"
    assert found["p05"]["because"] == {"source": "similar", "product_id": "p04"}
    assert "ranker" not in found["p05"]["stages"], "what surrounds a product is not ranked"
    assert found["p05"]["features"] == []


def test_pages_beyond_the_fused_ones_are_explained_too(retriever_with: MakeRetriever) -> None:
    page = recommend("cart", SEED_PRODUCT_IDS=b'["p04"]', FILTER=b'brand: ANY("Bolt")', OFFSET=0, PAGE_SIZE=40)
    everything = explanations(ask(retriever_with([]), page))
    assert all(e["text"] for e in everything.values())
    nobody = explanations(ask(retriever_with([]), recommend(PAGE_SIZE=40)))
    sold = {"p04", "p12", "p20", "p30"}
    assert {e["text"] for product_id, e in nobody.items() if product_id in sold} == {"popular in the shop"}
    assert {e["text"] for product_id, e in nobody.items() if product_id not in sold} == {"next by popularity"}
    acme = explanations(ask(retriever_with([]), recommend(PAGE_SIZE=40, FILTER=b'brand: ANY("Acme")')))
    assert {e["text"] for product_id, e in acme.items() if product_id in sold} == {"popular among what fits the filter"}


def test_behind_calls_the_explanations_are_the_same(retriever_with: MakeRetriever) -> None:
    events = [stores.purchase("me", "p04", 3), stores.purchase("me", "p20", 40)]
    retriever = retriever_with(events)
    requests = [
        search("frozen pizza", USER_ID=b"me"),
        recommend(USER_ID=b"me"),
        search("milk", OPTIONS=b"{}"),
        recommend("cart", SEED_PRODUCT_IDS=b'["p04"]', PAGE_SIZE=40),
    ]
    near = Pipeline(retriever.catalog, stores.HashEncoder(), retriever, PriceRanker()).answer(requests)
    far = Pipeline(retriever.catalog, stores.HashEncoder(), behind_calls(retriever), PriceRanker()).answer(requests)
    for one, other in zip(near, far, strict=True):
        assert details(one)["results"] == details(other)["results"]
    assert "explanation" in details(far[0])["results"][0]
    assert "explanation" not in details(far[2])["results"][0]


def test_a_trace_comes_back_from_json_as_it_was(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([stores.purchase("me", "p04", 3.3)])
    asked = parse_recommend({"PLACEMENT": b"home-page", "USER_ID": b"me", "CONTEXT": CONTEXT, "OPTIONS": options()})
    [outcome] = retriever.retrieve([asked.retrieval], None)
    assert isinstance(outcome, Retrieved)
    assert outcome.stages is not None
    written = outcome.stages.write()
    read = StageTrace.read(orjson.loads(orjson.dumps(written, option=orjson.OPT_SERIALIZE_NUMPY)))
    again = read.write()
    assert again.keys() == written.keys()
    assert again["sources"] == written["sources"]
    for name in ("rows", "fused", "fused_rank", "scores", "ranks", "shares"):
        np.testing.assert_array_equal(again[name], written[name])
        assert again[name].dtype == written[name].dtype
    for source, arrays in written["evidence"].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(again["evidence"][source][name], array)


def test_nothing_found_has_nothing_to_explain(retriever_with: MakeRetriever) -> None:
    for remote in (False, True):
        retriever = retriever_with([])
        stage = behind_calls(retriever) if remote else retriever
        pipeline = Pipeline(retriever.catalog, stores.HashEncoder(), stage, PriceRanker())
        [answer] = pipeline.answer([search("milk", FILTER=b'brand: ANY("Nobody")')])
        assert (details(answer)["results"], details(answer)["degraded"]) == ([], [])


def test_a_failing_explanation_leaves_the_answer(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([])
    whole = ask(retriever, search("milk"), PriceRanker())
    broken = ask(retriever, search("milk"), PriceRanker(fails_at_call=2))
    assert [r["id"] for r in broken["results"]] == [r["id"] for r in whole["results"]]
    assert broken["degraded"] == ["explain"]
    assert all("explanation" not in result for result in broken["results"])


def test_a_failing_ranker_leaves_the_other_stages_explained(retriever_with: MakeRetriever) -> None:
    answer = ask(retriever_with([]), search("milk"), PriceRanker(fails_at_call=1))
    assert answer["degraded"] == ["ranker"]
    found = explanations(answer)
    assert stage_names(found) - {"popular"} == {"words", "dense", "fusion"}
    assert all(e["features"] == [] for e in found.values())


def test_what_the_shop_decided_comes_first(retriever_with: MakeRetriever) -> None:
    retriever = retriever_with([])
    file = RuleFile.model_validate(
        {
            "rules": [{"query": "milk", "pins": [{"product": "p30", "position": 2}]}],
            "boosts": [{"condition": 'brand: ANY("Bolt")', "boost": 0.5}],
        }
    )
    encoder = stores.HashEncoder()
    pipeline = Pipeline(retriever.catalog, encoder, retriever, PriceRanker(), rules=Rules(file))
    boost = {"condition": "price < 3", "boost": -1}
    [answer] = pipeline.answer([search("milk", OPTIONS=options(boosts=[boost]), PAGE_SIZE=40)])
    assert details(answer)["results"][1]["id"] == "p30"
    found = explanations(details(answer))
    assert found["p30"]["rules"] == [{"kind": "pinned"}]
    assert found["p30"]["text"].startswith("pinned by a rule")
    assert found["p01"]["rules"] == [
        {"kind": "buried", "what": "price < 3", "boost": -1.0},
        {"kind": "boosted", "what": 'brand: ANY("Bolt")', "boost": 0.5},
    ]
    assert found["p01"]["text"].startswith('lowered by price < 3; boosted by brand: ANY("Bolt"); matches')
    assert "rules" not in found["p04"], "Acme's, and it costs 5"


def test_a_sorted_answer_says_so_and_was_not_ranked(retriever_with: MakeRetriever) -> None:
    answer = ask(retriever_with([]), search("pizza", OPTIONS=options(order_by="price desc")), PriceRanker())
    found = explanations(answer)
    assert {e["rules"][0]["what"] for e in found.values()} == {"price desc"}
    assert all(e["text"].startswith("sorted by price desc") for e in found.values())
    assert all("ranker" not in e["stages"] for e in found.values())
    ranks = [e["stages"]["fusion"]["rank"] for e in found.values()]
    assert ranks != sorted(ranks), "the ranks of the fusion are those of relevance"


def test_products_that_follow_the_fused_ones_have_their_word_ranks(tmp_path: Path) -> None:
    """Six hundred pizzas: more than the sources bring together."""
    products = [stores.product(f"p{n:03d}", f"Pizza number {n}", price=1.0) for n in range(600)]
    stores.build(tmp_path / "catalog", products)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)
    retriever = Retriever(catalog, None)
    page = search("pizza", OFFSET=560, PAGE_SIZE=40)
    near = explanations(ask(retriever, page, PriceRanker()))
    assert len(near) == 40
    stages = list(near.values())
    assert all(set(one["stages"]) == {"words"} for one in stages), "neither fused nor ranked"
    ranks = [one["stages"]["words"]["rank"] for one in stages]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 40
    assert max(ranks) <= 600
    assert all(one["features"] == [] for one in stages)
    assert {one["text"] for one in stages} == {"matches 'pizza' in the title"}


def test_a_product_that_only_the_retriever_knows_is_no_evidence(retriever_with: MakeRetriever) -> None:
    """The retriever of another process read a change that this one cannot: its row has no title here."""
    retriever = retriever_with([stores.purchase("me", "p04", 3)])
    [outcome] = retriever.retrieve([recommend(USER_ID=b"me").retrieval], None)
    assert isinstance(outcome, Retrieved)
    assert outcome.stages is not None
    far = np.where(outcome.stages.evidence["lately"].rows >= 0, retriever.catalog.base + 7, -1)
    evidence = {"lately": replace(outcome.stages.evidence["lately"], rows=far.astype(np.int32))}
    page = PageToExplain(
        request=recommend(USER_ID=b"me").retrieval,
        retrieved=replace(outcome, stages=replace(outcome.stages, evidence=evidence)),
        rows=outcome.rows.tolist(),
    )
    [written] = Explainer(retriever.catalog, None).explain([page])
    texts = [orjson.loads(document)["text"] for document in written]
    assert "goes with what you chose, of late" in texts
    assert all(texts)
