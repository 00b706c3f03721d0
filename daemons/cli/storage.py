"""`daemondeck db`: bring the database up to date, look at it, copy it, put a copy back, make it smaller."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, note, one_line, say, show_one
from daemons.clock import SystemClock

app = typer.Typer(help="Upgrade, check, back up, restore and shrink the database.")

UPGRADED: Columns = {
    "From": lambda upgrade: upgrade["before"] or "empty",
    "To": lambda upgrade: upgrade["after"],
    "Backup": lambda upgrade: upgrade["backup"],
}
RESTORED: Columns = {
    "Database": lambda done: done["database"],
    "The one before": lambda done: done["aside"],
}
VACUUMED: Columns = {
    "Bytes before": lambda done: f"{done['before']:,}",
    "Bytes now": lambda done: f"{done['after']:,}",
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
    if options.server is not None:
        with options.deck() as deck:
            made = deck.post("/system/backup")["backup"]
    else:
        copy = schema.back_up_database(options.settings.database_url, options.settings.data_dir, SystemClock())
        if copy is None:
            note(options, "PostgreSQL makes its own backups; use pg_dump.")
            raise typer.Exit(Exit.REFUSED)
        made = str(copy)
    show_one(options, {"backup": made}, {"Backup": lambda done: done["backup"]}, name="backup")


@app.command("restore")
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup, such as those in the data directory.")],
) -> None:
    """Put a backup in the place of the database, which is kept beside it. Not while a deck runs on it.

    Example: daemondeck db restore backups/daemondeck-20260131T070000000000Z-0002.db
    """
    from daemons.schema.upkeep import restore

    options = options_of(context)
    path = _own_file(options, "restore it with pg_restore")
    with held(options):
        aside = restore(path, file.expanduser(), SystemClock())
    done = {"database": str(path), "aside": str(aside) if aside else None}
    show_one(options, done, RESTORED, name="database")


@app.command("vacuum")
def vacuum(context: typer.Context) -> None:
    """Give the room of what was deleted back to the disk. Not while a deck runs on it, nor without room to do it.

    Example: daemondeck db vacuum
    """
    from daemons.schema.upkeep import vacuum

    options = options_of(context)
    path = _own_file(options, "it does this by itself")
    with held(options):
        done = vacuum(path)
    show_one(options, done._asdict(), VACUUMED, name="after")


def _own_file(options: Options, instead: str) -> Path:
    """Return the SQLite file of the data. Raises CommandError where a server keeps them."""
    from daemons.schema import sqlite_path

    if options.server is not None:
        raise CommandError(Exit.USAGE, "That is done on the machine that holds the data, without --server.")
    path = sqlite_path(options.settings.database_url)
    if path is None:
        raise CommandError(Exit.REFUSED, f"The data is kept by PostgreSQL: {instead}.", code="ERR_NOT_SQLITE")
    return path
