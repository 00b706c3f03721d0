"""`history`, `stack`, `is-active`, `is-failed`: one daemon, looked at closely, by people and by scripts."""

from typing import Annotated, Any

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.names import complete_daemons
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, complain, one_line, say, show, stamp
from daemons.cli.switching import has_failed, segment

Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_daemons)]
Names = Annotated[list[str], typer.Argument(metavar="NAME…", autocompletion=complete_daemons)]

HISTORY: Columns = {
    "AT": lambda entry: stamp(entry["at"]),
    "WHAT": lambda entry: entry["kind"],
    "FROM": lambda entry: entry["from"],
    "TO": lambda entry: entry["to"],
    "WHY": lambda entry: entry["reason"],
    "JOB": lambda entry: entry["job_id"],
}
FRAMES: Columns = {
    "WHERE": lambda frame: f"{frame['file']}:{frame['line']}",
    "FUNCTION": lambda frame: frame["function"],
    "CODE": lambda frame: frame["code"],
}


def history(
    context: typer.Context,
    name: Name,
    count: Annotated[int, typer.Option("-n", min=1, help="So many of the newest.")] = 50,
) -> None:
    """Show what was asked of a daemon and what became of it, the newest first.

    Example: daemondeck history night_watch -n 10
    """
    options = options_of(context)
    entries: list[dict[str, Any]] = []
    before: str | None = None
    with options.deck() as deck:
        while len(entries) < count:
            place = f"/daemons/{segment(name)}/history"
            page = deck.get(place, limit=min(500, count - len(entries)), before=before)
            entries += page["items"]
            before = page["next"]
            if before is None:
                break
    show(options, entries, HISTORY, name="id")


def stack(context: typer.Context, name: Name) -> None:
    """Show the line of code where a daemon stands now, the outermost call first.

    Example: daemondeck stack night_watch
    """
    options = options_of(context)
    with options.deck() as deck:
        answer = deck.get(f"/daemons/{segment(name)}/stack")
    show(options, answer["frames"], FRAMES, name="function")


def is_active(context: typer.Context, names: Names) -> None:
    """Say whether daemons run: exit code 0 only if all of them do, else 3.

    Example: daemondeck is-active night_watch && echo "It runs."
    """
    _judge(options_of(context), names, lambda daemon: bool(daemon["state"] == "running"))


def is_failed(context: typer.Context, names: Names) -> None:
    """Say whether daemons failed: exit code 0 only if all of them did, else 3.

    Example: daemondeck is-failed night_watch && daemondeck logs night_watch --level error
    """
    _judge(options_of(context), names, has_failed)


def _judge(options: Options, names: list[str], is_so: Any) -> None:
    """Print the state of each daemon, and exit with 0 only if all of them are as asked."""
    found: list[dict[str, Any]] = []
    code = Exit.DONE
    with options.deck() as deck:
        for name in names:
            try:
                daemon = deck.get(f"/daemons/{segment(name)}")
            except CommandError as error:
                if error.exit_code is not Exit.UNKNOWN:
                    raise
                complain(error, name)
                code = Exit.UNKNOWN
                continue
            found.append({"name": daemon["name"], "state": daemon["state"]})
            code = max(code, Exit.DONE if is_so(daemon) else Exit.NOT_RUNNING)
    if options.is_table:
        if not options.quiet:
            for one in found:
                say(one_line(str(one["state"])))
    else:
        show(options, found, {})
    raise typer.Exit(code)
