from pathlib import Path

import numpy as np
import pytest

from mercato.errors import ModelError, ServerError, SnapshotError
from mercato.index.part import CatalogPart, write_part
from mercato.serving.options import ServerOptions
from mercato.serving.preflight import check_folder, check_inputs, check_shards, check_shared_memory
from mercato.serving.repository import StagedModel
from mercato.triton_models.encoder import ENCODER
from mercato.triton_models.ranker import RANKER
from tests.adapters.tiny_models import write_sequence

TEBIBYTE = 1 << 40


def test_missing_folder_comes_with_the_command_that_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    with pytest.raises(ModelError) as caught:
        check_folder(ENCODER, folder)
    assert str(caught.value) == f"encoder: {folder} does not exist; make it: mercato export encoder --out {folder}"


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(
        ModelError, match="lacks tokenizer.json, model.int8.onnx or model.onnx or model.plan; make it: "
    ):
        check_folder(ENCODER, tmp_path)
    with pytest.raises(ModelError, match="lacks model.onnx or model.plan; make it: mercato train ranker"):
        check_folder(RANKER, tmp_path)


@pytest.mark.parametrize("network", ["model.int8.onnx", "model.onnx", "model.plan"])
def test_one_network_is_enough(tmp_path: Path, network: str) -> None:
    for name in ("manifest.json", "tokenizer.json", network):
        (tmp_path / name).write_text("")
    check_folder(ENCODER, tmp_path)


def test_missing_catalogue_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="nowhere"):
        check_inputs(ServerOptions(catalog=tmp_path / "nowhere"))


def test_server_without_catalogue_or_models_needs_no_files() -> None:
    check_inputs(ServerOptions())


@pytest.mark.parametrize(
    ("weight", "changes", "warned"),
    [(0.0, {}, True), (0.0, {"home-page.sequence": 2.0}, False), (0.0, {"lately": 1.0}, True), (3.0, {}, False)],
)
def test_a_sequence_model_that_is_not_asked_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, weight: float, changes: dict[str, float], warned: bool
) -> None:
    folder = write_sequence(tmp_path / "sequence", {"a": "b"}, weight=weight)
    check_inputs(ServerOptions(sequence=folder, source_weights=changes))
    assert ("adds nothing to the other sources (weight 0)" in caplog.text) == warned


def test_stubs_that_do_not_fit_into_shared_memory_are_refused() -> None:
    models = [StagedModel(name="search", backend="python", instances=4, folder=Path("search"))]
    options = ServerOptions(stub_memory_bytes=TEBIBYTE)
    with pytest.raises(ServerError, match=rf"4 stubs need {4 * TEBIBYTE >> 20} MiB in /dev/shm, .*--shm-size"):
        check_shared_memory(models, options)
    engines = [StagedModel(name="encoder", backend="tensorrt_plan", instances=4, folder=Path("encoder"))]
    check_shared_memory(engines, options)


def test_shards_are_named_for_a_router_and_for_no_other(tmp_path: Path) -> None:
    router, shard, whole = (tmp_path / name for name in ("router", "1", "whole"))
    for folder in (router, shard, whole):
        folder.mkdir()
    write_part(router, CatalogPart(products=4, cut="now", shards=2, is_router=True))
    write_part(shard, CatalogPart(products=4, cut="now", shards=2, number=1, rows=np.arange(2, dtype=np.int32)))
    check_shards(ServerOptions(catalog=router, shards="one:8000,two:8000"))
    for folder in (shard, whole):
        check_shards(ServerOptions(catalog=folder))
        with pytest.raises(ServerError, match="is no router's; serve the folder router"):
            check_shards(ServerOptions(catalog=folder, shards="one:8000"))
    for shards in (None, "one:8000"):
        with pytest.raises(ServerError, match="is a router's of 2 shards, given [01] addresses"):
            check_shards(ServerOptions(catalog=router, shards=shards))
    with pytest.raises(ServerError, match="keep neither events nor changes"):
        check_shards(ServerOptions(catalog=shard, state="sqlite:state.db"))
    assert ServerOptions(catalog=shard, encoder=tmp_path).unserved_models.isdisjoint({"shard"})
    assert "search" in ServerOptions(catalog=shard).unserved_models
    assert "recommend" in ServerOptions(catalog=router, shards="a:1,b:1").unserved_models
