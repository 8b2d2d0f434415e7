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

if TYPE_CHECKING:
    from mercato.serving.options import ServerOptions
    from mercato.serving.processes import ProcessMemory
    from mercato.serving.server import TritonServer

logger = logging.getLogger(__name__)

DEFAULT_ENCODER = Path("var/models/encoder")
RANKER_BESIDE = "ranker"
"""Folder beside the catalogue whose ranker is served where none is named: a ranker knows one shop."""
MEBIBYTE = 1 << 20


def serve(
    catalog: Annotated[Path, typer.Option(help="Catalogue snapshot to serve, made by `mercato index`.")],
    profile: Annotated[str, typer.Option(help="Model configuration: cpu, cpu-bls, default (TensorRT), torch.")] = "cpu",
    port: Annotated[int, typer.Option(help="gRPC port; 0 picks a free one.")] = 8001,
    http_port: Annotated[int, typer.Option(help="HTTP port; 0 picks a free one.")] = 8000,
    metrics_port: Annotated[int, typer.Option(help="Prometheus metrics port; 0 picks a free one.")] = 8002,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every machine.")] = "127.0.0.1",
    admin_key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the key for model control, shared memory, logging and trace; without it nobody has one."
        ),
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Where events and product changes are kept: sqlite:PATH. None: not kept.")
    ] = None,
    encoder: Annotated[Path, typer.Option(help="Exported encoder.")] = DEFAULT_ENCODER,
    ranker: Annotated[
        Path | None,
        typer.Option(
            help=f"Exported ranker of this shop; the folder {RANKER_BESIDE} beside the catalogue where it exists."
        ),
    ] = None,
    reranker: Annotated[
        Path | None, typer.Option(help="Exported reranker, that reads the top of each search again; none without.")
    ] = None,
    sequence: Annotated[
        Path | None, typer.Option(help="Exported sequence model, a source of recommendations; none without.")
    ] = None,
    rerank_depth: Annotated[int, typer.Option(help="Products of a search that the reranker reads.")] = 24,
    rerank_budget_ms: Annotated[
        int, typer.Option(help="Milliseconds of a batch, after which the ranker's order is answered.")
    ] = 400,
    stage_budget: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGE=MS", help="Milliseconds of a call of encoder, retriever or ranker; repeatable."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="The shop's rules: pins, blocks, boosts and filters, as JSON.")
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE=WEIGHT|FILE",
            help="Weight of a recommendation source, 0 switches it off: lately=1.5, cart.also_bought=0, or a JSON file "
            "of these; repeatable.",
        ),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build an engine again that does not fit this machine.")
    ] = False,
    fallback: Annotated[
        bool, typer.Option("--fallback", help="Serve ONNX on CPU in place of an engine that does not fit.")
    ] = False,
    log: Annotated[Path | None, typer.Option(help="Triton's log; var/log/server-PORT.log when not given.")] = None,
    report_memory: Annotated[
        bool, typer.Option("--report-memory", help="Report memory by process when ready.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output when ready.")] = False,
) -> None:
    """Serve a catalogue: find or stage a Triton server, start it, reload what dies, stop on Ctrl-C or SIGTERM.

    Example: mercato serve --catalog var/demo/catalog --state sqlite:var/demo/state.db
    """
    # Imported here: `mercato --help` needs no gRPC.
    from mercato.pipeline.call_timeout import parse_timeouts
    from mercato.retrieval.source_weights import read_changes
    from mercato.serving.options import ServerOptions
    from mercato.serving.ports import Ports

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mercato").setLevel(logging.INFO)
    with Output(as_json=as_json).handle_errors():
        options = ServerOptions(
            catalog=catalog,
            profile=profile,
            state=state,
            encoder=encoder,
            ranker=choose_ranker(ranker, catalog),
            reranker=reranker,
            sequence=sequence,
            rerank_depth=rerank_depth,
            rerank_budget_ms=rerank_budget_ms,
            stage_budgets_ms=parse_timeouts(stage_budget or ()),
            rules=rules,
            source_weights=read_changes(sources or ()),
            rebuild=rebuild,
            fallback=fallback,
            host=host,
            ports=Ports(grpc=port, http=http_port, metrics=metrics_port),
            admin_key_file=admin_key_file,
            log=log or Path("var/log") / (f"server-{port}.log" if port else f"server-{os.getpid()}.log"),
        )
        run_server(options, as_json=as_json, report_memory=report_memory)


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
        "no ranker in %s: results keep the order of retrieval; make one: python -m training ranker --catalog %s --out "
        "DIR, then python -m export ranker --weights DIR --out %s",
        beside,
        catalog,
        beside,
    )
    return None


def run_server(options: "ServerOptions", *, as_json: bool = False, report_memory: bool = False) -> None:
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
        # nohup ignores SIGHUP on purpose.
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
