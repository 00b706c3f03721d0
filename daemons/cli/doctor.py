"""`daemondeck doctor`: what is wrong with the deck and what to do about it, whether it runs or not."""

from typing import Annotated, Any

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, note, one_line, say, show, show_one, stamp
from daemons.cli.switching import segment

FIGURES: Columns = {
    "Version": lambda found: found["version"],
    "Started": lambda found: stamp(found["started_at"], "seconds"),
    "Address": lambda found: found["url"],
    "Event loop late": lambda found: f"{found['event_loop_lag']:g} s",
    "Database": lambda found: f"{found['database']}, {found['database_bytes'] or 0:,} bytes",
    "Log of the database": lambda found: found["wal_bytes"] and f"{found['wal_bytes']:,} bytes",
    "Last backup": lambda found: found["backup"],
    "Free for the data": lambda found: found["disks"][0]["free"] and f"{found['disks'][0]['free']:,} bytes",
    "Stays awake": lambda found: found["stays_awake"],
    "Logs from level": lambda found: found["log_level"],
}


def doctor(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend: rights, unfinished files.")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Show the deck's figures instead.")] = False,
    dismiss: Annotated[str | None, typer.Option(metavar="CODE", help="Show this finding no more.")] = None,
) -> None:
    """Tell what is wrong and what to do about it; without a deck, from its data. Exit code 3 if anything is.

    Example: daemondeck doctor --fix
    """
    options = options_of(context)
    if figures:
        with options.deck() as deck:
            show_one(options, deck.get("/system"), FIGURES, name="version")
        return
    if dismiss is not None:
        with options.deck() as deck:
            deck.post(f"/health/{segment(dismiss)}/dismiss")
        note(options, f"{dismiss} is shown no more.")
        return
    found = _found(options)
    if fix:
        found = _mended(options, found)
    _tell(options, found)
    raise typer.Exit(Exit.NOT_RUNNING if any(one["severity"] != "info" for one in found) else Exit.DONE)


def _found(options: Options) -> list[dict[str, Any]]:
    """Ask the running deck, and look at what is on this machine; without a deck, look at the data alone."""
    from daemons.cli.checkup import examine, rights
    from daemons.errors import Fatal

    try:
        with options.deck() as deck:
            told: list[dict[str, Any]] = deck.get("/health")["items"]
    except CommandError as error:
        if error.exit_code is not Exit.UNREACHABLE or options.server is not None:
            raise
        note(options, "No deck runs; this is what its settings and data tell.")
        return [_plain(finding.as_dict()) for finding in examine(options)]
    except Fatal:
        # Settings that cannot be used are a finding, not the end of looking.
        return [_plain(finding.as_dict()) for finding in examine(options)]
    if options.server is None:
        told += [_plain(finding.as_dict()) for finding in rights(options.settings.data_dir)]
    return told


def _mended(options: Options, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mend what may be mended, say so, and look again."""
    from daemons.cli.checkup import mend
    from daemons.findings import Finding

    if options.server is not None:
        raise CommandError(Exit.USAGE, "Only what is on this machine can be mended, without --server.")
    done = mend([Finding(one["code"], one["severity"], one["message"], subject=one["subject"]) for one in found])
    for sentence in done:
        note(options, sentence)
    if not done:
        note(options, "There was nothing that can be mended without you.")
    note(options, "Locked out? `daemondeck user reset-password NAME`, or the link that `daemondeck serve` prints.")
    return _found(options) if done else found


def _tell(options: Options, found: list[dict[str, Any]]) -> None:
    if not options.is_table:
        show(options, found, {}, name="code")
        return
    for one in found:
        say(one_line(f"{_WORDS[one['severity']]:<8} {one['message']}"))
        since = f" Since {stamp(one['since'], 'seconds')}." if one["since"] else ""
        say(one_line(f"{'':<8} {one['code']}{since} {one['remedy'] or ''}".rstrip()))
    if not any(one["severity"] != "info" for one in found):
        note(options, "All is well.")


_WORDS = {"error": "Error", "warning": "Warning", "info": "Note"}


def _plain(finding: dict[str, Any]) -> dict[str, Any]:
    return {**finding, "since": finding["since"].isoformat() if finding["since"] else None}
