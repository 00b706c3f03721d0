"""`daemondeck descriptions`: what the photographs show."""

from typing import Annotated

import typer

from daemons.cli.options import options_of
from daemons.cli.printing import Columns, show, show_one, stamp
from daemons.cli.switching import segment

app = typer.Typer(help="See the descriptions of photographs.", no_args_is_help=True)

COLUMNS: Columns = {
    "PATH": lambda found: found["path"],
    "STATE": lambda found: found["state"],
    "DESCRIPTION": lambda found: found["description"] or (found["error"] or {}).get("message"),
}
WIDE: Columns = {
    "ID": lambda found: found["id"],
    "MODEL": lambda found: found["model"],
    "SECONDS": lambda found: found["seconds"],
    "AT": lambda found: stamp(found["created_at"]),
}
DETAILS: Columns = {
    "Id": lambda found: found["id"],
    "Path": lambda found: found["path"],
    "State": lambda found: found["state"],
    "Description": lambda found: found["description"],
    "Error": lambda found: (found["error"] or {}).get("message"),
    "Remedy": lambda found: (found["error"] or {}).get("remedy"),
    "Facts": lambda found: found["facts"],
    "Model": lambda found: found["model"],
    "Seconds": lambda found: found["seconds"],
    "At": lambda found: stamp(found["created_at"]),
}


@app.command("ls")
def list_descriptions(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="done, failed, or both between commas.")] = None,
    folder: Annotated[str | None, typer.Option(help="Only of this folder.")] = None,
    q: Annotated[str | None, typer.Option("--search", help="Part of the path or of the description.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
) -> None:
    """List descriptions, the newest first.

    Example: daemondeck descriptions ls --state failed -o wide
    """
    options = options_of(context)
    with options.deck() as deck:
        found = deck.pages("/descriptions", limit, state=state, folder=folder, q=q)
    show(options, found, COLUMNS, name="id", wide=WIDE)


@app.command("get")
def get_description(context: typer.Context, description_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one description with its facts.

    Example: daemondeck descriptions get 7 -o json
    """
    options = options_of(context)
    with options.deck() as deck:
        show_one(options, deck.get(f"/descriptions/{segment(description_id)}"), DETAILS, name="id")
