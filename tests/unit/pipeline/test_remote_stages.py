"""Stages behind calls: what goes over the wire comes back as it was, and answers as in one process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from mercato.errors import InvalidInputError, MercatoError, ModelError, StateError
from mercato.features.features import FEATURE_NAMES
from mercato.features.inputs import Context
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.pipeline.remote import (
    RETRIEVER_OUTPUTS,
    RemoteEncoder,
    RemoteRanker,
    RemoteRetriever,
    retrieve_batch,
    write_outcomes,
)
from mercato.requests.boost import Boost
from mercato.requests.facets import FacetSpec, Interval
from mercato.requests.options import list_options
from mercato.requests.order_by import OrderBy, SortKey
from mercato.requests.page import parse_recommend, parse_search
from mercato.requests.restriction import Restriction, RestrictionKind
from mercato.requests.retrieval import Kind, Placement, RetrievalRequest, Retrieved, Spelling
from mercato.requests.written import read_request, write_request
from mercato.retrieval.retriever import Retriever
from tests import stores

Arrays = Mapping[str, npt.NDArray[Any]]
CONTEXT = orjson.dumps({"time": stores.NOW})


class Wire:
    """Runs models in this process and notes each call."""

    def __init__(self, models_by_name: Mapping[str, Callable[[Arrays], Arrays]]) -> None:
        self.calls: list[str] = []
        self.inputs: list[Arrays] = []
        self._models = models_by_name

    def __call__(self, model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        self.calls.append(model)
        self.inputs.append(inputs)
        answer = self._models[model](inputs)
        return {name: np.array(answer[name]) for name in outputs}


def wire_to(retriever: Retriever) -> Wire:
    return Wire({"retriever": lambda given: retrieve_batch(retriever, given["REQUEST"], given.get("QUERY_VECTOR"))})


def assert_same(one: Retrieved | MercatoError, other: Retrieved | MercatoError) -> None:
    assert isinstance(one, Retrieved)
    assert isinstance(other, Retrieved)
    for field in fields(Retrieved):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            assert left == right, field.name


REQUESTS = {
    "search": stores.search_request("organic tea", user_id="u0"),
    "filtered search": stores.search_request("milk", condition=parse_filter('price < 3 AND brand: ANY("Acme")')),
    "empty": stores.search_request("milk", condition=parse_filter('brand: ANY("Nobody")')),
    "relaxed": stores.search_request("milk", condition=parse_filter('brand: ANY("No")'), strict_filtering=False),
    "deep": stores.search_request("milk", depth=500),
    "home page": stores.request(Placement.HOME_PAGE, user_id="u0", visitor_id="v1", depth=40),
    "seeds": stores.request(Placement.CART, seed_ids=("p04", "gone", "p20")),
    "nobody": stores.request(Placement.CATEGORY),
    "a list": stores.request(Placement.RANK, seed_ids=("p04", "gone", "p20", "p33"), user_id="u0"),
    "bundles": stores.request(Placement.CART, seed_ids=("p04",), bundles=2),
    "complementary": stores.request(Placement.PRODUCT_PAGE, seed_ids=("p04",), kind=Kind.COMPLEMENTARY),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_comes_back_as_it_was(name: str) -> None:
    assert read_request(write_request(REQUESTS[name])) == REQUESTS[name]


def test_request_with_every_field_set_comes_back() -> None:
    request = RetrievalRequest(
        placement=Placement.PRODUCT_PAGE,
        text='ü "quoted"\\',
        user_id="u",
        visitor_id="v",
        seed_ids=("a", "b"),
        kind=Kind.SIMILAR,
        bundles=3,
        condition=parse_filter('NOT brand: ANY("A \\"B\\"")'),
        strict_filtering=False,
        context=Context(time=1.5, utc_offset_s=-3600.0, device="phone", region="DE"),
        as_of=True,
        depth=77,
        explain=True,
        spelling=Spelling.SUGGEST,
        facets=(
            FacetSpec(
                key="price",
                limit=7,
                intervals=(
                    Interval(upper=10.0),
                    Interval(lower=10.0, lower_inclusive=False, upper=20.0, upper_inclusive=True),
                ),
                excluded_filter_keys=("brand",),
                order_by="value",
            ),
        ),
        order_by=OrderBy((SortKey("price", descending=True), SortKey("size"))),
        boosts=(Boost(parse_filter("price < 10"), -0.5),),
        rule_boosts=(Boost(parse_filter("price > 10"), 0.5),),
        narrowing=(parse_filter("price < 99"),),
        exclude_purchased_days=30.0,
        restrictions=(Restriction(RestrictionKind.SENSITIVE, parse_filter("price < 2"), searched=False),),
        hidden_ids=("h",),
        pinned_ids=("p", "q"),
    )
    derived = list_options(RetrievalRequest)  # which are sent by their declaration
    own = [field for field in fields(request) if field.name not in derived]
    like_default = [field.name for field in own if getattr(request, field.name) == field.default]
    assert like_default == [], "a field left at its default could be lost unnoticed"
    assert read_request(write_request(request)) == request


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b"\xff", b"null", b'{"placement": "moon"}', b'{"placement": 3}'],
)
def test_what_is_no_request_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInputError, match="REQUEST: is not a retrieval request.*ask `search` or `recommend`"):
        read_request(document)


def test_remote_retrieval_equals_retrieval_in_process(retriever: Retriever) -> None:
    requests = list(REQUESTS.values())
    vectors = stores.HashEncoder().encode([request.text or "nothing" for request in requests])
    wire = wire_to(retriever)
    far = RemoteRetriever(wire).retrieve(requests, vectors)
    near = retriever.retrieve(requests, vectors)
    assert wire.calls == ["retriever"], "one call for the batch"
    assert len(far) == len(near) == len(REQUESTS)
    for one, other in zip(far, near, strict=True):
        assert_same(one, other)


def test_remote_retrieval_without_vectors_goes_by_words(retriever: Retriever) -> None:
    wire = wire_to(retriever)
    [far] = RemoteRetriever(wire).retrieve([REQUESTS["search"]], None)
    [near] = retriever.retrieve([REQUESTS["search"]], None)
    assert "QUERY_VECTOR" not in wire.inputs[0]
    assert_same(far, near)
    assert isinstance(far, Retrieved)
    assert far.degraded == ["encoder"]


def test_error_of_one_request_comes_back_and_leaves_the_others(retriever: Retriever) -> None:
    bad = stores.search_request("milk", condition=parse_filter('wheels: ANY("4")'))
    requests = [REQUESTS["search"], bad, REQUESTS["home page"]]
    vectors = stores.HashEncoder().encode(["organic tea", "milk", "nothing"])
    far = RemoteRetriever(wire_to(retriever)).retrieve(requests, vectors)
    near = retriever.retrieve(requests, vectors)
    assert isinstance(far[1], InvalidInputError)
    assert (str(far[1]), far[1].parameter) == (str(near[1]), "FILTER")
    assert_same(far[0], near[0])
    assert_same(far[2], near[2])


def test_document_that_is_no_request_is_one_error_among_answers(retriever: Retriever) -> None:
    good = write_request(REQUESTS["search"])
    vectors = stores.HashEncoder().encode(["never looked at", "organic tea"])
    outputs = retrieve_batch(retriever, np.array([[b"{}"], [good]], dtype=object), vectors)
    notes = [orjson.loads(note) for note in outputs["NOTES"][:, 0]]
    assert notes[0]["parameter"] == "REQUEST"
    [alone] = retriever.retrieve([REQUESTS["search"]], vectors[1:])
    assert isinstance(alone, Retrieved)
    np.testing.assert_array_equal(outputs["ROWS"][1, : notes[1]["width"]], alone.rows)


def test_lists_are_padded_to_the_longest_of_the_batch(retriever: Retriever) -> None:
    found = retriever.retrieve([REQUESTS["filtered search"], REQUESTS["nobody"]], None)
    assert isinstance(found[0], Retrieved)
    assert isinstance(found[1], Retrieved)
    short, long = len(found[0].rows), len(found[1].rows)
    assert short < long
    outputs = write_outcomes(found, len(FEATURE_NAMES), stores.DIMENSION)
    assert tuple(outputs) == RETRIEVER_OUTPUTS
    assert outputs["ROWS"].shape == (2, long)
    assert outputs["ROWS"][0, short:].tolist() == [-1] * (long - short)
    assert outputs["FEATURES"].shape == (2, long, len(FEATURE_NAMES))
    types = {name: array.dtype for name, array in outputs.items()}
    assert types == {
        "ROWS": np.int32,
        "FUSED": np.float32,
        "SOURCES": np.uint32,
        "FEATURES": np.float32,
        "HISTORY_VECTOR": np.float32,
        "TAIL": np.int32,
        "NOTES": np.object_,
    }


def test_nothing_found_still_has_an_element_of_each_output() -> None:
    outputs = write_outcomes([StateError("state: gone")], 3, 2)
    assert {name: array.shape for name, array in outputs.items()} == {
        "ROWS": (1, 1),
        "FUSED": (1, 1),
        "SOURCES": (1, 2),
        "FEATURES": (1, 1, 3),
        "HISTORY_VECTOR": (1, 2),
        "TAIL": (1, 1),
        "NOTES": (1, 1),
    }


def test_error_that_is_not_the_callers_comes_back_as_one_of_the_model() -> None:
    outputs = write_outcomes([StateError("state: gone")], 3, 2)
    [error] = RemoteRetriever(lambda *_: dict(outputs)).retrieve([REQUESTS["search"]], None)
    assert type(error) is ModelError
    assert str(error) == "state: gone"


@pytest.fixture
def tokenizer(tmp_path: Path) -> TextTokenizer:
    whole_words = Tokenizer(models.WordLevel({"[UNK]": 0, "green": 7, "tea": 8, "milk": 9}, unk_token="[UNK]"))
    whole_words.pre_tokenizer = pre_tokenizers.Whitespace()
    whole_words.save(str(tmp_path / "tokenizer.json"))
    return TextTokenizer(tmp_path / "tokenizer.json", max_tokens=4)


def test_remote_encoder_sends_tokens_in_one_call(tokenizer: TextTokenizer) -> None:
    def encode(given: Arrays) -> Arrays:
        return {"embedding": (given["input_ids"] * given["attention_mask"]).sum(axis=1, keepdims=True)}

    wire = Wire({"encoder": encode})
    vectors = RemoteEncoder(wire, tokenizer).encode(["green tea", "milk"])
    assert vectors.tolist() == [[7 + 8], [9]]
    assert wire.calls == ["encoder"]
    assert wire.inputs[0]["input_ids"].tolist() == [[7, 8], [9, 0]]
    assert wire.inputs[0]["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert {array.dtype for array in wire.inputs[0].values()} == {np.dtype(np.int64)}


def test_remote_encoder_sends_the_prefix_of_a_role(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    words = {"[UNK]": 0, "ask": 5, "tell": 6, "tea": 7}
    plain = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.save(str(file))
    tokenizer = TextTokenizer(file, prefixes={"query": "ask ", "product": "tell "})
    wire = Wire({"encoder": lambda given: {"embedding": given["input_ids"]}})
    encoder = RemoteEncoder(wire, tokenizer)
    assert encoder.encode(["tea"]).tolist() == [[5, 7]]
    assert encoder.encode(["tea"], "product").tolist() == [[6, 7]]


def test_remote_ranker_sends_what_it_is_given() -> None:
    arrays = {
        "query": np.ones((2, 4), np.float32),
        "history": np.zeros((2, 4), np.float32),
        "candidates": np.ones((2, 3, 4), np.float32),
        "features": np.ones((2, 3, 5), np.float32),
    }
    wire = Wire({"ranker": lambda given: {"score": given["features"].sum(axis=2)}})
    scores = RemoteRanker(wire).score(*arrays.values())
    assert scores.tolist() == [[5.0] * 3] * 2
    assert list(wire.inputs[0]) == list(arrays)


def test_pipeline_behind_calls_answers_as_in_one_process(catalog: LiveCatalog, retriever: Retriever) -> None:
    encoder = stores.HashEncoder()
    requests = [
        parse_search({"QUERY": b"organic tea", "USER_ID": b"u0", "CONTEXT": CONTEXT}),
        InvalidInputError("QUERY", "must be given"),
        parse_search({"QUERY": b"milk", "FILTER": b'wheels: ANY("4")', "CONTEXT": CONTEXT}),
        parse_recommend({"PLACEMENT": b"cart", "SEED_PRODUCT_IDS": b'["p04", "gone"]', "CONTEXT": CONTEXT}),
    ]
    near = Pipeline(catalog, encoder, retriever, None).answer(requests)
    far = Pipeline(catalog, encoder, RemoteRetriever(wire_to(retriever)), None).answer(requests)
    for one, other in zip(near, far, strict=True):
        if isinstance(one, MercatoError):
            assert str(one) == str(other)
            continue
        assert isinstance(other, Answer)
        assert other.product_ids == one.product_ids
        np.testing.assert_array_equal(other.scores, one.scores)
        left, right = orjson.loads(one.details), orjson.loads(other.details)
        for drawn in ("token", "timings"):
            del left[drawn], right[drawn]
        assert left == right


def test_dead_retriever_is_an_error_of_the_batch(catalog: LiveCatalog) -> None:
    def refuse(*_: object) -> dict[str, npt.NDArray[Any]]:
        raise ModelError("model retriever: gone")

    pipeline = Pipeline(catalog, stores.HashEncoder(), RemoteRetriever(refuse), None)
    with pytest.raises(ModelError, match="retriever: gone"):
        pipeline.answer([parse_search({"QUERY": b"milk"})])
