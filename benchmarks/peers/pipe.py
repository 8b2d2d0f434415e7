"""One process that answers batches without a server, told by lines on its standard input: the limit of a server.

Standard library only: it runs in the environment of whatever it measures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence

READY = "ready"


def serve_pipe(answer: Callable[[Sequence[str]], object]) -> None:
    """Answer batches until standard input ends.

    A line that comes is a JSON object: ``queries`` (texts), ``batch`` (how many at once), ``seconds`` (for how long).
    The line that goes holds ``begin_s`` and ``end_s`` of each batch, in seconds since the first began, and ``cpu_s``
    of this process meanwhile; after the last query it begins at the first again.

    Args:
        answer: answers a batch of queries.
    """
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print must not stand among the answers
    answers.write(READY + "\n")
    answers.flush()
    for line in sys.stdin:
        told = json.loads(line)
        answers.write(json.dumps(run_batches(answer, **told)) + "\n")
        answers.flush()


def run_batches(
    answer: Callable[[Sequence[str]], object], queries: Sequence[str], batch: int, seconds: float
) -> dict[str, object]:
    """Answer batches for some time, one after the other.

    Args:
        answer: answers a batch.
        queries: asked in turn; begins again at the first after the last.
        batch: queries of a batch.
        seconds: for how long.

    Returns:
        ``begin_s`` and ``end_s`` of each batch since the first began, ``cpu_s`` of this process.
    """
    begins: list[float] = []
    ends: list[float] = []
    at = 0
    cpu, begin = time.process_time(), time.monotonic()
    while not ends or ends[-1] < seconds:
        begins.append(time.monotonic() - begin)
        answer([queries[(at + offset) % len(queries)] for offset in range(batch)])
        ends.append(time.monotonic() - begin)
        at += batch
    return {"begin_s": begins, "end_s": ends, "cpu_s": time.process_time() - cpu}
