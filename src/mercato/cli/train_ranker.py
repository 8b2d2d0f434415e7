"""`mercato train ranker`: from ratings, from purchases, or from both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mercato.cli.offline import run_training
from mercato.cli.output import Output
from mercato.cli.training_options import (
    CatalogOption,
    EncoderOption,
    JudgementsOption,
    MetricsOption,
    RatingMapOption,
    SeedOption,
)
from mercato.progress import Progress

if TYPE_CHECKING:
    from mercato_export.networks.ranker import RankerNetwork
    from mercato_training.ranker.metrics import Figures, RankerMetrics, RatedRankerMetrics

EPILOG = (
    "Examples: mercato train ranker --catalog var/demo/catalog --state sqlite:var/demo/state.db ; "
    "mercato train ranker --catalog catalog --events purchases.csv --event-map user_id=customer "
    "--event-type purchase-complete --window-days 35 ; "
    "mercato train ranker --catalog catalog --judgements ratings.csv "
    "--out var/models/ranker-training"
)


def ranker(
    catalog: CatalogOption,
    state: Annotated[str | None, typer.Option(help="Where the purchases are: sqlite:PATH.")] = None,
    events: Annotated[
        Path | None, typer.Option(help="A file of events instead, as mercato events import takes it.")
    ] = None,
    event_map: Annotated[
        list[str] | None, typer.Option(help="Columns of --events, as user_id=customer; repeatable.")
    ] = None,
    event_type: Annotated[
        str | None, typer.Option(help="Type of the rows of --events that have none, as purchase-complete.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/ranker-training"
    ),
    encoder: EncoderOption = Path("var/models/encoder"),
    judgements: JudgementsOption = None,
    column_map: RatingMapOption = None,
    folds: Annotated[
        int, typer.Option(help="Folds of the rated queries, by a hash of the query; 0 measures none.")
    ] = 5,
    fold: Annotated[
        int | None, typer.Option(help="Leave this fold out and report it; all are, in turn, without.")
    ] = None,
    searches: Annotated[
        int, typer.Option(help="Training searches; more is slower and a little better.", min=0)
    ] = 8_000,
    recommendations: Annotated[int, typer.Option(help="Training recommendations.", min=0)] = 4_000,
    epochs: Annotated[
        int | None,
        typer.Option(help="Most passes over the training lists of purchases; 6 on orders, 8 at moments.", min=1),
    ] = None,
    rating_epochs: Annotated[int, typer.Option(help="Most passes over the rated queries.", min=1)] = 30,
    unrated_weight: Annotated[
        float, typer.Option(help="What an unrated product counts as one of rating 0, beside 1.", min=0, max=1)
    ] = 0.12,
    train_days: Annotated[float, typer.Option(help="Days of orders to learn from.")] = 28.0,
    validation_days: Annotated[float, typer.Option(help="Days after them that decide when to stop.")] = 14.0,
    test_days: Annotated[float, typer.Option(help="Last days, that are reported.")] = 21.0,
    window_days: Annotated[
        float | None,
        typer.Option(help="Learn what is bought in so many days after several moments, not single orders.", min=1),
    ] = None,
    snapshot_dates: Annotated[
        int, typer.Option(help="Moments that --window-days are counted from, two weeks apart.", min=1)
    ] = 4,
    members: Annotated[
        int | None,
        typer.Option(help="Networks that learn side by side and answer together; 1, and 4 with --window-days.", min=1),
    ] = None,
    task_losses: Annotated[
        str,
        typer.Option(help="What carts and clicks count in the loss, beside 1 for purchases; where the log has them."),
    ] = "cart=1,click=0.3",
    task_weights: Annotated[
        str, typer.Option(help="What each counts in the score that is served, as purchase=1,cart=0.2,click=0.05.")
    ] = "purchase=1",
    seed: SeedOption = 17,
    as_json: MetricsOption = False,
) -> None:
    """Train the ranker: from ratings, from purchases, or from ratings first and purchases after them.

    From purchases it is compared with the order before it on the last weeks, from ratings by cross-validation.
    """
    if state is not None and events is not None:
        raise typer.BadParameter("give --events FILE or --state URL, not both: one log is learned from")
    if state is None and events is None and judgements is None:
        raise typer.BadParameter(
            "give --state or --events, --judgements, or both: without there is nothing to learn, and the order of "
            "retrieval, which needs no ranker, is the best there is"
        )
    if events is None and (event_map or event_type):
        raise typer.BadParameter("--event-map and --event-type say how to read --events FILE, which is not given")
    if judgements is None and column_map:
        raise typer.BadParameter(
            "--map names columns of --judgements, which is not given; those of --events are named by --event-map"
        )
    learns_purchases = state is not None or events is not None

    def work(report: Progress, say: Callable[[str], None]) -> RankerMetrics | RatedRankerMetrics:
        from mercato.index.snapshot import Snapshot
        from mercato.models.encoder.onnx_encoder import OnnxEncoder
        from mercato_training.common.sources import read_event_file, read_events, read_ratings
        from mercato_training.ranker.fit import FitOptions
        from mercato_training.ranker.fit_ratings import RatingFitOptions
        from mercato_training.ranker.metrics import FoldOptions
        from mercato_training.ranker.outcomes import read_weights
        from mercato_training.ranker.prediction_window import WindowOptions
        from mercato_training.ranker.prediction_window_data import WINDOW_FIT, WINDOW_SHAPE
        from mercato_training.ranker.prepare import DataOptions
        from mercato_training.ranker.timeline import FURTHER
        from mercato_training.ranker.train import train_ranker
        from mercato_training.ranker.train_ratings import train_from_ratings

        fold_options = FoldOptions(folds=folds, fold=fold)
        losses = read_weights(task_losses, option="--task-losses", names=tuple(FURTHER))
        blend = read_weights(task_weights, option="--task-weights")
        shape = {} if window_days is None else WINDOW_SHAPE
        fit_options = FitOptions() if window_days is None else WINDOW_FIT
        text_encoder = OnnxEncoder(encoder)
        snapshot = Snapshot(catalog, encoder=text_encoder.identity)
        rated: RankerNetwork | None = None
        if judgements is not None:
            rated, rated_metrics = train_from_ratings(
                snapshot,
                read_ratings(judgements, column_map or (), say),
                text_encoder,
                out / "ratings" if learns_purchases else out,
                fold_options=fold_options,
                fit_options=RatingFitOptions(epochs=rating_epochs, unrated_weight=unrated_weight, seed=seed),
                report=report,
                say=say,
            )
            if not learns_purchases:
                return rated_metrics
        return train_ranker(
            snapshot,
            read_event_file(events, event_map or (), event_type, report, say)
            if events is not None
            else read_events(str(state), report),
            text_encoder,
            out,
            data_options=DataOptions(
                searches=searches,
                recommendations=recommendations,
                train_days=train_days,
                validation_days=validation_days,
                test_days=test_days,
                seed=seed,
            ),
            fit_options=replace(fit_options, epochs=epochs or fit_options.epochs, outcome_losses=losses, seed=seed),
            report=report,
            say=say,
            rated=rated,
            window=None
            if window_days is None
            else WindowOptions(days=window_days, snapshot_dates=snapshot_dates, shoppers=recommendations, seed=seed),
            shape=shape if members is None else {**shape, "members": members},
            blend=blend,
        )

    # The network is so small that two threads take longer than one, on a busy machine ten times as long.
    output = Output(as_json=as_json)
    metrics = run_training(work, output, threads=1)
    if as_json:
        output.finish(metrics.as_json())
        return
    _print_results(output, metrics)
    output.show(f"wrote {out}; export it: mercato export ranker --weights {out}")


def _print_results(output: Output, metrics: RankerMetrics | RatedRankerMetrics) -> None:
    from mercato_training.ranker.card import TASK_TITLES, summarize_probability
    from mercato_training.ranker.metrics import RatedRankerMetrics

    if isinstance(metrics, RatedRankerMetrics):
        if metrics.results:
            output.console.print(_make_table("Rated queries that were left out", metrics.results))
        return
    for task, systems in metrics.results.items():
        output.console.print(_make_table(TASK_TITLES[task], systems))
    output.show("retrieval: the order before the ranker. most bought: by this shopper, then popular products.")
    output.show(summarize_probability(metrics.calibration))


def _make_table(title: str, systems: Figures) -> Table:
    names = list(next(iter(systems.values())))
    table = Table(title=title, title_justify="left")
    table.add_column("order", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for system, values in systems.items():
        sign = "+" if " - " in system else ""
        cells = (f"{values[n].mean:{sign}.3f} ±{(values[n].high - values[n].low) / 2:.3f}" for n in names)
        table.add_row(system, *cells)
    return table
