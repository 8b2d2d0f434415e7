"""What the GPU benchmark computes without a GPU."""

import pytest
import torch

from benchmarks.errors import BenchmarkError
from benchmarks.gpu import encode
from benchmarks.gpu.encode import Measured, describe, make_inputs
from benchmarks.gpu.floor import Rates, Work, count_work
from mercato.engine.declaration import ENGINES

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
        "features": (2, 32, 28),
    }
    tokens = make_inputs(ENGINES["encoder"], 2, 16)
    assert {tensor.dtype for tensor in tokens.values()} == {torch.int64}
    assert bool((tokens["attention_mask"] == 1).all())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_benchmark_says_so() -> None:
    with pytest.raises(BenchmarkError, match="no GPU that PyTorch can use"):
        encode.main()
