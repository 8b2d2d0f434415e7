"""Answers with explanations say how late the events are that they were learned from."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from mercato.features.features import FEATURE_NAMES
from mercato.index.live import LiveCatalog
from mercato.index.manifest import Manifest
from mercato.models.ranker.manifest import RankerManifest
from mercato.models.sequence.manifest import MODEL_FILE
from mercato.models.sequence.products import PRODUCTS_FILE, VECTORS_FILE
from mercato.models.stages import RetrieverStage
from mercato.pipeline.answer import Answer, describe_catalog, describe_models
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import PageRequest, parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.settings import Settings
from mercato.text.timestamps import parse_timestamp
from tests import stores
from tests.unit.policy.test_policy_behind_calls import over_the_wire

LATE = "2011-12-09T12:50:00Z"
RANKER = {"ranker": {"last_event_time": LATE}}


@pytest.fixture(params=["in process", "behind a call"])
def home(request: pytest.FixtureRequest, retriever: Retriever) -> RetrieverStage:
    return retriever if request.param == "in process" else over_the_wire(retriever)


def ask(pipeline: Pipeline, *requests: PageRequest) -> list[dict[str, Any]]:
    pages = []
    for answer in pipeline.answer(requests):
        assert isinstance(answer, Answer)
        pages.append(orjson.loads(answer.details))
    return pages


def test_it_is_said_to_who_asks_for_explanations(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = Pipeline(catalog, stores.HashEncoder(), home, None, learned_from=RANKER)
    given = {"PLACEMENT": b"home-page", "OPTIONS": b'{"explain": true}'}
    asked = [parse_recommend(given), parse_search({"QUERY": b"milk", "OPTIONS": b'{"explain": true}'})]
    told, searched, plain = ask(pipeline, *asked, parse_recommend({"PLACEMENT": b"home-page"}))
    assert told["learned_from"] == {**describe_catalog(catalog.snapshot.manifest), **RANKER}
    last = told["learned_from"]["catalog"]["last_event_time"]
    assert parse_timestamp(last) == catalog.snapshot.manifest.last_event_time
    assert searched["learned_from"] == told["learned_from"]
    assert "learned_from" not in plain


def describe(**fields: Any) -> Any:
    given = {"created": "", "products": 1, "texts": 1, "dimension": 4, "encoder": "e", "files": {}, **fields}
    return describe_catalog(Manifest.model_validate(given))["catalog"]


def test_a_catalogue_says_it_or_not() -> None:
    assert describe(last_event_time=parse_timestamp(LATE)) == {"last_event_time": LATE}
    assert describe(last_event_time=None) == {"last_event_time": None}
    assert describe() == {}  # of a version that did not write it


def settings(folder: Path, *, ranker: Path | None = None, sequence: Path | None = None) -> Settings:
    return Settings(catalog=folder, encoder=folder, ranker=ranker, sequence=sequence)


def manifest(**fields: Any) -> RankerManifest:
    return RankerManifest(feature_names=FEATURE_NAMES, dimension=4, **fields)


def test_a_ranker_says_it_or_not(tmp_path: Path) -> None:
    served = settings(tmp_path, ranker=tmp_path)
    known = manifest(last_event_time=parse_timestamp(LATE), knows_last_event=True)
    assert describe_models(served, known) == RANKER
    assert describe_models(served, manifest(knows_last_event=True)) == {"ranker": {"last_event_time": None}}
    assert describe_models(served, manifest()) == {"ranker": {}}
    assert describe_models(served, None) == {"ranker": {}}  # the manifest cannot be read
    assert describe_models(settings(tmp_path), None) == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"last_event_time": parse_timestamp(LATE)}, {"last_event_time": LATE}),
        ({"last_event_time": None}, {"last_event_time": None}),
        ({}, {}),
    ],
)
def test_a_sequence_model_says_it_or_not(tmp_path: Path, said: dict[str, Any], expected: dict[str, Any]) -> None:
    files = (MODEL_FILE, PRODUCTS_FILE, VECTORS_FILE)
    assert describe_models(settings(tmp_path, sequence=tmp_path), None) == {"sequence": {}}  # cannot be read
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    document = {
        "schema_version": 1,
        "serving": {"products": 1, "max_length": 2, "width": 3, **said},
        "files": {name: {"bytes": 1, "sha256": "0" * 64} for name in files},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    assert describe_models(settings(tmp_path, sequence=tmp_path), None) == {"sequence": expected}
