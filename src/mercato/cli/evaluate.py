"""`mercato eval search` and `mercato eval recommend`: how good the answers of a running server are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from mercato.cli.ask import DEFAULT_SERVER, JsonOption, ServerOption
from mercato.cli.moments import parse_moment
from mercato.cli.output import Output
from mercato.errors import InvalidInputError
from mercato.evaluation.measures import CUTOFFS

eval_app = typer.Typer(help="Measure the answers of a running server.", no_args_is_help=True)

EXPLAINED_USERS = 300
DEFAULT_CUTOFFS = ",".join(map(str, CUTOFFS))
_SEARCH_EPILOG = "Example: mercato eval search --judgements ratings.csv --map docid=sku --report var/eval"
_RECOMMEND_EPILOG = "Example: mercato eval recommend --holdout november.csv --events before.csv --user-column country"

_PART_METRICS = (
    "ndcg@10",
    "ndcg@20",
    "ndcg@10_condensed",
    "mrr",
    "recall@10",
    "recall@20",
    "recall@100",
    "coverage@20",
)

CutoffsOption = Annotated[str, typer.Option("--k", help="Depths to measure at, separated by commas.")]
RelevantOption = Annotated[int, typer.Option(min=1, help="Rating from which a product is relevant.")]
OptionsOption = Annotated[
    str | None, typer.Option("--options", help='OPTIONS of every request, a JSON object such as {"rerank": false}.')
]
AgainstOption = Annotated[
    Path | None, typer.Option(help="report.json of an earlier run, to compare with query by query.")
]
ReportOption = Annotated[Path | None, typer.Option("--report", help="Folder for report.json, report.html and plots.")]
ConcurrencyOption = Annotated[int, typer.Option(min=1, max=64, help="Requests at a time; times are taken one by one.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Of the bootstrap and the tests; a fixed one without.")]
MapOption = Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN, repeatable.")]


@eval_app.command("search", epilog=_SEARCH_EPILOG)
def search(
    judgements: Annotated[Path, typer.Option(help="Ratings: .parquet, .csv or .jsonl with query, docid, rating.")],
    mapping: MapOption = None,
    server: ServerOption = DEFAULT_SERVER,
    cutoffs: CutoffsOption = DEFAULT_CUTOFFS,
    relevant: RelevantOption = 1,
    recall_relevant: Annotated[
        int | None,
        typer.Option(min=1, help="Rating from which recall asks for a product; by default half of the highest."),
    ] = None,
    condition: Annotated[str | None, typer.Option("--filter", help="Filter that every search is sent with.")] = None,
    options: OptionsOption = None,
    user_column: Annotated[
        str | None, typer.Option(help="Column of the ratings with the user who searched: answers are personal then.")
    ] = None,
    against: AgainstOption = None,
    report: ReportOption = None,
    stages: Annotated[
        bool | None,
        typer.Option("--stages/--no-stages", help="Measure each stage too, by explanations; as a rule with --report."),
    ] = None,
    seed: SeedOption = None,
    concurrency: ConcurrencyOption = 4,
    time_limit: Annotated[int, typer.Option(min=0, help="Most searches to time; 0 times none.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Measure search against ratings: nDCG, MRR, precision, recall, F1, MAP, coverage, zero results, latency.

    Each figure has a 95 % bootstrap interval; --against adds a paired test against an earlier run.
    """
    from mercato.evaluation.asking import open_client
    from mercato.evaluation.intervals import SEED
    from mercato.evaluation.judgements import parse_judgement_map, read_judgements
    from mercato.evaluation.measures import plan_measures
    from mercato.evaluation.search import SearchSettings, evaluate_search

    output = Output(as_json=as_json)
    with output.handle_errors():
        columns = parse_judgement_map([*(mapping or []), *([f"user_id={user_column}"] if user_column else [])])
        rated = read_judgements(judgements, columns)
        plan = plan_measures(
            rated.levels, cutoffs=parse_cutoffs(cutoffs), relevant=relevant, recall_relevant=recall_relevant
        )
        settings = SearchSettings(
            condition=condition,
            options=parse_options(options),
            concurrency=concurrency,
            explain=stages if stages is not None else report is not None,
            time_limit=time_limit,
        )
        with open_client(server) as client, output.progress() as progress:
            evaluation = evaluate_search(client, rated, plan, settings, progress)
        evaluation.settings = {"judgements": judgements.name, "server": server, **evaluation.settings}
        evaluation.seed = SEED if seed is None else seed
        finish(output, evaluation, against, report)


