"""What a benchmark leaves: one JSON document with the machine it was measured on, and plots."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mercato
from mercato.bench.machine import describe_machine, read_commit, read_load, read_package_version
from mercato.bench.measure import Bench, list_warnings
from mercato.bench.plan import Plan
from mercato.bench.requests import WORKLOADS
from mercato.bench.server_usage import ServerMeter
from mercato.bench.shop import ShopFiles, read_shop, serves_reranker
from mercato.errors import DataError, InvalidInputError, MercatoError
from mercato.progress import Progress, no_progress
from mercato.state.store import open_state
from mercato.state.values import Actor

logger = logging.getLogger(__name__)

DOCUMENT = "bench.json"
FASTEST_PER_S = 800
"""Queries a second for which enough are made of titles; of what is faster some are asked twice, and it is told."""
MOST_QUERIES = 200_000
_SOURCE = Path(mercato.__file__).resolve().parents[2]


def run_bench(
    server: str, plan: Plan, files: ShopFiles, state: str | None = None, progress: Progress = no_progress
) -> dict[str, Any]:
    """Measure a running server.

    Args:
        server: gRPC address, ``HOST:PORT``.
        plan: what to do.
        files: what to ask for.
        state: ``sqlite:PATH`` of the server's state, from which the events that were written are erased at the end;
            None leaves them.
        progress: told of points.

    Returns:
        ``date``, ``commit``, ``machine``, ``server``, ``driver``, ``options``, ``capacity_per_s``, ``points``,
        ``warnings``; ``written`` where events were written.

    Raises:
        MercatoError: the server cannot be reached, or does not answer what is asked.
    """
    if state is not None:
        check_state(state)
    load_before = read_load()
    with closing(ServerMeter(server)) as meter:
        rng = np.random.default_rng(plan.seed)
        shop = read_shop(files, server, count_queries(plan), rng)
        plan = choose_workloads(plan, serves_reranker(server, shop.queries[0]))
        bench = Bench(meter, plan, shop, progress)
        try:
            points = bench.measure_all()
        except BaseException:
            if state is None and bench.writing_visitors:
                logger.warning("events may be left in the state, of the visitors %s", ", ".join(bench.writing_visitors))
            raise
        finally:
            written = erase(bench.writing_visitors, state)
        document: dict[str, Any] = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": read_commit(_SOURCE) if (_SOURCE / "pyproject.toml").is_file() else "",
            "machine": {**describe_machine(), "load_before": load_before, "load_after": read_load()},
            "server": {
                "triton": meter.version,
                "mercato": read_package_version("mercato"),
                "models": sorted(meter.read().models),
                "local": meter.pid is not None,
            },
            "driver": bench.driver,
            "options": {
                **plan.as_json(),
                "catalog": files.catalog is not None,
                "query_file": files.queries.name if files.queries else None,
                "users": len(shop.users),
                "products": len(shop.product_ids),
                "queries": len(shop.queries),
            },
            "capacity_per_s": find_capacities(points),
            "points": points,
            "warnings": [*list_warnings(points, plan.processes), *warn_of_state(written)],
        }
    return {**document, **({"written": written} if written else {})}


def count_queries(plan: Plan) -> int:
    """Return how many queries are made of titles, so that none need be asked twice, search and reranker apart."""
    return min(MOST_QUERIES, 1000 + int(2 * FASTEST_PER_S * plan.total_s / max(1, len(plan.draws))))


def choose_workloads(plan: Plan, reranked: bool) -> Plan:
    """Return the plan with the workloads that a server answers.

    Args:
        plan: of whom the workloads may be left open.
        reranked: whether the server has a reranker.

    Raises:
        InvalidInputError: the reranker is asked for, and there is none.
    """
    if not reranked and "rerank" in plan.workloads:
        raise InvalidInputError(
            "--workload", "rerank needs a server with a reranker", "start it with mercato serve --reranker DIR"
        )
    if plan.workloads:
        return plan
    chosen = [
        workload.name
        for workload in WORKLOADS.values()
        if (reranked or workload.name != "rerank") and (plan.write or not workload.writes)
    ]
    return replace(plan, workloads=tuple(chosen))


def check_state(url: str) -> None:
    """Check before anything is written that it can be erased again.

    Raises:
        MercatoError: there is no such state.
    """
    path = Path(url.partition(":")[2].removeprefix("//"))
    if not path.is_file():
        raise InvalidInputError(
            "--state", f"must be sqlite:PATH of the server's state, got {url!r}, which is not there"
        )
    open_state(url).close()


def warn_of_state(written: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the state that written events were to be erased from."""
    if written.get("erased") != 0:
        return []
    return ["--state holds none of the events that were written: it is not the state of this server"]


def erase(visitors: Sequence[str], state: str | None) -> dict[str, Any]:
    """Take the events of made-up visitors out of a server's state again.

    Args:
        visitors: whose; nothing is done without any.
        state: ``sqlite:PATH``; None leaves them.

    Returns:
        ``visitors`` and ``erased``, None where they are left; empty where nothing was written.
    """
    if not visitors:
        return {}
    if state is None:
        return {"visitors": list(visitors), "erased": None}
    with closing(open_state(state)) as store:
        count = sum(store.erase_events(Actor("", visitor)) for visitor in visitors)
    return {"visitors": list(visitors), "erased": count}


def find_capacities(points: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the greatest throughput that a closed loop reached: workload -> draw -> queries a second."""
    capacities: dict[str, dict[str, float]] = {}
    for point in points:
        if point["callers"] is not None:
            of_workload = capacities.setdefault(point["workload"], {})
            of_workload[point["draw"]] = max(of_workload.get(point["draw"], 0.0), point["queries_per_s"])
    return capacities


def write_bench(folder: Path, document: Mapping[str, Any]) -> list[Path]:
    """Write the document, and plots where matplotlib is installed.

    Args:
        folder: made where it is not there.
        document: of `run_bench`.

    Returns:
        The files, the document first.

    Raises:
        DataError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / DOCUMENT
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        written = [path]
        for name, picture in draw_all(document).items():
            (folder / name).write_text(picture)
            written.append(folder / name)
    except OSError as exc:
        raise DataError(f"--out: {folder} cannot be written to ({exc}); name another folder") from exc
    return written


def draw_all(document: Mapping[str, Any]) -> dict[str, str]:
    """Return plots as SVG by file name; none where matplotlib is not installed.

    Args:
        document: of `run_bench`.
    """
    try:
        from mercato.bench import plots
    except ImportError:
        return {}
    return plots.draw_bench(document)


def require_plots() -> None:
    """Check before anything is measured that plots can be drawn.

    Raises:
        MercatoError: matplotlib is not installed.
    """
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise MercatoError(
            "mercato bench draws plots by matplotlib, which is not installed; pip install 'mercato[evaluation]' brings "
            "it, --no-plots goes without"
        )
