"""`daemondeck errors`: what a daemon reported as gone wrong while it went on."""

from typing import Annotated

import typer

from daemons.cli.looking import Name
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, age, note, show
from daemons.cli.switching import segment

COLUMNS: Columns = {
    "ID": lambda error: error["id"],
    "CODE": lambda error: error["code"],
    "TIMES": lambda error: error["count"],
    "LAST": lambda error: age(error["last_seen"]),
    "STATE": lambda error: "resolved" if error["resolved_at"] else "open",
    "MESSAGE": lambda error: error["message"],
}


def errors(
    context: typer.Context,
    name: Name,
    resolve: Annotated[int | None, typer.Option(metavar="ID", min=0, help="Mark this one as dealt with.")] = None,
) -> None:
    """Show the errors that a daemon reported, equal ones counted, open ones first.

    Example: daemondeck errors night_watch --resolve 7
    """
    options = options_of(context)
    place = f"/daemons/{segment(name)}/errors"
    with options.deck() as deck:
        if resolve is not None:
            deck.post(f"{place}/{resolve}/resolve")
            note(options, f"Error {resolve} of {name} is resolved.")
            return
        show(options, deck.get(place)["items"], COLUMNS, name="id")
