import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.harness.command import BenchmarkError
from benchmarks.scale.build import Stages
from benchmarks.scale.millions import write_queries
from benchmarks.scale.plots import draw_sizes
from benchmarks.scale.products import Source, pair_parts, read_source, write_products, write_title
from benchmarks.scale.vectors import encode_parts, write_vectors
from mercato.indexing.encode import hash_texts
from mercato.indexing.encoded_shards import read_shards
from tests.stores import HashEncoder

COUNT = 500


@pytest.fixture
def source(tmp_path: Path) -> Source:
    titles = [f"Brand{number % 7} kind{number} <b>blue</b> size{number % 5} part{number}" for number in range(90)]
    attributes = [json.dumps({"t_colour": "blue", f"n_{number % 3}": number}) for number in range(90)]
    table = pa.table({"title": titles, "supplier": ["Acme"] * 90, "attributes": attributes})
    pq.write_table(table, tmp_path / "real.parquet")
    return read_source(tmp_path / "real.parquet")


def test_products_are_distinct_and_recombine_real_halves(source: Source, tmp_path: Path) -> None:
    write_products(source, COUNT, tmp_path / "made.parquet")

    rows = pq.read_table(tmp_path / "made.parquet").to_pylist()
    assert len({row["id"] for row in rows}) == len({row["title"] for row in rows}) == COUNT
    assert all(any(row["title"].startswith(head) for head in source.heads) for row in rows)
    assert {row["brand"] for row in rows} == {"Acme"}
    assert all(row["price"] > 0 for row in rows)
    assert not any("<" in row["title"] for row in rows)


def test_the_first_of_many_are_those_of_few(source: Source) -> None:
    few, many = pair_parts(source, 100), pair_parts(source, COUNT)

    assert few[0].tolist() == many[0][:100].tolist()
    assert few[1].tolist() == many[1][:100].tolist()
    with pytest.raises(BenchmarkError, match="too many for a source of 90 products"):
        pair_parts(source, 90 * 90)


def test_vectors_are_taken_by_an_index_as_those_of_a_shard(source: Source, tmp_path: Path) -> None:
    encoder = HashEncoder()
    parts = encode_parts(source, encoder, tmp_path / "parts.npy")

    write_vectors(source, COUNT, encoder, parts, tmp_path / "vectors")

    (known,), missing = read_shards([tmp_path / "vectors"], encoder)
    head_of, tail_of = pair_parts(source, COUNT)
    titles = [write_title(source, head, tail) for head, tail in zip(head_of, tail_of, strict=True)]
    assert not missing
    assert known.hashes.tolist() == hash_texts(titles).tolist()
    np.testing.assert_allclose(np.linalg.norm(known.vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(parts, encode_parts(source, encoder, tmp_path / "parts.npy"))


def test_queries_are_words_of_real_titles(source: Source) -> None:
    queries = write_queries(source)

    assert len(set(queries)) == len(queries) > 50
    halves = [part.lower() for part in source.parts]
    assert all(any(query in half for half in halves) for query in queries)


def test_a_stage_lasts_until_the_next_begins() -> None:
    stages = Stages()
    stages("reading", 1, 2)
    stages("reading", 2, 2)
    stages("writing", 0, 1)
    stages.close()

    assert list(stages.seconds) == ["reading", "writing"]


def test_every_size_is_drawn() -> None:
    callers = {"latency_ms": {"p50": 4.0, "p99": None}, "cpu_ms_per_query": 3.0}
    point = {
        "build": {"cpu_s": 9.0},
        "disk_bytes_per_product": {"all": 900.0},
        "dense": {"recall_at_100": 0.98},
        "served": {
            "ready_s": 5.0,
            "memory": {"pss_bytes_per_product": 700},
            "callers_1": callers,
            "callers_32": callers,
        },
    }

    drawn = draw_sizes([{"products": 1_000, **point}, {"products": 10_000, **point}])

    assert set(drawn) == {f"{name}-over-size.svg" for name in ("latency", "cpu", "bytes", "seconds", "recall")}
    assert all(one.startswith("<svg") for one in drawn.values())
