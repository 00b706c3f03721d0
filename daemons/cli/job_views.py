"""Questions about jobs: those that have a name, and what they find as a file."""

from pathlib import Path
from typing import Annotated

import typer

from daemons.cli.options import options_of
from daemons.cli.printing import Columns, say, show
from daemons.cli.switching import segment

COLUMNS: Columns = {
    "NAME": lambda view: view["name"],
    "QUERY": lambda view: view["query"],
    "DEFAULT": lambda view: "yes" if view["is_default"] else None,
    "BY": lambda view: view["who"],
}


def views(
    context: typer.Context,
    query: Annotated[list[str] | None, typer.Argument(metavar="QUERY", help="The question to save.")] = None,
    save: Annotated[str | None, typer.Option(metavar="NAME", help="Save the QUERY under this name.")] = None,
    default: Annotated[bool, typer.Option("--default", help="With --save: what the list of jobs shows first.")] = False,
    remove: Annotated[str | None, typer.Option(metavar="NAME", help="Forget this view.")] = None,
) -> None:
    """List saved views of jobs, save one, or forget one.

    Example: daemondeck jobs views --save "Failed today" state:failed ended:24h --default
    """
    options = options_of(context)
    with options.deck() as deck:
        if save is not None:
            body = {"name": save, "query": " ".join(query or ()), "is_default": default}
            shown = [deck.post("/views", body)]
        elif query or default:
            raise typer.BadParameter("A QUERY and --default go with --save NAME.")
        elif remove is not None:
            deck.delete(f"/views/{segment(remove)}")
            return
        else:
            shown = deck.get("/views")["items"]
    show(options, shown, COLUMNS)


def export(
    context: typer.Context,
    query: Annotated[list[str] | None, typer.Argument(metavar="QUERY", help="Which jobs; all without.")] = None,
    format: Annotated[str, typer.Option(help="csv or json.")] = "csv",
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Write there instead of to stdout.")] = None,
) -> None:
    """Write all jobs that match as CSV or JSON.

    Example: daemondeck jobs export state:failed since:7d --format csv --file failed.csv
    """
    options = options_of(context)
    with options.deck() as deck:
        pieces = deck.stream("/jobs/export", format=format, q=" ".join(query or ()))
        if file is None:
            for piece in pieces:
                say(piece, end="")
            return
        with file.open("w", encoding="utf-8", newline="") as target:
            for piece in pieces:
                target.write(piece)
