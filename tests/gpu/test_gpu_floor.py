"""What the GPU benchmark computes without a GPU."""

from pathlib import Path

import pytest
import torch

from benchmarks.gpu import encode
from benchmarks.gpu.encode import Measured, describe
from benchmarks.gpu.floor import Rates, Work, count_work
from benchmarks.gpu.models import describe_declared, load_module, make_inputs
from benchmarks.harness.command import BenchmarkError
from mercato.features.features import FEATURE_NAMES
from mercato.triton_models.registry import ENGINES
from mercato_export.errors import ExportError
from mercato_export.pipeline import export_model

RATES = Rates(operations_per_s=1e12, bytes_per_s=1e9)


def test_the_floor_is_the_slower_of_products_and_memory() -> None:
    assert Work(operations=10**10, bytes=10**6).floor_s(RATES) == pytest.approx(10**10 / 1e12)
    assert Work(operations=10**6, bytes=10**8).floor_s(RATES) == pytest.approx(10**8 / 1e9)


def test_work_of_a_linear_layer() -> None:
    work = count_work(torch.nn.Linear(8, 4, bias=False), [torch.zeros(3, 8)])
    # 3 rows of 8 * 4 multiplications and as many additions
    assert work.operations == 2 * 3 * 8 * 4
    # weights in fp16, input and output in fp32
    assert work.bytes == 8 * 4 * 2 + 3 * 8 * 4 + 3 * 4 * 4


def test_of_a_table_only_the_rows_of_the_batch_count() -> None:
    work = count_work(torch.nn.Embedding(1000, 4), [torch.zeros((2, 3), dtype=torch.int64)])
    # 6 rows of 4 in fp16, 6 ids of 8 bytes, 6 rows of 4 in fp32
    assert work.bytes == 6 * 4 * 2 + 6 * 8 + 6 * 4 * 4


def test_a_row_says_how_many_times_the_floor_it_took() -> None:
    work = Work(operations=10**9, bytes=0)
    row = describe("encoder", "tensorrt", 16, 8, Measured(queries_per_s=2000, p50_ms=4, p99_ms=5), work, RATES)
    # 8 queries take 4 ms, the floor is 10^9 / 10^12 s = 1 ms
    assert (row["floor_ms"], row["times_floor"]) == (1.0, 4.0)


def test_inputs_are_those_of_the_declaration() -> None:
    made = make_inputs(ENGINES["ranker"], 2, 32)
    assert {name: tuple(tensor.shape) for name, tensor in made.items()} == {
        "query": (2, 384),
        "history": (2, 384),
        "candidates": (2, 32, 384),
        "features": (2, 32, len(FEATURE_NAMES)),
    }
    tokens = make_inputs(ENGINES["encoder"], 2, 16)
    assert {tensor.dtype for tensor in tokens.values()} == {torch.int64}
    assert bool((tokens["attention_mask"] == 1).all())


def test_a_pair_of_texts_has_two_segments() -> None:
    made = make_inputs(ENGINES["reranker"], 2, 32)
    assert made["token_type_ids"].tolist() == [[0] * 16 + [1] * 16] * 2


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_declared_model_runs_on_its_inputs_and_has_a_floor(name: str, tmp_path: Path) -> None:
    model = ENGINES[name]
    try:
        module = load_module(name, Path("var/models") / f"{name}-training")
    except (BenchmarkError, ExportError) as exc:
        pytest.skip(str(exc))
    inputs = make_inputs(model, 2, model.shapes.buckets[0])
    with torch.inference_mode():
        output = module(*inputs.values())
    assert tuple(output.shape) == (2, *model.outputs[0].dims(model.shapes.buckets[0]))
    assert count_work(module, list(inputs.values())).operations > 0
    export_model(describe_declared(model, module), target="fp16", out=tmp_path / name, parity_source={})


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"reranker: .* has no .safetensors file; train one"):
        load_module("reranker", tmp_path)


def test_a_model_that_is_not_declared_is_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"--only: must be one of encoder, .*, got 'nothing'"):
        encode.main(only=["nothing"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_benchmark_says_so() -> None:
    with pytest.raises(BenchmarkError, match="no GPU that PyTorch can use"):
        encode.main()
