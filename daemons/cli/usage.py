"""What is wrong with a command line, in a sentence, and help that shows switches as what they are."""

from collections.abc import Iterable

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from daemons.errors import DaemonError
from daemons.text import own_words

HELP_NAMES = ["-h", "--help"]
_MISSING = "Missing command."


def usage_error(error: typer.TyperException) -> DaemonError:
    """Return `error` as one sentence, with the command whose help says how it is used."""
    context = getattr(error, "ctx", None)
    program = context.command_path if context is not None else "daemondeck COMMAND"
    message = own_words(error.format_message()).strip()
    if message == _MISSING and context is not None:
        message = f"{program} needs a command: {', '.join(_names(context))}."
    if message[-1:] not in ".!?":
        message += "."
    return DaemonError(message, remedy=f"`{program} --help` says how it is used.", code="ERR_USAGE")


def _names(context: typer.Context) -> list[str]:
    group = context.command
    assert isinstance(group, TyperGroup)
    # A hidden one stands for what is typed without its name.
    return [name for name, command in group.commands.items() if not command.hidden]


def show_switches(parameters: Iterable[object]) -> None:
    """Have help show the switches among `parameters` without a value: they take none."""
    for switch in parameters:
        if isinstance(switch, TyperOption) and switch.is_bool_flag:
            switch.metavar = ""


def show_switches_of(command: TyperCommand | TyperGroup) -> None:
    """Have the help of `command` and all below it show switches without a value."""
    show_switches(command.get_params(typer.Context(command, help_option_names=HELP_NAMES)))
    for inner in command.commands.values() if isinstance(command, TyperGroup) else ():
        assert isinstance(inner, TyperCommand | TyperGroup)
        show_switches_of(inner)
