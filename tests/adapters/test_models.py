"""Each model.py over real stages, with a stand-in for Triton: answers fit the configuration in every profile."""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype

from mercato.errors import MercatoError, StateError
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.serving.canary import CANARIES
from mercato.settings import SETTINGS_VARIABLE
from mercato.shards.cut import cut_snapshot
from mercato.triton_models.registry import TRITON_MODELS
from tests import stores
from tests.adapters import fake_pb_utils as pb
from tests.adapters.fake_pb_utils import InferenceResponse, make_request, number, text
from tests.adapters.tiny_models import write_encoder, write_ranker, write_reranker, write_sequence

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
MODELS = tuple(model.name for model in TRITON_MODELS)
DIMENSION = stores.DIMENSION
CONTEXT = text(orjson.dumps({"time": stores.NOW}))
Arrays = dict[str, npt.NDArray[Any]]


def read_config(name: str, profile: str) -> Any:
    path = REPOSITORY / name / "configs" / f"{profile}.pbtxt"
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def load(name: str, profile: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load a model.py as a stub process does, and call `initialize`."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", pb.this_module())
    spec = importlib.util.spec_from_file_location(f"model_of_{name}", REPOSITORY / name / "1" / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    config = json_format.MessageToDict(read_config(name, profile), preserving_proto_field_name=True)
    with monkeypatch.context() as own:
        if name == "shard":
            serve_shard(own)
        model.initialize({"model_config": json.dumps(config), "model_name": name})
    return model


def serve_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a shard as the catalogue that is served."""
    settings = Path(os.environ[SETTINGS_VARIABLE])
    whole = json.loads(settings.read_text())
    own = settings.with_name("shard.json")
    own.write_text(json.dumps({**whole, "catalog": str(Path(whole["catalog"]).parent / "shards" / "1")}))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(own))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("adapters")
    products = stores.make_products()
    encoder = write_encoder(folder / "encoder", DIMENSION, [product.text() for product in products] + ["rye bread"])
    stores.build(folder / "catalog", products, encoder=OnnxEncoder(encoder))  # type: ignore[arg-type]
    cut_snapshot(folder / "catalog", folder / "shards", 2)
    ranker = write_ranker(folder / "ranker", DIMENSION)
    reranker = write_reranker(folder / "reranker", {"organic": 1.0, "vanilla": 2.0}, weight=0.25)
    sequence = write_sequence(folder / "sequence", {"p30": "p31", "p32": "p36"})
    served = {
        "encoder": encoder,
        "ranker": ranker,
        "reranker": reranker,
        "sequence": sequence,
        "catalog": folder / "catalog",
    }
    return {name: str(path) for name, path in served.items()}


@pytest.fixture
def settings(shop: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The server's settings; change them with `rewrite`."""
    path = tmp_path / "settings.json"
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    whole = {**shop, "state": f"sqlite:{tmp_path / 'state.db'}"}
    path.write_text(json.dumps(whole))
    return whole


@pytest.fixture(params=["cpu", "cpu-bls"])
def server(
    request: pytest.FixtureRequest, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mapping[str, Any]]:
    """All models of a profile, loaded, where calls can reach them."""
    pb.MODELS.clear()
    pb.CALLS.clear()
    for name in MODELS:
        pb.MODELS[name] = load(name, request.param, monkeypatch)
    yield pb.MODELS
    pb.MODELS.clear()


def ask(server: Mapping[str, Any], name: str, *inputs: Arrays) -> list[InferenceResponse]:
    responses: list[InferenceResponse] = server[name].execute([make_request(one) for one in inputs])
    assert len(responses) == len(inputs)
    return responses


def read_text(response: InferenceResponse, name: str) -> Any:
    tensor = response.get(name)
    assert tensor is not None, response.error().message()
    return orjson.loads(tensor.as_numpy()[0, 0])


def ids(response: InferenceResponse) -> list[str]:
    tensor = response.get("PRODUCT_ID")
    assert tensor is not None, response.error().message()
    return [value.decode() for value in tensor.as_numpy()[0]]


def tokens_of(shop: Mapping[str, Any], query: str) -> Arrays:
    input_ids, attention_mask = OnnxEncoder(shop["encoder"]).tokenizer([query])
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def good_inputs(name: str, shop: Mapping[str, Any]) -> Arrays:
    """A request that each model answers: its canary, where one is kept for supervision."""
    if name == "encoder":
        return tokens_of(shop, "green tea")
    if name == "ranker":
        features = next(tensor for tensor in read_config("ranker", "cpu").input if tensor.name == "features").dims[-1]
        shapes = {"query": (1, DIMENSION), "history": (1, DIMENSION)}
        shapes |= {"candidates": (1, 3, DIMENSION), "features": (1, 3, features)}  # type: ignore[dict-item]
        return {key: np.ones(shape, np.float32) for key, shape in shapes.items()}
    if name == "reranker":
        return {key: np.array([[2, 3, 3]]) for key in ("input_ids", "attention_mask", "token_type_ids")}
    if name == "sequence":
        return {"product_codes": np.array([[1, 3, 0]])}
    canary = CANARIES[name]
    assert canary is not None
    return dict(canary)


@pytest.mark.parametrize("name", MODELS)
def test_answer_fits_the_configuration(name: str, server: Mapping[str, Any], shop: dict[str, Any]) -> None:
    config = read_config(name, "cpu")
    for response in ask(server, name, *[good_inputs(name, shop)] * 3):
        assert not response.has_error(), response.error().message()
        arrays = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
        assert list(arrays) == [tensor.name for tensor in config.output]
        for tensor in config.output:
            array = arrays[tensor.name]
            type_name = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
            expected = triton_to_np_dtype("BYTES" if type_name == "STRING" else type_name)
            assert array.dtype == expected, tensor.name
            # The tiny networks are narrower than those that are served.
            dims = [DIMENSION if extent == 384 else extent for extent in tensor.dims]
            assert array.shape[0] == 1
            assert len(array.shape) == 1 + len(dims)
            assert all(extent in (-1, size) for extent, size in zip(dims, array.shape[1:], strict=True)), tensor.name


@pytest.mark.parametrize("name", MODELS)
def test_request_without_inputs_is_refused_among_good_ones(
    name: str, server: Mapping[str, Any], shop: dict[str, Any]
) -> None:
    first = read_config(name, "cpu").input[0].name
    good, bad, other = ask(server, name, good_inputs(name, shop), {}, good_inputs(name, shop))
    assert not good.has_error()
    assert not other.has_error()
    assert bad.error().code() == "INVALID_ARG"
    assert bad.error().message().startswith((f"{first}: must be ", f"{first}: or "))


def test_search_answers_a_batch_with_one_bad_request(server: Mapping[str, Any]) -> None:
    pb.CALLS.clear()
    responses = ask(
        server,
        "search",
        {"QUERY": text("green tea"), "CONTEXT": CONTEXT},
        {"QUERY": text("green tea"), "FILTER": text("price <"), "CONTEXT": CONTEXT},
        {"QUERY": text("milk"), "PAGE_SIZE": number(3), "CONTEXT": CONTEXT},
        {"QUERY": text("milk"), "FILTER": text('wheels: ANY("4")'), "CONTEXT": CONTEXT},
    )
    assert set(ids(responses[0])[:4]) == {"p24", "p25", "p26", "p27"}
    assert len(ids(responses[2])) == 3
    for index in (1, 3):
        assert responses[index].error().code() == "INVALID_ARG"
        assert responses[index].error().message().startswith("FILTER: ")
    # Behind calls: three texts are encoded, three requests retrieved, two ranked, each in one call, and the best 24
    # products of these two read again: those that both words find and all that have "milk".
    assert [name for name, _ in pb.CALLS] in ([], ["encoder", "retriever", "ranker", "reranker"])
    assert pb.CALLS[:3] in ([], [("encoder", 3), ("retriever", 3), ("ranker", 2)])


def test_recommendations_of_a_batch_are_one_call_of_each_stage(server: Mapping[str, Any]) -> None:
    pb.CALLS.clear()
    first, second = ask(
        server,
        "recommend",
        {"PLACEMENT": text("cart"), "SEED_PRODUCT_IDS": text('["p04", "gone"]'), "CONTEXT": CONTEXT},
        {"PLACEMENT": text("home-page"), "CONTEXT": CONTEXT},
    )
    assert read_text(first, "DETAILS")["missing_ids"] == ["gone"]
    assert len(ids(second)) == 20
    assert pb.CALLS in ([], [("retriever", 2), ("ranker", 1)])


def test_both_profiles_answer_alike(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Arrays]] = [
        ("search", {"QUERY": text("organic tea"), "CONTEXT": CONTEXT, "OPTIONS": text('{"beyond": true}')}),
        (
            "search",
            {"QUERY": text("milk"), "FILTER": text("price < 20"), "OFFSET": number(5), "CONTEXT": CONTEXT}
            | {"OPTIONS": text('{"beyond": true}')},
        ),
        ("recommend", {"PLACEMENT": text("product-page"), "SEED_PRODUCT_IDS": text('["p20"]'), "CONTEXT": CONTEXT}),
        ("recommend", {"PLACEMENT": text("home-page"), "USER_ID": text("u0"), "CONTEXT": CONTEXT}),
    ]
    answers = []
    for profile in ("cpu", "cpu-bls"):
        pb.MODELS.clear()
        for name in MODELS:
            pb.MODELS[name] = load(name, profile, monkeypatch)
        answers.append([ids(ask(pb.MODELS, name, inputs)[0]) for name, inputs in asked])
    pb.MODELS.clear()
    assert answers[0] == answers[1]
    assert [len(page) for page in answers[0]] == [20, 19 - 5, 20, 20]


