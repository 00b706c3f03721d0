"""`daemondeck audit`, `diag` and `log-level`: who did what, a file for whoever helps, and how much is logged."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, note, show, show_one, stamp
from daemons.cli.times import duration
from daemons.clock import SystemClock

if TYPE_CHECKING:
    from daemons.diagnostics import Files

AUDIT: Columns = {
    "AT": lambda entry: stamp(entry["at"], "seconds"),
    "WHO": lambda entry: entry["who"],
    "WHAT": lambda entry: entry["action"],
    "TARGET": lambda entry: entry["target"],
    "FROM": lambda entry: entry["origin"],
    "OUTCOME": lambda entry: entry["outcome"],
}
LEVEL: Columns = {
    "Level": lambda found: found["log_level"],
    "Until": lambda found: stamp(found["log_level_until"], "seconds"),
}


def audit(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", min=1, help="So many of the newest.")] = 50,
    who: Annotated[str | None, typer.Option(help="Part of a name.")] = None,
    action: Annotated[str | None, typer.Option(help="Part of what was done, such as stop.")] = None,
) -> None:
    """List who did what from where, the newest first; without a deck, from its data.

    Example: daemondeck audit --who ana --action "daemon stop"
    """
    options = options_of(context)
    entries = _from_deck(options, lambda deck: deck.pages("/audit", count, who=who, action=action))
    if entries is None:
        entries = asyncio.run(_stored_audit(options, count, who, action))
    show(options, entries, AUDIT, name="id")


def diag(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; default: a name with the time.")
    ] = None,
) -> None:
    """Write a zip with what helps others to understand the deck, secrets masked; without a deck, from its data.

    Example: daemondeck diag for-the-forum.zip
    """
    from daemons.diagnostics import packed

    options = options_of(context)
    now = SystemClock().now()
    content = _from_deck(options, lambda deck: deck.download("/system/diagnostics"))
    if content is None:
        content = packed(asyncio.run(_stored_files(options)), now)
    target = file or Path(f"daemondeck-diagnostics-{now:%Y%m%dT%H%M%SZ}.zip")
    if target.exists():
        raise CommandError(Exit.REFUSED, f"There is a file {target} already.", remedy="Name another one.")
    target.touch(mode=0o600)
    target.write_bytes(content)
    note(options, "Look through it before you give it to anybody: names, folders and log lines are in it.")
    show_one(options, {"file": str(target)}, {"File": lambda made: made["file"]}, name="file")


def log_level(
    context: typer.Context,
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="debug, info, warning or error.")],
    length: Annotated[str, typer.Option("--for", help="How long: 10m, 2h; then it is as usual again.")] = "10m",
) -> None:
    """Have the deck log more or less for a while; its usual level ends that.

    Example: daemondeck log-level debug --for 10m
    """
    options = options_of(context)
    wanted = {"level": level, "for": duration(length).total_seconds()}
    with options.deck() as deck:
        show_one(options, deck.post("/system/log-level", wanted), LEVEL, name="log_level")


def _from_deck(options: Options, ask: Callable[[Deck], Any]) -> Any:
    """Return what the running deck answers, None if none runs and the data is here."""
    try:
        with options.deck() as deck:
            return ask(deck)
    except CommandError as error:
        if error.exit_code is not Exit.UNREACHABLE or options.server is not None:
            raise
        return None


async def _stored_audit(options: Options, count: int, who: str | None, action: str | None) -> list[dict[str, Any]]:
    from daemons.access.audit_trail import AuditTrail
    from daemons.cli.records import plain, stored

    async with stored(options) as database:
        page = await AuditTrail(database).list(who=who, action=action, limit=count)
    return [plain(entry.as_dict()) for entry in page.items]


async def _stored_files(options: Options) -> "Files":
    from daemons.bus import Bus
    from daemons.cli.checkup import examine
    from daemons.cli.records import stored
    from daemons.diagnostics import collect
    from daemons.journal import Journal
    from daemons.roster import Roster
    from daemons.status import StatusBoard

    clock = SystemClock()
    async with stored(options) as database:
        board = StatusBoard(database, clock, Bus(), Journal(database, clock), Roster(database))
        await board.refresh()
        return await collect(
            options.settings,
            clock,
            database,
            findings=examine(options),
            figures={"deck": "does not run"},
            daemons=board.all(),
            knows_secrets=False,
        )
