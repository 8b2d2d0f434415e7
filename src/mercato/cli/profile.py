"""`mercato profile`: what a running server knows of a shopper, and how it is forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mercato.cli.ask import DEFAULT_SERVER, JsonOption, ServerOption
from mercato.cli.output import Output
from mercato.errors import InvalidInputError

if TYPE_CHECKING:
    from mercato_client import Profile

PROFILE_EPILOG = "Example: mercato profile 1234, then: mercato profile 1234 --forget view:1024993"


def profile(
    user: Annotated[str, typer.Argument(help="Who is signed in; none with --visitor.")] = "",
    visitor: Annotated[str, typer.Option("--visitor", help="The device or session, in place of a user.")] = "",
    limit: Annotated[int, typer.Option(help="Most statements.")] = 200,
    forget: Annotated[
        list[str] | None, typer.Option(help="Id of a statement that is to be taken back, repeatable.")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget the shopper's taste: all but what was bought.")
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Tell what is known of a shopper, statement by statement, with evidence and date; take statements back."""
    from mercato_client import Client, MercatoClientError

    output = Output(as_json=as_json)
    written = 0
    try:
        with output.handle_errors(), Client(server) as client:
            found = client.profile(user_id=user or None, visitor_id=visitor or None, limit=limit)
            by_id = {one.id: one for one in found.statements}
            unknown = [one for one in forget or () if one not in by_id]
            if unknown:
                raise InvalidInputError(
                    "--forget", f"must be the id of a statement of this profile, got {unknown[0]!r}"[:200]
                )
            if forget:
                written += client.forget([by_id[one] for one in forget]).accepted
            if reset:
                who = {"user_id": user} if user else {"visitor_id": visitor}
                written += client.write_events([{"event_type": "reset", **who}]).accepted
            if written:
                found = client.profile(user_id=user or None, visitor_id=visitor or None, limit=limit)
    except MercatoClientError as exc:
        output.fail(str(exc))
        raise typer.Exit(1) from exc
    if as_json:
        document = {
            "total": found.total,
            "left_out": found.left_out,
            "forgotten": written,
            "statements": [dict(one.fields) for one in found.statements],
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    if not found.total:
        output.warn(f"nothing is known of {user or visitor!r}")
        return
    output.console.print(tabulate(found))


def tabulate(found: Profile) -> Table:
    """Draw a profile as a table."""
    more = found.total - len(found.statements)
    table = Table(
        title=f"{found.total:,} statements; {found.left_out:,} products are left out of recommendations",
        title_justify="left",
        caption=f"and {more:,} more" if more > 0 else None,
    )
    for column in ("id", "statement", "events", "last"):
        table.add_column(column, justify="right" if column == "events" else "left")
    for one in found.statements:
        table.add_row(one.id, one.text, f"{one.count:,}", (one.last_time or "")[:10])
    return table
