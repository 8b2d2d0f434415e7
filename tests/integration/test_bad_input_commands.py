"""Bad catalogues, one by one, through the commands: each problem with its line, one clear message before a start."""

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.conftest import Shop, run_mercato

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def bad_rows(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> "subprocess.CompletedProcess[str]":
    """`mercato index --json` of six rows, two of which are products."""
    folder = tmp_path_factory.mktemp("bad-rows")
    rows = {
        "id": ["a1", None, "a3", "a4", "a1", "a6"],
        "title": ["Rye bread", "Without id", "  ", "Not a price", "The same id again", "Whole milk"],
        "price": [2.5, 1.0, 1.0, -1.0, 3.0, None],
    }
    pq.write_table(pa.table(rows), folder / "products.parquet")
    return run_mercato(
        "index", "products.parquet", "--out", "catalog", "--encoder", encoder_folder, "--json", cwd=folder
    )


def test_good_rows_are_indexed_and_bad_ones_counted(bad_rows: "subprocess.CompletedProcess[str]") -> None:
    assert bad_rows.returncode == 3, bad_rows.stderr
    result = json.loads(bad_rows.stdout)
    assert (result["products"], result["whole"], result["in_part"], result["rejected"]) == (3, 2, 1, 3)
    assert bad_rows.stderr.rstrip().endswith("2 products whole, 1 in part, 3 not at all")


@pytest.mark.parametrize(
    "message",
    [
        "products.parquet line 2: id: must be given and not be empty",
        "products.parquet line 3: title: must be given and not be blank",
        "products.parquet line 4: price left out: must be a finite number from 0 to 1e15, got -1.0",
        "products.parquet line 5: id: must be unique, 'a1' is also on line 1, which is kept",
    ],
    ids=["no id", "no title", "negative price", "duplicate id"],
)
def test_bad_row_is_reported_with_its_line_and_reason(
    message: str, bad_rows: "subprocess.CompletedProcess[str]"
) -> None:
    assert message in bad_rows.stderr


def index_refused(folder: Path, encoder: Path, *options: str) -> str:
    """What `mercato index` says when it makes no snapshot."""
    done = run_mercato("index", "products.parquet", "--out", "catalog", "--encoder", encoder, *options, cwd=folder)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (folder / "catalog").exists()
    return done.stderr


def test_strict_refuses_a_file_with_a_bad_row(tmp_path: Path, encoder_folder: Path) -> None:
    pq.write_table(pa.table({"id": ["a1", "a2"], "title": ["Milk", ""]}), tmp_path / "products.parquet")
    said = index_refused(tmp_path, encoder_folder, "--strict")
    assert "products.parquet line 2: title: must be given" in said
    assert "error: products.parquet: 1 products whole, 0 in part, 1 not at all, and --strict was given" in said


def test_missing_column_is_named_with_those_there_are(tmp_path: Path, encoder_folder: Path) -> None:
    pq.write_table(pa.table({"id": ["a1"], "name": ["Milk"]}), tmp_path / "products.parquet")
    said = index_refused(tmp_path, encoder_folder)
    assert "has no column for title; its columns: id, name" in said
    assert "--map title=name" in said


def test_empty_catalogue_is_refused(tmp_path: Path, encoder_folder: Path) -> None:
    columns = {"id": pa.array([], pa.string()), "title": pa.array([], pa.string())}
    pq.write_table(pa.table(columns), tmp_path / "products.parquet")
    assert "products.parquet holds no products; the catalogue needs at least one" in index_refused(
        tmp_path, encoder_folder
    )


def serve_refused(folder: Path, catalog: Path, encoder: Path) -> str:
    """What `mercato serve` says when it starts nothing."""
    done = run_mercato(
        *("serve", "--catalog", catalog, "--encoder", encoder, "--log", folder / "server.log"),
        *("--port", "0", "--http-port", "0", "--metrics-port", "0"),
        cwd=folder,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (folder / "server.log").exists(), "nothing was started"
    return done.stderr


@pytest.fixture
def copied(shop: Shop, tmp_path: Path) -> Path:
    """A copy of the shop's snapshot, to be damaged."""
    return Path(shutil.copytree(shop.catalog.resolve(), tmp_path / "copy"))


def test_truncated_snapshot_is_refused(_triton: None, copied: Path, shop: Shop, tmp_path: Path) -> None:
    documents = copied / "products.arrow"
    whole = documents.stat().st_size
    with documents.open("r+b") as file:
        file.truncate(whole // 2)
    said = serve_refused(tmp_path, copied, shop.encoder)
    assert f"products.arrow has {whole // 2} bytes instead of {whole}" in said
    assert "build it again with `mercato index`" in said


def test_altered_snapshot_is_refused(_triton: None, copied: Path, shop: Shop, tmp_path: Path) -> None:
    with (copied / "dense.faiss").open("r+b") as file:
        file.seek(1_000)
        byte = file.read(1)
        file.seek(1_000)
        file.write(bytes([byte[0] ^ 1]))
    assert "dense.faiss has another checksum" in serve_refused(tmp_path, copied, shop.encoder)


def test_folder_that_is_no_snapshot_is_refused(_triton: None, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "manifest.json, so it is no finished snapshot" in serve_refused(tmp_path, tmp_path / "empty", shop.encoder)


def test_snapshot_of_another_encoder_is_refused(_triton: None, shop: Shop, tmp_path: Path) -> None:
    other = tmp_path / "encoder"
    other.mkdir()
    for path in shop.encoder.iterdir():
        if path.name != "manifest.json":
            (other / path.name).symlink_to(path.resolve())
    manifest = json.loads((shop.encoder / "manifest.json").read_text())
    built_with = manifest["serving"]["identity"]
    manifest["serving"]["identity"] = "another-encoder"
    (other / "manifest.json").write_text(json.dumps(manifest))
    said = serve_refused(tmp_path, shop.catalog, other)
    assert f"built with encoder {built_with}, but the encoder served is another-encoder" in said
    assert "build it again with `mercato index` or serve the encoder it was built with" in said
