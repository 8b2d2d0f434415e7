"""Shards of a catalogue's texts as tasks of Ray: on this machine, or on the cluster that RAY_ADDRESS names.

Ray Data hands out the names of shards and takes what each task says of its own; texts and vectors do not go through it.
A task that ends with its machine is run again by Ray, and encodes what its shard lacks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from mercato.errors import DataError, MercatoError
from mercato.progress import Progress, no_progress

_TASK = "encoding shards on Ray"


def run_on_ray(
    work: Callable[[str], dict[str, Any]], shards: Sequence[str], *, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """Run a task for each shard, each with one core.

    Args:
        work: encodes the shard of a name such as ``2/8``; it is pickled, and Mercato must be installed where it runs.
        shards: the names.
        progress: gets told how many shards are done.

    Returns:
        What ``work`` returned, in the order of ``shards``.

    Raises:
        DataError: Ray is not installed or cannot be reached, or a task failed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as exc:
        raise DataError("--engine ray: Ray is not installed; pip install 'mercato[ray]'") from exc

    def run(row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"shard": row["shard"], "told": work(row["shard"]), "error": ""}
        except MercatoError as exc:  # said once, without the traces that Ray puts around what a task raises
            return {"shard": row["shard"], "told": {}, "error": str(exc)}

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    told: dict[str, dict[str, Any]] = {}
    try:
        ray.init(include_dashboard=False, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        named = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
        progress(_TASK, 0, len(shards))
        for row in named.map(run, num_cpus=1).iter_rows():
            if row["error"]:
                raise DataError(f"shard {row['shard']}: {row['error']}")
            told[row["shard"]] = row["told"]
            progress(_TASK, len(told), len(shards))
    except (ray.exceptions.RayError, ConnectionError) as exc:
        raise DataError(f"--engine ray: {str(exc).strip().splitlines()[0]}") from exc
    finally:
        ray.shutdown()
    return [told[shard] for shard in shards]
