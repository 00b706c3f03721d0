"""All commands under one roof, and what becomes of their errors."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from daemons.cli import (
    activity,
    autolog,
    configuration,
    daemons,
    describe,
    descriptions,
    doctor,
    events,
    failures,
    filemaker,
    inbox,
    instances,
    jobs,
    logs,
    looking,
    new_job,
    notifications,
    processes,
    progress,
    records_changing,
    records_import,
    reported,
    running,
    schedules,
    serve,
    stats,
    storage,
    tokens,
    top,
    upkeep,
    users,
    vision,
    waiting,
)
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, Output, hoist
from daemons.cli.printing import complain, say
from daemons.cli.times import ZONE
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
    help="Runs daemons and their jobs, and shows what each is doing right now.",
    epilog=EXIT_CODES,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
LOOK, SWITCH, KEEP = "Look", "Switch", "Keep"
"""The headings under which commands are listed."""
app.command()(serve.serve)
app.add_typer(describe.app, name="describe")
app.command("autolog")(autolog.autolog)
app.command(rich_help_panel=LOOK)(daemons.status)
app.command(rich_help_panel=LOOK)(top.top)
app.command("ps", rich_help_panel=LOOK)(processes.list_processes)
app.command("progress", rich_help_panel=LOOK)(progress.show_progress)
app.command("stats", rich_help_panel=LOOK)(stats.show_statistics)
app.command(rich_help_panel=LOOK)(logs.logs)
app.command(rich_help_panel=LOOK)(events.events)
app.command(rich_help_panel=LOOK)(activity.activity)
app.command(rich_help_panel=LOOK)(looking.history)
app.command(rich_help_panel=LOOK)(looking.stack)
app.command(rich_help_panel=LOOK)(reported.errors)
app.command(rich_help_panel=LOOK)(failures.failures)
app.command("is-active", rich_help_panel=LOOK)(looking.is_active)
app.command("is-failed", rich_help_panel=LOOK)(looking.is_failed)
app.command(rich_help_panel=LOOK)(waiting.wait)
app.command(rich_help_panel=LOOK)(instances.types)
jobs.app.command("new")(new_job.new_job)
app.add_typer(jobs.app, name="jobs", rich_help_panel=LOOK)
app.add_typer(inbox.app, name="inbox", rich_help_panel=LOOK)
app.add_typer(descriptions.app, name="descriptions", rich_help_panel=LOOK)
records_changing.app.command("import")(records_import.import_records)
app.add_typer(records_changing.app, name="records", rich_help_panel=LOOK)
app.add_typer(vision.app, name="vision", rich_help_panel=LOOK)
app.add_typer(filemaker.app, name="filemaker", rich_help_panel=LOOK)
app.add_typer(schedules.app, name="schedule", rich_help_panel=KEEP)
app.add_typer(notifications.app, name="notify", rich_help_panel=KEEP)
app.command(rich_help_panel=SWITCH)(daemons.start)
app.command(rich_help_panel=SWITCH)(daemons.stop)
app.command(rich_help_panel=SWITCH)(daemons.kill)
app.command(rich_help_panel=SWITCH)(daemons.restart)
app.command("run", rich_help_panel=SWITCH)(running.run_now)
app.command(rich_help_panel=SWITCH)(daemons.pause)
app.command(rich_help_panel=SWITCH)(daemons.resume)
app.command(rich_help_panel=SWITCH)(daemons.wake)
app.command(rich_help_panel=SWITCH)(daemons.reset)
app.command(rich_help_panel=SWITCH)(instances.enable)
app.command(rich_help_panel=SWITCH)(instances.disable)
app.command("doctor", rich_help_panel=LOOK)(doctor.doctor)
app.command("audit", rich_help_panel=LOOK)(upkeep.audit)
app.command("diag", rich_help_panel=KEEP)(upkeep.diag)
app.command("log-level", rich_help_panel=KEEP)(upkeep.log_level)
app.add_typer(instances.app, name="daemon", rich_help_panel=KEEP)
app.add_typer(configuration.app, name="config", rich_help_panel=KEEP)
app.add_typer(storage.app, name="db", rich_help_panel=KEEP)
app.add_typer(tokens.app, name="token", rich_help_panel=KEEP)
app.add_typer(users.app, name="user", rich_help_panel=KEEP)

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
        remedy = "`daemondeck COMMAND --help` says how it is used."
        return _failed(DaemonError(error.format_message(), remedy=remedy, code="ERR_USAGE"), error.exit_code)
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
