"""`daemondeck daemon`, `types`, `enable`, `disable`: which daemons there are, and which may be started."""

from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.names import complete_daemons, complete_types
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, complain, confirm, one_line, say, show, show_one
from daemons.cli.switching import segment
from daemons.cli.values import read_assignments

app = typer.Typer(help="Add instances of a type, and remove them.")

Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_daemons)]
Names = Annotated[list[str], typer.Argument(metavar="NAME…", autocompletion=complete_daemons)]
Now = Annotated[bool, typer.Option("--now", help="Start or stop it as well.")]

TYPES: Columns = {
    "NAME": lambda found: found["name"],
    "TITLE": lambda found: found["title"],
    "DESCRIPTION": lambda found: found["description"],
}
JOB_TYPES: Columns = {
    "TYPE": lambda found: found["type"],
    "LANE": lambda found: found["lane"],
    "DESCRIPTION": lambda found: found["description"],
}
OPTIONS: Columns = {"OPTIONS": lambda found: ", ".join(found["options"].get("properties", ()))}
ARGUMENTS: Columns = {"ARGUMENTS": lambda found: ", ".join((found["args"] or {}).get("properties", ()))}
ADDED: Columns = {
    "Name": lambda daemon: daemon["name"],
    "Type": lambda daemon: daemon["type"],
    "State": lambda daemon: daemon["state"],
    "Options": lambda daemon: daemon["configuration"],
}


@app.command("add")
def add_daemon(
    context: typer.Context,
    type: Annotated[str, typer.Argument(metavar="TYPE", autocompletion=complete_types)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Begins with a small letter: a-z, 0-9, _ and -.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option; may be repeated.")
    ] = None,
    auto_start: Annotated[bool, typer.Option("--auto-start", help="Start it with the deck.")] = False,
) -> None:
    """Add an instance of a type, with options of its own.

    Example: daemondeck daemon add describe_images holidays --set directory=~/Pictures/2026
    """
    options = options_of(context)
    with options.deck() as deck:
        configuration = read_assignments(settings or [], schema_of(deck, type) if settings else {})
        body = {"type": type, "name": name, "configuration": configuration, "auto_start": auto_start}
        show_one(options, deck.post("/daemons", body), ADDED)


@app.command("rm")
def remove_daemon(context: typer.Context, names: Names) -> None:
    """Remove stopped instances with their logs. A type's first instance stays: disable it instead.

    Example: daemondeck daemon rm holidays
    """
    options = options_of(context)
    confirm(options, f"Remove {', '.join(names)} with their logs?")
    with options.deck() as deck:
        _for_each(options, deck, names, _remove)


def types(
    context: typer.Context,
    jobs: Annotated[bool, typer.Option("--jobs", help="Types of jobs instead of daemons.")] = False,
) -> None:
    """List the types of daemons, or of jobs. `-o wide` adds their options, `-o json` the whole schemas.

    Example: daemondeck types --jobs -o wide
    """
    options = options_of(context)
    with options.deck() as deck:
        answer = deck.get("/types")
    if jobs:
        show(options, answer["jobs"], JOB_TYPES, name="type", wide=ARGUMENTS)
    else:
        show(options, answer["items"], TYPES, wide=OPTIONS)


def enable(context: typer.Context, names: Names, now: Now = False) -> None:
    """Let daemons be started. Also across restarts of the deck.

    Example: daemondeck enable night_watch --now
    """
    options = options_of(context)
    with options.deck() as deck:
        _for_each(options, deck, names, lambda deck, name: _allow(deck, name, True, "start" if now else None))


def disable(context: typer.Context, names: Names, now: Now = False) -> None:
    """Let daemons not be started any more; one that runs goes on unless --now is said.

    Example: daemondeck disable night_watch --now
    """
    options = options_of(context)
    with options.deck() as deck:
        _for_each(options, deck, names, lambda deck, name: _allow(deck, name, False, "stop" if now else None))


def schema_of(deck: Deck, type: str) -> dict[str, Any]:
    """Return the schema of a type's options. Raises CommandError naming the types there are."""
    known: dict[str, Any] = {found["name"]: found["options"] for found in deck.get("/types")["items"]}
    if type not in known:
        raise CommandError(
            Exit.USAGE,
            f"There is no type of daemon named {type}; there are {', '.join(known)}.",
            code="ERR_UNKNOWN_DAEMON_TYPE",
        )
    schema: dict[str, Any] = known[type]
    return schema


def _allow(deck: Deck, name: str, is_enabled: bool, command: str | None) -> dict[str, Any]:
    place = f"/daemons/{segment(name)}"
    daemon = deck.patch(place, {"enabled": is_enabled})
    if command:
        daemon = deck.post(f"{place}/{command}")
    return {"name": daemon["name"], "enabled": daemon["enabled"], "state": daemon["state"]}


def _remove(deck: Deck, name: str) -> dict[str, Any]:
    deck.delete(f"/daemons/{segment(name)}")
    return {"name": name, "removed": True}


def _for_each(options: Options, deck: Deck, names: list[str], act: Any) -> None:
    """Act on each name, print what came of it, and exit with the worst code."""
    done: list[dict[str, Any]] = []
    code = Exit.DONE
    for name in names:
        try:
            done.append(act(deck, name))
        except CommandError as error:
            if error.exit_code in (Exit.UNREACHABLE, Exit.NOT_ALLOWED):
                raise
            complain(error, name)
            code = max(code, Exit(error.exit_code))
    if options.is_table:
        for one in done:
            say(one_line(f"{one['name']}: {_word(one)}"))
    else:
        show(options, done, {})
    raise typer.Exit(code)


def _word(one: dict[str, Any]) -> str:
    if one.get("removed"):
        return "removed"
    return f"{'enabled' if one['enabled'] else 'disabled'}, {one['state']}"
