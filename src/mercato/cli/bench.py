"""`mercato bench`: how fast a running server is, and what that costs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table

from mercato.cli.ask import DEFAULT_SERVER, JsonOption, ServerOption
from mercato.cli.evaluate import parse_options
from mercato.cli.output import Output
from mercato.errors import InvalidInputError

if TYPE_CHECKING:
    pass

EPILOG = "Example: mercato bench --catalog var/demo/catalog --out var/bench"


def bench(
    server: ServerOption = DEFAULT_SERVER,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            help="What is asked, repeatable: search, rerank, recommend, similar, events. Without: all that the server "
            "answers and that writes nothing; events too with --write."
        ),
    ] = None,
    draw: Annotated[
        list[str] | None,
        typer.Option(help="In which order, repeatable: unique (nothing twice), zipf (few things most of the time)."),
    ] = None,
    callers: Annotated[
        str | None,
        typer.Option(help="Closed loops: requests in flight, each followed by the next; 1,4,16,32,64 by default."),
    ] = None,
    load_percent: Annotated[
        str | None,
        typer.Option(
            help="Open loops: arrivals (Poisson) at so much of the greatest throughput of the closed ones, 50,80,95 by "
            "default; above 100 is overload."
        ),
    ] = None,
    rate: Annotated[
        list[float] | None, typer.Option(help="Open loop at so many requests a second, repeatable.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Under a minute, where nothing else is said: 1 and 16 callers, 80 %, unique, 2 s."
        ),
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="Of each point that are measured; 5 by default.")] = None,
    warm_up_s: Annotated[float | None, typer.Option(help="Seconds of each point before them; 0.5 by default.")] = None,
    timeout_s: Annotated[float, typer.Option(help="Seconds after which a request is given up.")] = 5.0,
    within_ms: Annotated[float, typer.Option(help="Latency up to which an answer counts as goodput.")] = 1000.0,
    catalog: Annotated[
        Path | None, typer.Option(help="Snapshot to take products and titles from; by default the server is asked.")
    ] = None,
    query_file: Annotated[
        Path | None, typer.Option(help="Queries, one a line, the most usual first; by default words of titles.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="User ids, one a line, that recommend is asked for; strangers without.")
    ] = None,
    page_size: Annotated[int, typer.Option(help="Products of a page.")] = 10,
    options: Annotated[
        str | None, typer.Option(help='OPTIONS of every request, a JSON object such as {"facets": ["brand"]}.')
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Let events be written, of made-up visitors whose ids are told.")
    ] = False,
    state: Annotated[
        str | None, typer.Option(help="sqlite:PATH of the server's state: what --write wrote is erased at the end.")
    ] = None,
    zipf_exponent: Annotated[float, typer.Option(help="Of the draw zipf: rank r is asked for like r^-s.")] = 1.0,
    driver: Annotated[str, typer.Option(help="asyncio; or perf_analyzer, Triton's own, which tells less.")] = "asyncio",
    perf_analyzer: Annotated[
        Path | None, typer.Option(help="The program perf_analyzer, where it is not on PATH.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Of the driver; more where one is at its limit.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Folder for bench.json and plots.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a running server: throughput, goodput, latency, errors, CPU by process, time by stage, memory.

    Closed loops first: so many callers, each with one request at a time. Then open loops: requests arrive at random
    whether the server keeps up or not, and latency counts from when each was due.
    """
    from mercato.bench.document import require_plots, run_bench, write_bench
    from mercato.bench.plan import Plan
    from mercato.bench.shop import ShopFiles

    output = Output(as_json=as_json)
    with output.handle_errors():
        if state is not None and not write:
            raise InvalidInputError("--state", "is for what --write wrote, which was not given", "give both or none")
        usual = Plan().shorten() if quick else Plan()
        plan = Plan(
            workloads=tuple(workload or ()),
            draws=tuple(dict.fromkeys(draw)) if draw else usual.draws,
            callers=parse_callers(callers, usual.callers),
            load_percent=usual.load_percent
            if load_percent is None
            else tuple(parse_numbers("--load-percent", load_percent)),
            rates=tuple(rate or ()),
            seconds=usual.seconds if seconds is None else seconds,
            warm_up_s=usual.warm_up_s if warm_up_s is None else warm_up_s,
            timeout_s=timeout_s,
            within_ms=within_ms,
            page_size=page_size,
            options=parse_options(options) or {},
            zipf_exponent=zipf_exponent,
            processes=processes,
            driver=driver,
            perf_analyzer=perf_analyzer,
            seed=seed,
            write=write,
        )
        if out is not None:
            require_plots()
        files = ShopFiles(catalog=catalog, queries=query_file, users=users)
        with output.progress() as progress:
            document = run_bench(server, plan, files, state, progress)
        written = [] if out is None else write_bench(out, document)
        show(output, document, written)


def parse_callers(text: str | None, usual: Sequence[int]) -> Sequence[int]:
    """Read ``--callers``; what is usual where it is not given.

    Raises:
        InvalidInputError: not whole numbers, separated by commas.
    """
    if text is None:
        return usual
    numbers = parse_numbers("--callers", text)
    if not all(number.is_integer() for number in numbers):
        raise InvalidInputError("--callers", f"must be whole numbers, got {text!r}")
    return tuple(int(number) for number in numbers)


def parse_numbers(option: str, text: str) -> list[float]:
    """Read numbers separated by commas; none of an empty text.

    Raises:
        InvalidInputError: something of it is no number.
    """
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise InvalidInputError(option, f"must be numbers separated by commas, got {text!r}") from exc


def show(output: Output, document: Mapping[str, Any], written: Sequence[Path]) -> None:
    """Print what was measured: one JSON document, or a table and what to know of it."""
    if output.as_json:
        typer.echo(orjson.dumps({**document, "files": [str(path) for path in written]}).decode())
        return
    for table in tabulate(document["points"]):
        output.console.print(table)
    for warning in document["warnings"]:
        output.warn(warning)
    if not document["server"]["local"]:
        output.say("CPU and memory: left out, since no process of this user on this machine listens at that address")
    events = document.get("written")
    if events and events["erased"] is None:
        for visitor in events["visitors"]:
            output.say(f"left in the state: mercato events forget --visitor-id {visitor} --state sqlite:PATH")
    elif events:
        output.say(f"{events['erased']:,} events that were written are erased again")
    for path in written:
        output.say(f"written: {path}")


def tabulate(points: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Give the tables that a person sees: one for each workload and draw, a row for each of its points."""
    tables: dict[tuple[str, str], Table] = {}
    for point in points:
        key = point["workload"], point["draw"]
        if key not in tables:
            tables[key] = Table(title=", ".join(key), title_justify="left")
            tables[key].add_column("load", no_wrap=True)
            for name in ("q/s", "good/s", "p50 ms", "p90", "p99", "p99.9", "CPU ms", "fail"):
                tables[key].add_column(name, justify="right")
        if point["callers"] is not None:
            load = f"{point['callers']} at once"
        else:
            share = "" if point["load_percent"] is None else f" ({point['load_percent']:g} %)"
            load = f"{point['rate_per_s']:.0f}/s{share}"
        tables[key].add_row(
            load,
            _write(point["queries_per_s"]),
            _write(point["goodput_per_s"]),
            *(_write(point["latency_ms"][name]) for name in ("p50", "p90", "p99", "p99.9")),
            _write(point["cpu_ms_per_query"], digits=2),
            f"{sum(point['errors'].values()):,}",
        )
    return list(tables.values())


def _write(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:,.{0 if value >= 1000 else digits}f}"
