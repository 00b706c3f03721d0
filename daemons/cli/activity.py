"""`daemondeck activity`: what happened to all daemons."""

from typing import Annotated

import typer

from daemons.cli.names import complete_daemons
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, show, stamp

COLUMNS: Columns = {
    "AT": lambda happening: stamp(happening["at"]),
    "DAEMON": lambda happening: happening["daemon_name"],
    "WHAT": lambda happening: happening["kind"],
    "FROM": lambda happening: happening["from"],
    "TO": lambda happening: happening["to"],
    "CODE": lambda happening: happening["code"],
    "WHY": lambda happening: happening["reason"],
    "JOB": lambda happening: happening["job_id"],
}


def activity(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Between commas: state, desired, job, refused, error.")] = None,
    daemon: Annotated[str | None, typer.Option(help="Only this daemon.", autocompletion=complete_daemons)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
) -> None:
    """Show what happened to all daemons, the newest first.

    Example: daemondeck activity --kind state,error -n 20
    """
    options = options_of(context)
    with options.deck() as deck:
        show(options, deck.pages("/activity", limit, kind=kind, daemon=daemon), COLUMNS, name="id")
