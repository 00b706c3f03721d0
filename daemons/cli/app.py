"""The program: the options of every command, and what becomes of their errors."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from daemons.cli.commands import AllCommands
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, Output, hoist
from daemons.cli.printing import complain, say
from daemons.cli.times import ZONE
from daemons.cli.usage import HELP_NAMES, usage_error
from daemons.errors import Conflict, DaemonError, Fatal, Invalid, NotFound, Unavailable

EXIT_CODES = (
    "Exit codes: 0 it is done, or was so already. 1 it failed. 2 the command line makes no sense. "
    "3 something that should run does not. 4 there is nothing of that name. 5 refused in the present state. "
    "6 no deck answers. 7 not signed in, or not allowed. 8 waited long enough. 9 a person has to answer first. "
    "75 taken by another, for now. 78 settings that cannot be used. 130 interrupted. "
    "Of several names the worst decides, and what became of each is printed."
)
app = typer.Typer(
    name="daemondeck",
    cls=AllCommands,
    help="Runs daemons and their jobs, and shows what each is doing right now.",
    epilog=EXIT_CODES,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_NAMES, "max_content_width": 100},
)

_EXITS = {NotFound: Exit.UNKNOWN, Conflict: Exit.REFUSED, Invalid: Exit.USAGE, Unavailable: Exit.BUSY}


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        say(f"daemondeck {version('daemondeck')}")
        raise typer.Exit()


@app.callback()
def remember_options(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(envvar="DAEMONDECK_SERVER", help="Address of the deck; default: the one of --data-dir."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Bearer token; default: DAEMONDECK_TOKEN or the deck's file.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How results are written.")] = Output.TABLE,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but results and errors.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds to wait for an answer or an end.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the deck keeps its data.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell every call to the deck, on stderr.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC instead of this machine's zone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; do it.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print it.")
    ] = False,
) -> None:
    ZONE.set(UTC if utc else None)
    context.obj = Options(server, token, output, quiet, no_color, timeout, config, data_dir, verbose, yes)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. What is wrong is told on stderr, in one line."""
    try:
        code = app(hoist(arguments) or ["--help"], prog_name="daemondeck", standalone_mode=False)
    except (Fatal, CommandError) as error:
        return _failed(error, error.exit_code)
    except DaemonError as error:
        return _failed(error, next((code for kind, code in _EXITS.items() if isinstance(error, kind)), Exit.FAILED))
    except typer.TyperException as error:
        return _failed(usage_error(error), error.exit_code)
    except OSError as error:
        return _failed(DaemonError(str(error), code="ERR_SYSTEM"), Exit.FAILED)
    except SystemExit:
        # What typer makes of a closed pipe: who read had enough.
        return Exit.DONE
    except typer.Abort:
        return Exit.INTERRUPTED
    return code if isinstance(code, int) else Exit.DONE


def _failed(error: DaemonError, code: int) -> int:
    complain(error)
    return code