def test_what_is_written_is_in_the_next_answer(server: Mapping[str, Any]) -> None:
    new = {"id": "new", "title": "Rye bread", "price": 2.0}
    operations = [{"operation": "upsert", "product": new}, {"operation": "delete", "id": "p24"}, {"operation": "wink"}]
    written, refused = ask(server, "catalog", {"OPERATIONS": text(orjson.dumps(operations))}, {"OPERATIONS": text("[")})
    result = read_text(written, "RESULT")
    assert (result["accepted"], result["sequence"]) == (2, 2)
    assert [item["index"] for item in result["rejected"]] == [2]
    assert refused.error().code() == "INVALID_ARG"
    bread, tea = ask(
        server,
        "search",
        {"QUERY": text("rye bread")},  # as of a moment before the write it would not be known
        {"QUERY": text("green tea"), "PAGE_SIZE": number(100)},
    )
    assert ids(bread)[0] == "new"
    assert read_text(bread, "DETAILS")["results"][0]["sources"] == ["dense", "words"]
    assert "p24" not in ids(tea)


def test_purchase_changes_the_shoppers_recommendations(server: Mapping[str, Any]) -> None:
    home = {"PLACEMENT": text("home-page"), "USER_ID": text("u9"), "CONTEXT": CONTEXT, "PAGE_SIZE": number(5)}
    before = ids(ask(server, "recommend", home)[0])
    event = {"event_type": "purchase-complete", "user_id": "u9", "product_id": "p33", "time": stores.NOW - 60}
    [response] = ask(server, "events", {"EVENTS": text(orjson.dumps([event, {}]))})
    result = read_text(response, "RESULT")
    assert (result["accepted"], result["sequence"], [item["index"] for item in result["rejected"]]) == (1, 1, [1])
    after = ids(ask(server, "recommend", home)[0])
    assert "p33" not in before
    assert after[0] == "p33"


