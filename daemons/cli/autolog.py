"""`daemondeck autolog stills|footage`: have all records climb from the command line, in the running deck or without."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from daemons.cli.options import options_of

CYCLE_SECONDS = 10.0


class Kind(StrEnum):
    """What climbs; the daemon and its first ladder have the same name."""

    STILLS = "stills"
    FOOTAGE = "footage"


def autolog(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(metavar="stills|footage", help="What is to climb.", show_choices=False)],
    drop: Annotated[str | None, typer.Option(metavar="DIR", help="The folder whose files become records.")] = None,
    library: Annotated[str | None, typer.Option(metavar="DIR", help="The folder that files are copied to.")] = None,
    duration: Annotated[
        float, typer.Option(envvar="POLL_DURATION", min=0, help="Seconds after which it ends in any case.")
    ] = 3600.0,
    interval: Annotated[
        float | None,
        typer.Option(
            envvar="POLL_INTERVAL",
            min=0.1,
            max=86_400,
            help="Seconds of a cycle, and between two looks for what no event told of; 10 unless given.",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="AUTOLOG_DEBUG", help="Tell each try of a step, with its seconds.")
    ] = False,
) -> None:
    """Have every record climb as far as it can, tell of it cycle by cycle, and end once nothing is left to do.

    It ends early when every record is complete, parked or awaits input; also what is to be tried again is waited for.

    Folders and interval stay with the daemon of that name; without them its own are used.

    With a running deck the work is its own: the daemon is started and stays on, and Ctrl-C only ends looking on.
    Without one it runs here: Ctrl-C finishes the steps in hand and ends, again ends at once; the same command goes on
    where it stopped.

    Exit code 0 when all are complete, 1 when some are parked, 8 when the time was over first, 9 when some await input,
    78 when something is not configured, 130 when it was interrupted.

    Example: daemondeck autolog stills --drop ~/Drop --library ~/Library --duration 1800 --interval 5
    """
    from daemons.cli.climbing import Plan
    from daemons.cli.describing import readable_folder

    folders = {"drop_folder": drop, "library": library}
    chosen: dict[str, Any] = {
        name: str(readable_folder(folder)) for name, folder in folders.items() if folder is not None
    }
    if interval is not None:
        chosen["interval"] = interval
    options = options_of(context)
    plan = Plan(kind.value, chosen, duration, CYCLE_SECONDS if interval is None else interval, debug)
    # Imported here: no other command needs any of it.
    from daemons.cli.climbing_here import climb_here
    from daemons.cli.climbing_there import climb_there

    run = climb_there if options.running_deck() else climb_here
    raise typer.Exit(run(options, plan))