@eval_app.command("recommend", epilog=_RECOMMEND_EPILOG)
def recommend(
    holdout: Annotated[Path, typer.Option(help="Purchases unknown to the server: user_id, product_id, time, order.")],
    mapping: MapOption = None,
    events: Annotated[
        Path | None, typer.Option(help="Purchases the server knows; by default the rows of --holdout before the split.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Ask as of this time; earlier rows of --holdout are known.")] = None,
    last_out: Annotated[
        bool, typer.Option("--leave-last-out", help="Each user's last row is to be recommended, the others are known.")
    ] = False,
    state: Annotated[
        str | None,
        typer.Option(help="sqlite:PATH of the server's state: refused where it holds the holdout's time."),
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="The server's catalogue: refused where it was indexed with the holdout's time.")
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    cutoffs: CutoffsOption = "5,10,20",
    placement: Annotated[str, typer.Option(help="home-page or category: where the answer is shown.")] = "home-page",
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Only products count that the user had not bought before.")
    ] = False,
    user_column: Annotated[
        list[str] | None, typer.Option(help="Column of the holdout to measure by, such as a country; repeatable.")
    ] = None,
    region_column: Annotated[
        str | None, typer.Option(help="Column of the holdout that is sent as CONTEXT.region, such as a country.")
    ] = None,
    condition: Annotated[str | None, typer.Option("--filter", help="Filter that every request is sent with.")] = None,
    options: OptionsOption = None,
    dial: Annotated[
        list[str] | None,
        typer.Option(
            help="Dial whose trade-off is measured, repeatable: novelty, diversity, coverage, margin=0,0.5,1."
        ),
    ] = None,
    dial_users: Annotated[int, typer.Option(min=1, help="Most users to measure dials for.")] = 500,
    against: AgainstOption = None,
    report: ReportOption = None,
    stages: Annotated[
        int | None,
        typer.Option(
            min=0, help="Most users to ask explanations for, for figures by stage; 300 with --report, else 0."
        ),
    ] = None,
    seed: SeedOption = None,
    concurrency: ConcurrencyOption = 4,
    time_limit: Annotated[int, typer.Option(min=0, help="Most requests to time; 0 times none.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Measure recommendation against what was bought later: recall, nDCG, coverage, novelty, by group of users."""
    from mercato.evaluation import holdout as holdouts
    from mercato.evaluation.asking import open_client
    from mercato.evaluation.dials import parse_curve
    from mercato.evaluation.intervals import SEED
    from mercato.evaluation.measures import plan_measures
    from mercato.evaluation.recommend import RecommendSettings, evaluate_recommend

    output = Output(as_json=as_json)
    with output.handle_errors():
        plan = plan_measures([1], cutoffs=parse_cutoffs(cutoffs))
        curves = [parse_curve(text) for text in dial or ()]
        columns = holdouts.parse_holdout_map(mapping or [])
        read = dict.fromkeys([*(user_column or ()), *([region_column] if region_column else [])])
        divided = holdouts.divide(holdout, columns, parse_moment(split, "--split"), last_out, events, list(read))
        if state is not None:
            holdouts.refuse_late_state(divided, state)
        if catalog is not None:
            holdouts.refuse_late_catalog(divided, catalog)
        columns_of_users = {
            name: dict(zip(divided.test.users, values, strict=True)) for name, values in divided.test.columns.items()
        }
        settings = RecommendSettings(
            placement=placement,
            condition=condition,
            options=parse_options(options),
            new_only=new_only,
            concurrency=concurrency,
            time_limit=time_limit,
            explain_limit=stages if stages is not None else EXPLAINED_USERS if report is not None else 0,
            seed=SEED if seed is None else seed,
            curves=curves,
            curve_users=dial_users,
            regions={
                user: region
                for user, region in columns_of_users.get(region_column or "", {}).items()
                if region != holdouts.UNKNOWN
            },
        )
        groups = {name: columns_of_users[name] for name in user_column or ()}
        with open_client(server) as client, output.progress() as progress:
            evaluation = evaluate_recommend(client, divided, plan, settings, groups, progress)
        evaluation.settings = {
            "holdout": holdout.name,
            "events": events.name if events else None,
            "split": "leave-last-out" if last_out else split,
            "region": region_column,
            "server": server,
            **evaluation.settings,
        }
        finish(output, evaluation, against, report)


def finish(output: Output, evaluation: Any, against: Path | None, report: Path | None) -> None:
    """Compare, write the report and print.

    Args:
        output: where to print.
        evaluation: what was found.
        against: an earlier run.
        report: folder of the report.

    Raises:
        MercatoError: the earlier run cannot be used, or the report cannot be written.
    """
    from mercato.evaluation.compare import compare_runs, read_run
    from mercato.evaluation.result import describe_evaluation

    earlier = read_run(against, evaluation.kind) if against is not None else None
    document = describe_evaluation(evaluation)
    if earlier is not None and against is not None:
        document["against"] = compare_runs(evaluation, earlier, str(against))
    if report is not None:
        from mercato.evaluation.report import write_report

        written = write_report(report, evaluation, document, earlier)
        document["report"] = str(written)
    short = {name: value for name, value in document.items() if name != "per_query"}
    if output.as_json:
        typer.echo(orjson.dumps(short).decode())
        return
    for table in tabulate_evaluation(short):
        output.console.print(table)
    for warning in [*short["warnings"], *short.get("against", {}).get("warnings", [])]:
        output.warn(warning)
    if report is not None:
        output.say(f"report: {document['report']}")


def parse_cutoffs(text: str) -> list[int]:
    """Read ``--k``.

    Raises:
        InvalidInputError: not whole numbers, separated by commas.
    """
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise InvalidInputError("--k", f"must be whole numbers separated by commas, got {text!r}", "--k 5,10") from exc


def parse_options(text: str | None) -> dict[str, Any] | None:
    """Read ``--options``.

    Raises:
        InvalidInputError: not a JSON object.
    """
    if text is None or not text.strip():
        return None
    try:
        options = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise InvalidInputError("--options", f"must be a JSON object, got {text[:80]!r} ({exc})") from exc
    if not isinstance(options, dict):
        raise InvalidInputError("--options", f"must be a JSON object, got {text[:80]!r}")
    return options


def tabulate_evaluation(document: dict[str, Any]) -> list[Table]:
    """Give the tables that a person sees of an evaluation's document."""
    gains = document.get("against", {}).get("gain", {})
    table = Table(
        title=f"{document['queries']:,} {'users' if document['kind'] == 'recommend' else 'queries'}",
        title_justify="left",
    )
    for name in ("metric", "mean", "95 %", *(("gain", "95 %", "p", "better/worse") if gains else ())):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, value in document["metrics"].items():
        if "_rated" in name:
            continue  # recall from each single rating: in the JSON and the report
        cells = [name, _show(value), _show_range(document["intervals"].get(name))]
        gain = gains.get(name)
        if gain is not None:
            cells += [_show(gain["difference"], sign=True), _show_range(gain["interval"], sign=True)]
            cells += [_show(gain["p_value"]), f"{gain['wins']}/{gain['losses']}"]
        table.add_row(*cells)
    tables = [table]
    if document["stages"]:
        tables.append(_tabulate_parts("stage", document["stages"]))
    tables += [_tabulate_parts(name, groups) for name, groups in document["groups"].items()]
    tables += [_tabulate_curve(dial, points) for dial, points in document.get("curves", {}).get("dials", {}).items()]
    latency = document["latency_ms"]
    if latency:
        times = Table(title="first pages, milliseconds", title_justify="left")
        names = [name for name in latency if name.startswith("p") and name != "page_size"]
        for name in ("", *names):
            times.add_column(name, justify="right" if name else "left")
        times.add_row("client", *(_show(latency[name], digits=1) for name in names))
        for stage, taken in latency["server"].items():
            times.add_row(f"server: {stage}", *(_show(taken[name], digits=1) for name in names))
        tables.append(times)
    return tables


def _tabulate_parts(title: str, parts: dict[str, Any]) -> Table:
    shown = [name for name in _PART_METRICS if any(name in part["metrics"] for part in parts.values())]
    table = Table(title, *shown, title=f"by {title}", title_justify="left")
    for name, part in parts.items():
        label = f"{name} ({part['queries']:,})" if "queries" in part else name
        table.add_row(label, *(_show(part["metrics"].get(metric)) for metric in shown))
    return table


def _tabulate_curve(dial: str, points: list[dict[str, Any]]) -> Table:
    """Draw the curve of a dial: each figure at each setting, and what is certain of its change against 0."""
    table = Table(title=f"{dial}: change against 0 with 95 %", title_justify="left")
    table.add_column("setting", justify="right")
    for name in points[0]["metrics"]:
        table.add_column(name, justify="right")
    for point in points:
        cells = [f"{point['setting']:g}"]
        for name, value in point["metrics"].items():
            change = point["change"].get(name)
            told = "" if change is None or not point["setting"] else f"\n{_show_range(change['interval'], sign=True)}"
            cells.append(_show(value) + told)
        table.add_row(*cells)
    return table


def _show(value: float | None, *, sign: bool = False, digits: int = 4) -> str:
    return "-" if value is None else f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def _show_range(ends: list[float | None] | None, *, sign: bool = False) -> str:
    if not ends or None in ends:
        return "-"
    return " to ".join(_show(end, sign=sign) for end in ends)