def test_bad_tokens_cost_their_own_request(server: Mapping[str, Any], shop: dict[str, Any]) -> None:
    good = tokens_of(shop, "green tea")
    beyond = {**good, "input_ids": np.full_like(good["input_ids"], 10**6)}
    responses = ask(server, "encoder", good, beyond, good)
    assert [response.has_error() for response in responses] == [False, True, False]
    vector = responses[0].get("embedding")
    assert vector is not None
    np.testing.assert_array_equal(vector.as_numpy(), OnnxEncoder(shop["encoder"]).encode(["green tea"]))


def test_dead_encoder_and_ranker_are_left_out_behind_calls(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pb.MODELS.clear()
    for name in ("retriever", "search"):
        pb.MODELS[name] = load(name, "cpu-bls", monkeypatch)
    [response] = ask(pb.MODELS, "search", {"QUERY": text("green tea"), "CONTEXT": CONTEXT})
    assert set(ids(response)) == {"p24", "p25", "p26", "p27"}
    assert read_text(response, "DETAILS")["degraded"] == ["encoder", "ranker", "reranker"]
    del pb.MODELS["retriever"]
    [response] = ask(pb.MODELS, "search", {"QUERY": text("green tea"), "CONTEXT": CONTEXT})
    pb.MODELS.clear()
    assert response.error().code() == "UNAVAILABLE"
    assert "model retriever" in response.error().message()


def rewrite(settings: dict[str, Any], tmp_path: Path, **changes: Any) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({**settings, **changes}))


@pytest.mark.parametrize("name", ["events", "catalog"])
def test_writers_refuse_to_start_without_state(
    name: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(settings, tmp_path, state=None)
    with pytest.raises(StateError, match="state: none is served.*--state sqlite:PATH"):
        load(name, "cpu", monkeypatch)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("search", {"catalog": "missing"}, "missing"),
        ("ranker", {"ranker": None}, "ranker: none is served"),
        ("reranker", {"reranker": None}, "reranker: none is served.*--reranker DIR"),
        ("search", {"reranker": "missing"}, "mercato export reranker"),
        ("encoder", {"encoder": "missing"}, "mercato export encoder"),
        ("search", {"flavour": "mint"}, "flavour"),
    ],
)
def test_model_that_cannot_start_says_what_is_missing(
    name: str,
    changes: dict[str, Any],
    message: str,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rewrite(settings, tmp_path, **changes)
    with pytest.raises(MercatoError, match=message):
        load(name, "cpu", monkeypatch)


def test_settings_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTINGS_VARIABLE, raising=False)
    with pytest.raises(MercatoError, match="MERCATO_SETTINGS is not set; start the server with `mercato serve`"):
        load("search", "cpu", monkeypatch)


def test_search_without_a_ranker_keeps_the_order_of_retrieval(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(settings, tmp_path, ranker=None)
    model = load("search", "cpu", monkeypatch)
    [response] = model.execute([make_request({"QUERY": text("green tea"), "CONTEXT": CONTEXT})])
    scores = response.get("SCORE").as_numpy()[0]
    assert read_text(response, "DETAILS")["degraded"] == []
    assert (np.diff(scores) <= 0).all()
