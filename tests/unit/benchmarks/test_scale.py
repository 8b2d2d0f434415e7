"""The sums of docs/scale.md: arithmetic, and the page as it would be written today."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.command import BenchmarkError
from benchmarks.serving.scale import (
    HOURS_A_MONTH,
    Assumptions,
    Costs,
    fit_costs,
    read_costs,
    replace_sums,
    sum_up,
    write_page,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "scale.md"
COSTS = Costs(
    shard_ms=2.0,
    shard_ms_a_million=1.0,
    router_ms=5.0,
    router_ms_a_shard=0.5,
    messages=4.0,
    sent_kb=10.0,
    received_kb=100.0,
    received_kb_a_shard=5.0,
    shard_bytes=1_000.0,
    router_bytes=500.0,
)
ASSUMED = Assumptions(products=10e6, rate=1_000.0, cores=10, memory_gb=8.0, machine_price=2.0, busy=0.5, filled=0.5)


def test_machines_are_those_that_the_work_needs_or_that_the_files_fill() -> None:
    sums = sum_up(ASSUMED, COSTS, 5)
    assert sums.shard_ms == 2.0 + 1.0 * 10 / 5
    assert sums.core_ms == 5 * 4.0 + (5.0 + 0.5 * 5)
    # A machine gives 10 * .5 cores, 5,000 ms a second: 1,000 searches of 5 * 4 ms are 4 machines. Its files fill 4 of
    # 8 GB, so that 10 GB need 3 machines, and two copies 6.
    assert sums.shard_machines == max(20_000 // 5_000, 3 * 2) == 6
    assert sums.router_machines == 2  # 1,000 * 7.5 ms
    assert sums.messages_a_s == 1_000 * 5 * 4
    assert sums.router_gbit_s == pytest.approx(1_000 * (5 * 15 + 100) * 8e3 / 1e9 / 2)
    assert sums.price_a_month == 8 * 2.0 * HOURS_A_MONTH
    tenfold = sum_up(replace(ASSUMED, rate=10_000.0), COSTS, 5)
    assert tenfold.shard_machines == 200_000 / 5_000
    assert sum_up(replace(ASSUMED, rate=10_000.0, cached_share=0.5), COSTS, 5).shard_machines == 100_000 / 5_000
    assert sum_up(replace(ASSUMED, network_gbit_s=0.28), COSTS, 5).router_machines == 10  # 1.4 Gbit/s, half of .28 each


def test_costs_are_lines_through_what_was_measured() -> None:
    cuts = [
        {
            "shards": shards,
            "products_a_shard": 90_000 // shards,
            "cpu_ms_a_query": {"router": 5.0 + shards, "a_shard": 2.0 + 0.09 / shards},
            "messages_a_query_and_shard": 4.0,
            "kilobytes_a_query_and_shard": {"sent": 10.0, "received": 100.0 / shards + 7.0},
            "bytes_a_product": {"router": {"columns.safetensors": 50.0}, "first_shard": {"dense.faiss": 1_500.0}},
        }
        for shards in (1, 3, 9)
    ]
    costs = fit_costs({"cuts": cuts}, {"cuts": cuts})
    assert (costs.shard_ms, costs.shard_ms_a_million) == pytest.approx((2.0, 1.0))
    assert (costs.router_ms, costs.router_ms_a_shard) == pytest.approx((5.0, 1.0))
    assert (costs.received_kb, costs.received_kb_a_shard) == pytest.approx((100.0, 7.0))
    assert (costs.shard_bytes, costs.router_bytes) == (1_500.0, 50.0)


def test_the_page_has_the_sums_of_the_records() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sums = write_page(Assumptions(), read_costs())
    assert replace_sums(page, sums) == page, "write it again: python -m benchmarks scale --page docs/scale.md"
    with pytest.raises(BenchmarkError, match="no place for the sums"):
        replace_sums("# Scale", sums)
