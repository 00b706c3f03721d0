"""Commands for daemons: see them and switch them."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

import typer

from daemons.cli.deck import LOST, Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.names import complete_daemons
from daemons.cli.options import Options, Output, options_of
from daemons.cli.printing import Columns, age, as_json, complain, note, one_line, progress, say, show, stamp, table
from daemons.cli.switching import Daemon, has_failed, segment, switch
from daemons.cli.times import duration, moment
from daemons.clock import SystemClock

Names = Annotated[
    list[str] | None, typer.Argument(help="Names of daemons.", metavar="NAME…", autocompletion=complete_daemons)
]
All = Annotated[bool, typer.Option("--all", help="Every enabled daemon.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Return when it is so, or at once.")]

CLEAR = "\x1b[2J\x1b[H"
"""What empties a terminal."""
PREVIEW: Columns = {
    "NAME": lambda one: one["name"],
    "VITAL": lambda one: one["vital"],
    "DRAIN": lambda one: _fate(one["modes"]["drain"]),
    "NOW": lambda one: _fate(one["modes"]["now"]),
    "CANCEL JOBS": lambda one: _fate(one["modes"]["cancel_jobs"]),
}
COLUMNS: Columns = {
    "NAME": lambda daemon: daemon["name"],
    "STATE": lambda daemon: shown_state(daemon),
    "STATUS": lambda daemon: daemon["current_status"] or reason_of(daemon),
    "AGE": lambda daemon: age(daemon["status_updated_at"]),
    "PROGRESS": lambda daemon: progress(daemon["progress"]),
    "JOB": lambda daemon: daemon["current_job_id"],
}
WIDE: Columns = {
    "DESIRED": lambda daemon: daemon["desired"],
    "STARTED": lambda daemon: stamp(daemon["started_at"]),
    "HEARD": lambda daemon: age(daemon["last_heartbeat"]),
    "WAKES": lambda daemon: stamp(daemon["next_wake_at"]),
    "RESTARTS": lambda daemon: daemon["restarts"],
    "TYPE": lambda daemon: daemon["type"],
}


def status(
    context: typer.Context,
    names: Names = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing what changes.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed, are silent or should run.")] = False,
) -> None:
    """Show what every daemon is doing. Exit code 3 when one that should run does not.

    Example: daemondeck status --failed -o name
    """
    options = options_of(context)
    with options.deck() as deck:
        found, code = _find(deck, names)
        if watch:
            asyncio.run(_watch(options, deck, {daemon["name"] for daemon in found} if names else None))
    if failed:
        found = [daemon for daemon in found if _verdict(daemon) is not Exit.DONE]
    show(options, found, COLUMNS, wide=WIDE)
    raise typer.Exit(max([code, *map(_verdict, found)]))


def start(context: typer.Context, names: Names = None, everything: All = False, wait: Wait = True) -> None:
    """Start daemons.

    Example: daemondeck start night_watch demo
    """
    switch(options_of(context), names, everything=everything, command="start", goal=_is_started if wait else None)


def stop(
    context: typer.Context,
    names: Names = None,
    everything: All = False,
    wait: Wait = True,
    drain: Annotated[bool, typer.Option("--drain", help="Let it finish what it has in hand.")] = False,
    now: Annotated[bool, typer.Option("--now", help="End its waiting at once; its jobs go on. The default.")] = False,
    cancel_jobs: Annotated[bool, typer.Option("--cancel-jobs", help="Cancel its unfinished jobs as well.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which jobs each way would touch.")] = False,
) -> None:
    """Stop daemons.

    Example: daemondeck stop night_watch --drain --timeout 600
    """
    chosen = [mode for mode, is_chosen in (("drain", drain), ("now", now), ("cancel_jobs", cancel_jobs)) if is_chosen]
    if len(chosen) > 1:
        raise typer.BadParameter("Choose one of --drain, --now and --cancel-jobs.")
    if dry_run:
        return preview(options_of(context), names or [])
    body = {"mode": chosen[0] if chosen else "now"}
    goal = _is_stopped if wait else None
    return switch(options_of(context), names, everything=everything, command="stop", goal=goal, body=body)


def preview(options: Options, names: Sequence[str]) -> None:
    """Print which jobs each way to stop would cancel and keep."""
    if not names:
        raise typer.BadParameter("Name the daemons whose stop is to be previewed.")
    with options.deck() as deck:
        previews = [{"name": name, **deck.get(f"/daemons/{segment(name)}/stop-preview")} for name in names]
    show(options, previews, PREVIEW)


def kill(context: typer.Context, names: Names = None, everything: All = False, wait: Wait = True) -> None:
    """Stop daemons now, whatever they have in hand; their jobs go on. The same as `stop --now`.

    Example: daemondeck kill night_watch
    """
    goal = _is_stopped if wait else None
    switch(options_of(context), names, everything=everything, command="stop", goal=goal, body={"mode": "now"})


def restart(context: typer.Context, names: Names = None, everything: All = False, wait: Wait = True) -> None:
    """Stop daemons and start them again.

    Example: daemondeck restart night_watch
    """
    goal = _is_restarted if wait else None
    switch(options_of(context), names, everything=everything, command="restart", goal=goal)


def pause(
    context: typer.Context,
    names: Names = None,
    everything: All = False,
    wait: Wait = True,
    length: Annotated[str | None, typer.Option("--for", help="Resume by itself after this long: 20m, 2h.")] = None,
    until: Annotated[str | None, typer.Option(help="Resume by itself at this time: 07:00, or ISO 8601.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; shown beside the daemon.")] = None,
) -> None:
    """Pause daemons.

    Example: daemondeck pause --all --until 07:00 --reason "quiet hours"
    """
    if length and until:
        raise typer.BadParameter("Say --for or --until.")
    end = moment(until, SystemClock().now()).isoformat() if until else None
    given = {"for": duration(length).total_seconds() if length else None, "until": end, "reason": reason}
    body = {name: value for name, value in given.items() if value is not None}
    goal = _is_paused if wait else None
    switch(options_of(context), names, everything=everything, command="pause", goal=goal, body=body)


def resume(context: typer.Context, names: Names = None, everything: All = False, wait: Wait = True) -> None:
    """Resume paused daemons.

    Example: daemondeck resume --all
    """
    goal = _is_resumed if wait else None
    switch(options_of(context), names, everything=everything, command="resume", goal=goal)


def wake(context: typer.Context, names: Names = None) -> None:
    """End the sleep of daemons: they look again now.

    Example: daemondeck wake night_watch
    """
    switch(options_of(context), names, everything=False, command="wake")


def reset(context: typer.Context, names: Names = None) -> None:
    """Forget the crashes of daemons that failed, so that they can be started.

    Example: daemondeck reset night_watch
    """
    switch(options_of(context), names, everything=False, command="reset")


def shown_state(daemon: Daemon) -> str:
    """Return the state in the words of the page."""
    state = str(daemon["state"])
    if daemon["silent"]:
        return f"{state}, silent"
    if state == "stopping" and daemon["stop_mode"] == "drain":
        return "draining"
    if state == "running" and daemon["next_wake_at"]:
        return "sleeping"
    return state if daemon["enabled"] else f"{state}, disabled"


def reason_of(daemon: Daemon) -> str | None:
    error = daemon["last_error"] if has_failed(daemon) else None
    reason = error["message"] if error else daemon["state_reason"] or daemon["desired_reason"]
    return str(reason) if reason else None


def _find(deck: Deck, names: Sequence[str] | None) -> tuple[list[Daemon], Exit]:
    """Return the daemons of these names, all of them for none, and the code for those that do not exist."""
    if not names:
        return deck.pages("/daemons", 10_000), Exit.DONE
    found: list[Daemon] = []
    code = Exit.DONE
    for name in names:
        try:
            found.append(deck.get(f"/daemons/{segment(name)}"))
        except CommandError as error:
            if error.exit_code is not Exit.UNKNOWN:
                raise
            complain(error, name)
            code = Exit.UNKNOWN
    return found, code


def _verdict(daemon: Daemon) -> Exit:
    should_run = daemon["enabled"] and daemon["desired"] == "on"
    runs = daemon["state"] in ("starting", "running", "finished")
    is_well = not daemon["silent"] and not has_failed(daemon) and (runs or not should_run)
    return Exit.DONE if is_well else Exit.NOT_RUNNING


async def _watch(options: Options, deck: Deck, names: set[str] | None) -> None:
    """Show the daemons until interrupted: a table that is redrawn on a terminal, else a line for each change."""
    present: dict[str, Daemon] = {}
    redraws = sys.stdout.isatty() and options.is_table
    async with aclosing(deck.frames("daemons")) as frames:
        async for frame in frames:
            if frame is None:
                note(options, "-- connected again --")
            elif frame.type == LOST:
                since = stamp(SystemClock().now().isoformat(), "seconds")
                if redraws:
                    say(CLEAR, end="")
                    say(f"No connection since {since}. What is shown is as of then.")
                    say(table([present[name] for name in sorted(present)], COLUMNS, no_color=options.no_color), end="")
                note(options, f"-- no connection since {since}, trying again --")
            elif frame.type == "removed":
                present = {name: daemon for name, daemon in present.items() if daemon["id"] != frame.data["id"]}
            elif frame.type in ("snapshot", "daemon"):
                changed = [daemon for daemon in frame.items if names is None or daemon["name"] in names]
                present |= {daemon["name"]: daemon for daemon in changed}
                if redraws:
                    rows = [present[name] for name in sorted(present)]
                    say(CLEAR + table(rows, COLUMNS, no_color=options.no_color), end="")
                else:
                    _print_changes(options, changed)


def _print_changes(options: Options, changed: Sequence[Daemon]) -> None:
    for daemon in changed:
        match options.output:
            case Output.TABLE | Output.WIDE:
                said = daemon["current_status"] or reason_of(daemon) or "-"
                say(one_line(f"{daemon['name']}  {shown_state(daemon)}  {said}"))
            case Output.NAME:
                say(daemon["name"])
            case _:
                say(as_json(daemon))


def _is_started(old: Daemon, new: Daemon) -> bool:
    has_run = new["state"] == "finished" and new["started_at"] != old["started_at"]
    return bool(has_run or new["state"] == "running")


def _is_restarted(old: Daemon, new: Daemon) -> bool:
    return bool(new["state"] in ("running", "finished") and new["started_at"] != old["started_at"])


def _is_stopped(old: Daemon, new: Daemon) -> bool:
    return bool(new["state"] in ("stopped", "finished") or (new["state"] == "failed" and new["desired"] == "off"))


def _is_paused(old: Daemon, new: Daemon) -> bool:
    return bool(new["state"] == "paused")


def _is_resumed(old: Daemon, new: Daemon) -> bool:
    return bool(new["state"] != "paused")


def _fate(fate: dict[str, int]) -> str:
    return f"{fate['cancels']} cancelled, {fate['keeps']} go on"
