"""The `mercato` command."""

from __future__ import annotations

import typer

from mercato.cli import ask, catalog_report, profile
from mercato.cli import bench as bench_command
from mercato.cli import encode as encode_command
from mercato.cli import index as index_command
from mercato.cli import shard as shard_command
from mercato.cli.catalog import catalog_app
from mercato.cli.dense import dense_app
from mercato.cli.doctor import doctor
from mercato.cli.evaluate import eval_app
from mercato.cli.events import events_app
from mercato.cli.export import export_app
from mercato.cli.serve import serve
from mercato.cli.train import train_app

app = typer.Typer(
    help="E-commerce search and recommendation on NVIDIA Triton Inference Server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(doctor)
app.command(epilog=index_command.EPILOG)(index_command.index)
app.command(epilog=encode_command.EPILOG)(encode_command.encode)
app.command(epilog=shard_command.EPILOG)(shard_command.shard)
app.command()(serve)
app.command(epilog=ask.SEARCH_EPILOG)(ask.search)
app.command(epilog=ask.SUGGEST_EPILOG)(ask.suggest)
app.command(epilog=ask.RECOMMEND_EPILOG)(ask.recommend)
app.command(epilog=ask.SIMILAR_EPILOG)(ask.similar)
app.command(epilog=ask.RANK_EPILOG)(ask.rank)
app.command(epilog=profile.PROFILE_EPILOG)(profile.profile)
app.add_typer(events_app, name="events")
catalog_app.command("report", epilog=catalog_report.EPILOG)(catalog_report.report)
app.add_typer(catalog_app, name="catalog")
app.add_typer(dense_app, name="dense")
app.add_typer(eval_app, name="eval")
app.command(epilog=bench_command.EPILOG)(bench_command.bench)
app.add_typer(train_app, name="train")
app.add_typer(export_app, name="export")


def main() -> None:
    """Run the command line."""
    app()
