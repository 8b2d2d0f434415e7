"""``mercato serve``: start the server, keep it healthy, stop it cleanly."""

import json
import logging
import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mercato.cli.output import Output
from mercato.cli.server_options import add_server_options, read_values
from mercato.serving.options import ServerOptions

if TYPE_CHECKING:
    from mercato.serving.processes import ProcessMemory
    from mercato.serving.server import TritonServer

logger = logging.getLogger(__name__)

RANKER_BESIDE = "ranker"
"""Folder beside the catalogue whose ranker is served where none is named: a ranker knows one shop."""
MEBIBYTE = 1 << 20


@add_server_options
def serve(
    *,
    report_memory: Annotated[
        bool, typer.Option("--report-memory", help="Progress memory by process when ready.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output when ready.")] = False,
    **given: Any,
) -> None:
    """Serve a catalogue: find or stage a Triton server, start it, reload what dies, stop on Ctrl-C or SIGTERM.

    Example: mercato serve --catalog var/demo/catalog --state sqlite:var/demo/state.db
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mercato").setLevel(logging.INFO)
    with Output(as_json=as_json).handle_errors():
        values = read_values(given)
        values["ranker"] = choose_ranker(values["ranker"], values["catalog"])
        port = values["ports"]["grpc"]
        values["log"] = values["log"] or Path("var/log") / f"server-{port or os.getpid()}.log"
        run_server(ServerOptions(**values), as_json=as_json, report_memory=report_memory)


def choose_ranker(given: Path | None, catalog: Path) -> Path | None:
    """Choose the ranker's folder.

    Args:
        given: what was asked for; used as it is, so that a missing folder is an error.
        catalog: the snapshot that is served; the ranker beside it was trained for this shop.

    Returns:
        The folder; None when nothing was asked for and none lies beside the catalogue.
    """
    beside = catalog.parent / RANKER_BESIDE
    if given is not None:
        return given
    if beside.is_dir():
        return beside
    logger.warning(
        "no ranker in %s: results keep the order of retrieval; make one: mercato train ranker --catalog %s "
        "--state sqlite:PATH --out DIR, then mercato export ranker --weights DIR --out %s",
        beside,
        catalog,
        beside,
    )
    return None


def run_server(options: ServerOptions, *, as_json: bool = False, report_memory: bool = False) -> None:
    """Run a server until SIGINT, SIGTERM or SIGHUP, or until it ends by itself.

    Args:
        options: what to start it with.
        as_json: report readiness as one JSON document on standard output.
        report_memory: report the memory of each process when ready.

    Raises:
        MercatoError: it cannot be started, or ended by itself.
    """
    from mercato.serving.server import TritonServer

    server = TritonServer(options)

    def request_stop(number: int, _: FrameType | None) -> None:
        logger.info("%s: stopping", signal.Signals(number).name)
        server.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What the starter ignores stays ignored: nohup SIGHUP, a script's background SIGINT (Ctrl-C is not for it).
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, request_stop)
    with server:
        if as_json:
            typer.echo(json.dumps(describe(server, report_memory=report_memory)))
        else:
            show(Console(), server, report_memory=report_memory)
        server.wait()
    logger.info("stopped")


def describe(server: "TritonServer", *, report_memory: bool) -> dict[str, Any]:
    """Describe a ready server as JSON values.

    Args:
        server: the server.
        report_memory: whether to measure the memory of its processes and of this one.

    Returns:
        Addresses, models, process id, log and seconds to readiness.
    """
    from mercato.serving.processes import describe_memory, process_memory

    described: dict[str, Any] = {
        "grpc": server.grpc_address,
        "http": server.http_address,
        "metrics": server.metrics_address,
        "profile": server.options.profile,
        "models": list(server.models),
        "pid": server.pid,
        "log": str(server.log),
        "ready_seconds": round(server.ready_s, 3),
    }
    if report_memory:
        described["memory"] = describe_memory(process_memory(os.getpid()))
    return described


def show(console: Console, server: "TritonServer", *, report_memory: bool) -> None:
    """Show a ready server to a person.

    Args:
        console: where to print.
        server: the server.
        report_memory: whether to add a table of the memory of its processes and of this one.
    """
    from mercato.serving.processes import process_memory

    table = Table(title=f"Ready in {server.ready_s:.1f} s", show_header=False, title_justify="left")
    table.add_row("gRPC", server.grpc_address)
    table.add_row("HTTP", f"http://{server.http_address}")
    table.add_row("metrics", f"http://{server.metrics_address}/metrics")
    table.add_row("profile", server.options.profile)
    table.add_row("models", ", ".join(server.models))
    table.add_row("log", str(server.log))
    console.print(table)
    if report_memory:
        console.print(memory_table(process_memory(os.getpid())))
    console.print("Ctrl-C stops it.")


def memory_table(memories: "list[ProcessMemory]") -> Table:
    """Make a table of memory by process.

    Args:
        memories: the processes.

    Returns:
        The table, with the totals in its last row.
    """
    table = Table("process", "pid", title="Memory", title_justify="left")
    for name in ("resident, MiB", "proportional, MiB"):
        table.add_column(name, justify="right")
    for memory in memories:
        table.add_row(memory.name, str(memory.pid), _mebibytes(memory.rss_bytes), _mebibytes(memory.pss_bytes))
    table.add_section()
    rss_bytes = sum(memory.rss_bytes for memory in memories)
    pss_bytes = sum(memory.pss_bytes for memory in memories)
    table.add_row("all", "", _mebibytes(rss_bytes), _mebibytes(pss_bytes))
    return table


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / MEBIBYTE:,.0f}"
