"""`daemondeck describe DIR`: describe a folder from the command line, in the running deck or without one."""

from typing import Annotated, Any

import typer

from daemons.cli.describe_import import import_descriptions
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import options_of

FOLDER = "folder"
"""The command that stands for a folder's name; nobody types it."""


class FolderFirst(typer.core.TyperGroup):
    """Takes what is no command for the folder to describe; a folder that is named like one is given as ./import."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = [FOLDER, *(args or ["--help"])]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == FOLDER else name), command, rest


app = typer.Typer(cls=FolderFirst, help="Describe the images of a folder, and follow it.")


app.command("import")(import_descriptions)


@app.command(FOLDER, hidden=True)
def describe_folder(
    context: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The folder of images.")],
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images in one job.")] = None,
    cooldown: Annotated[float | None, typer.Option(min=0, help="Seconds of rest between two batches.")] = None,
    describer: Annotated[str | None, typer.Option(help="basic, local or vision.")] = None,
    model: Annotated[str | None, typer.Option(help="The model that describes.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the model is asked.")] = None,
    recursive: Annotated[
        bool | None, typer.Option("--recursive/--no-recursive", help="Whether to go into the folders below.")
    ] = None,
    include: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Not these; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many: a test run.")] = None,
) -> None:
    """Describe every image of a folder that is not described yet, and return when that is done.

    Options that are given stay with the folder's daemon, but for --limit; the others are as they were.

    With a running deck the work is its own: Ctrl-C only ends looking on. Without one it runs here: Ctrl-C finishes
    the image in hand and ends, again ends at once; the same command goes on where it stopped.

    `daemondeck describe import` takes over what older scripts described. A folder of that name is given as ./import.

    Exit code 0 when all are described, 1 when some failed, 130 when it was interrupted.

    Example: daemondeck describe ~/Pictures --batch-size 50 --cooldown 60
    """
    given = {
        "batch_size": batch_size,
        "cooldown": cooldown,
        "describer": describer,
        "model": model,
        "prompt": prompt,
        "recursive": recursive,
        "include": include,
        "exclude": exclude,
        "limit": limit,
    }
    # A limit is of one run: who described five hundred to see how it goes wants all of them the next time.
    configuration = {name: value for name, value in given.items() if value is not None or name == "limit"}
    options = options_of(context)
    if not directory.strip():
        raise CommandError(Exit.USAGE, "Name the folder of images.", code="ERR_NO_DIRECTORY")
    # Imported here: no other command needs any of it.
    from daemons.cli.headless import describe_here
    from daemons.cli.looking_on import describe_there

    there = options.running_deck()
    run = describe_there if there else describe_here
    raise typer.Exit(run(options, directory, configuration))
