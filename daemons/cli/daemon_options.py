"""`daemondeck config get|set|edit`: the options of one daemon."""

import os
import shlex
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.instances import schema_of
from daemons.cli.names import complete_daemons
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, cell, note, one_line, say, show, show_one
from daemons.cli.switching import Daemon, segment
from daemons.cli.toml import assignments
from daemons.cli.values import read_assignments

Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_daemons)]

COLUMNS: Columns = {
    "OPTION": lambda option: option["name"],
    "VALUE": lambda option: option["value"],
    "SOURCE": lambda option: option["source"],
}
WIDE: Columns = {
    "DEFAULT": lambda option: option["default"],
    "APPLIES": lambda option: "at the next start" if option["restart"] else "at once",
    "DESCRIPTION": lambda option: option["description"],
}


def get_options(
    context: typer.Context,
    name: Name,
    option: Annotated[str | None, typer.Argument(metavar="OPTION", help="Print the value of this one alone.")] = None,
) -> None:
    """Show the options of a daemon in effect, and where each value came from. Secrets are masked.

    Example: daemondeck config get night_watch interval
    """
    options = options_of(context)
    with options.deck() as deck:
        found = deck.get(f"/daemons/{segment(name)}/options")["items"]
    for problem in {one["problem"] for one in found if one["problem"]}:
        note(options, one_line(problem))
    if option is None:
        show(options, found, COLUMNS, wide=WIDE)
        return
    chosen = next((one for one in found if one["name"] == option), None)
    if chosen is None:
        there_are = f"{name} has no option {option}; it has {', '.join(one['name'] for one in found)}."
        raise CommandError(Exit.USAGE, there_are, code="ERR_INVALID_OPTION")
    if options.is_table:
        say(cell(chosen["value"]))
    else:
        show_one(options, chosen, COLUMNS)


def set_options(
    context: typer.Context,
    name: Name,
    typed: Annotated[list[str] | None, typer.Argument(metavar="OPTION=VALUE…")] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="OPTION", help="Back to its default.")] = None,
) -> None:
    """Change options of a daemon; those that are not named stay as they are.

    Example: daemondeck config set night_watch interval=60 --unset folder
    """
    if not typed and not unset:
        raise typer.BadParameter("Write OPTION=VALUE, or --unset OPTION.")
    options = options_of(context)
    with options.deck() as deck:
        daemon = deck.get(f"/daemons/{segment(name)}")
        schema = schema_of(deck, daemon["type"])
        wanted = {**daemon["configuration"], **read_assignments(typed or [], schema)}
        for option in unset or ():
            wanted.pop(option, None)
        _store(options, deck, daemon, wanted)


def edit_options(context: typer.Context, name: Name) -> None:
    """Open a daemon's options in your editor ($VISUAL, else $EDITOR), and store what you saved.

    Example: EDITOR=nano daemondeck config edit night_watch
    """
    options = options_of(context)
    with options.deck() as deck:
        daemon = deck.get(f"/daemons/{segment(name)}")
        effective = deck.get(f"/daemons/{segment(name)}/options")["items"]
        before = _as_text(daemon, effective)
        file = _edited(before)
        try:
            wanted = tomllib.loads(file.read_text("utf-8"))
            if file.read_text("utf-8") == before:
                note(options, "Nothing was changed.")
            else:
                _store(options, deck, daemon, wanted)
        except (CommandError, ValueError) as error:
            # Nobody types it twice.
            note(options, f"What you wrote is kept in {file}.")
            if isinstance(error, CommandError):
                raise
            raise CommandError(Exit.USAGE, f"That is not TOML: {error}.", code="ERR_NOT_TOML") from error
    file.unlink()


def _store(options: Options, deck: Deck, daemon: Daemon, wanted: dict[str, Any]) -> None:
    """Have the deck check and keep `wanted`, unless somebody changed it meanwhile; tell what is different now."""
    place = f"/daemons/{segment(daemon['name'])}"
    body = {"configuration": wanted, "configuration_revision": daemon["configuration_revision"]}
    changed = deck.patch(place, body)
    old, new = daemon["configuration"], changed["configuration"]
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not names and options.is_table:
        note(options, f"There is nothing to change: {daemon['name']} has these values already.")
        return
    after = {one["name"]: one for one in deck.get(f"{place}/options")["items"]}
    show(options, [after[name] for name in names if name in after], COLUMNS, wide=WIDE)
    for name in names:
        if name in after and after[name]["source"] == "environment":
            note(options, one_line(f"{name} has no effect: the environment fixes it."))
        elif name in after and after[name]["restart"] and changed["state"] in ("starting", "running"):
            note(options, one_line(f"{name} takes effect at the next start: `daemondeck restart {daemon['name']}`."))


def _as_text(daemon: Daemon, effective: list[dict[str, Any]]) -> str:
    """Return the options as TOML: what is set as it is, what is not as a comment with its default."""
    parts = [f"# Options of {daemon['name']} ({daemon['type']}). A line without # is set, the others are defaults.\n"]
    configuration = daemon["configuration"]
    for option in effective:
        name = option["name"]
        about = {name: " ".join((option["description"] or "").split())}
        if name in configuration:
            parts.append("\n" + assignments({name: configuration[name]}, about))
        else:
            default = assignments({name: option["value"]})
            parts.append("\n" + "".join(f"# {line}\n" for line in about[name].splitlines()))
            parts.append(default if default.startswith("#") else f"# {default}")
    return "".join(parts)


def _edited(text: str) -> Path:
    """Let the person edit `text`, and return the file with the result."""
    number, name = tempfile.mkstemp(prefix="daemondeck-", suffix=".toml")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        done = subprocess.run([*editor, name], check=False)
    except OSError as error:
        why = f"The editor {editor[0]} cannot be run: {error.strerror}."
        raise CommandError(Exit.FAILED, why, remedy="Set EDITOR.", code="ERR_EDITOR") from error
    if done.returncode:
        why = f"The editor ended with {done.returncode}; nothing was changed."
        raise CommandError(Exit.FAILED, why, code="ERR_EDITOR")
    return Path(name)
