"""Command lines as people type them, held against what the program understands."""

import shlex
from collections.abc import Iterator

import typer

from daemons.cli.app import app
from daemons.cli.options import hoist

PROGRAM = "daemondeck"


def parse(line: str) -> None:
    """Raise what the command line would complain of, and do nothing else."""
    program, *words = shlex.split(line)
    assert program == PROGRAM, line
    command = typer.main.get_command(app)
    context = command.make_context(program, hoist(words))
    while isinstance(command, typer.core.TyperGroup):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, f"{line}: there is no command {name}"
        command, context = found, found.make_context(name, rest, parent=context)


def commands() -> Iterator[tuple[str, str]]:
    """Yield every command that does something, with its help."""
    yield from _below(PROGRAM, typer.main.get_command(app))


def _below(name: str, command: object) -> Iterator[tuple[str, str]]:
    if not isinstance(command, typer.core.TyperGroup):
        yield name, str(getattr(command, "help", None) or "")
        return
    for word, inner in command.commands.items():
        # A hidden one stands for what is typed without its name.
        yield from _below(name if inner.hidden else f"{name} {word}", inner)
