"""`daemondeck jobs new`: a job, made by hand."""

import json
from typing import Annotated, Any

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.jobs import app
from daemons.cli.names import complete_job_types
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, one_line, progress, say, show_one
from daemons.cli.values import read_assignments

MADE: Columns = {
    "Id": lambda job: job["id"],
    "Type": lambda job: job["type"],
    "State": lambda job: job["state"],
    "Arguments": lambda job: job["args"],
    "Progress": lambda job: progress(job["progress"]),
}


@app.command("new")
def new_job(
    context: typer.Context,
    type: Annotated[str, typer.Argument(metavar="TYPE", autocompletion=complete_job_types)],
    arguments: Annotated[
        list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help="An argument; may be repeated.")
    ] = None,
    whole: Annotated[
        str | None, typer.Option("--args", metavar="JSON", help="All arguments as one JSON value.")
    ] = None,
    priority: Annotated[int, typer.Option(min=-1000, max=1000, help="Higher goes first.")] = 0,
    key: Annotated[
        str | None, typer.Option(help="The same key makes one job, however often the command is run.")
    ] = None,
) -> None:
    """Make a job and print its id. `daemondeck types --jobs -o wide` lists types and arguments.

    Example: daemondeck jobs new demo_count --arg to=10
    """
    if arguments and whole is not None:
        raise typer.BadParameter("Give --arg or --args, not both.")
    options = options_of(context)
    with options.deck() as deck:
        known = {found["type"]: found["args"] or {} for found in deck.get("/types")["jobs"]}
        if type not in known:
            there_are = f"There is no type of job named {type}; there are {', '.join(known)}."
            raise CommandError(Exit.USAGE, there_are, code="ERR_UNKNOWN_JOB_TYPE")
        args = _parsed(whole) if whole is not None else read_assignments(arguments or [], known[type])
        job = deck.post("/jobs", {"type": type, "args": args, "priority": priority}, key=key)
    if options.is_table:
        say(one_line(job["id"]))
    else:
        show_one(options, job, MADE, name="id")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--args is not JSON: {error}.") from error
