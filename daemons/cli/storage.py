"""`daemondeck db`: bring the database up to date, look at it, copy it."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from daemons.cli.exits import Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, note, one_line, say, show_one
from daemons.clock import SystemClock

app = typer.Typer(help="Upgrade, check and back up the database.")

UPGRADED: Columns = {
    "From": lambda upgrade: upgrade["before"] or "empty",
    "To": lambda upgrade: upgrade["after"],
    "Backup": lambda upgrade: upgrade["backup"],
}
REVISIONS: Columns = {
    "Database": lambda found: found["revision"] or "empty",
    "Program": lambda found: found["head"],
}


@contextmanager
def held(options: Options) -> Iterator[str]:
    """Keep every deck off the data and yield its address. Raises AlreadyServed naming the deck that runs on it."""
    from daemons.schema import sqlite_path
    from daemons.schema.data_lock import hold

    url = options.settings.database_url
    options.settings.make_data_dir()
    path = sqlite_path(url)
    if path is None:
        # A server lets many write; what migrations need they lock there.
        yield url
        return
    with hold(path):
        yield url


@app.command("upgrade")
def upgrade(context: typer.Context) -> None:
    """Bring the database to this program's revision, after a backup. Not while a deck runs on it.

    Example: daemondeck db upgrade
    """
    from daemons import schema

    options = options_of(context)
    with held(options) as url:
        done = schema.upgrade(url, options.settings.data_dir, SystemClock())
    backup = str(done.backup) if done.backup else None
    show_one(options, {"before": done.before, "after": done.after, "backup": backup}, UPGRADED, name="after")


@app.command("current")
def current(context: typer.Context) -> None:
    """Show the revision of the database and of this program.

    Example: daemondeck db current
    """
    from daemons import schema

    options = options_of(context)
    found = {"revision": schema.current(options.settings.database_url), "head": schema.HEAD}
    show_one(options, found, REVISIONS, name="revision")


@app.command("check")
def check(context: typer.Context) -> None:
    """Look for damage, also while a deck runs. Exit code 1 if there is any.

    Example: daemondeck db check && echo whole
    """
    from daemons import schema

    options = options_of(context)
    problems = schema.check(options.settings.database_url)
    if options.is_table:
        for problem in problems:
            say(one_line(problem))
        if not problems:
            note(options, "The database is whole.")
    else:
        show_one(options, {"problems": problems}, {}, name="problems")
    raise typer.Exit(Exit.FAILED if problems else Exit.DONE)


@app.command("backup")
def backup(context: typer.Context) -> None:
    """Copy the database into the data directory, also while a deck runs, and print where.

    Example: daemondeck db backup -o json
    """
    from daemons import schema

    options = options_of(context)
    copy = schema.back_up_database(options.settings.database_url, options.settings.data_dir, SystemClock())
    if copy is None:
        note(options, "PostgreSQL makes its own backups; use pg_dump.")
        raise typer.Exit(Exit.REFUSED)
    show_one(options, {"backup": str(copy)}, {"Backup": lambda done: done["backup"]}, name="backup")
