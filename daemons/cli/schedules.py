"""Commands for schedules: `daemondeck schedule ls|get|next|preview|add|edit|enable|disable|run|runs|rm`."""

import json
from typing import Annotated, Any

import typer

from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, cell, say, show, show_one
from daemons.cli.switching import segment

app = typer.Typer(help="Create jobs, and wake, pause or resume daemons at set times.")

COLUMNS: Columns = {
    "NAME": lambda one: one["name"],
    "WHEN": lambda one: one["in_words"],
    "ZONE": lambda one: one["zone"],
    "WHAT": lambda one: _what(one),
    "NEXT": lambda one: one["next_at"] or "switched off",
}
DETAILS: Columns = {
    **COLUMNS,
    "EXPRESSION": lambda one: one["expression"],
    "ARGUMENTS": lambda one: one["args"],
    "MISSED": lambda one: one["missed"],
    "REVISION": lambda one: one["revision"],
}
RUNS: Columns = {
    "DUE": lambda run: run["due_at"],
    "AT": lambda run: run["at"],
    "OUTCOME": lambda run: run["outcome"],
    "JOB": lambda run: run["job_id"],
    "WHY": lambda run: run["error"]["message"] if run["error"] else None,
}
Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.")]
Count = Annotated[int, typer.Option("-n", "--limit", min=1, max=100, help="How many.")]
Cron = Annotated[str | None, typer.Option("--cron", help="Minute hour day month weekday: '30 7 * * 1-5'.")]
Every = Annotated[str | None, typer.Option("--every", help="An interval: 15m, 2h, 1d.")]
Zone = Annotated[str | None, typer.Option("--zone", help="Time zone, such as Europe/Berlin; default: the deck's.")]
JobType = Annotated[str | None, typer.Option("--job", help="Type of the job to create.")]
Args = Annotated[str | None, typer.Option("--args", help="Arguments of the job as JSON.")]
Wake = Annotated[str | None, typer.Option("--wake", help="The daemon to wake instead.")]
Pause = Annotated[str | None, typer.Option("--pause", help="The daemon to pause instead.")]
Resume = Annotated[str | None, typer.Option("--resume", help="The daemon to resume instead.")]
Length = Annotated[str | None, typer.Option("--for", help="Length of the pause, 8h, or its end, 07:00; else open.")]
Missed = Annotated[str | None, typer.Option("--missed", help="Times missed while no deck ran: once, skip or all.")]


@app.command("ls")
def list_schedules(context: typer.Context) -> None:
    """List schedules with their next time. Example: daemondeck schedule ls"""
    options = options_of(context)
    with options.deck() as deck:
        show(options, deck.get("/schedules")["items"], COLUMNS)


@app.command("get")
def get_schedule(context: typer.Context, name: Name) -> None:
    """Show one schedule. Example: daemondeck schedule get nightly"""
    options = options_of(context)
    with options.deck() as deck:
        show_one(options, deck.get(f"/schedules/{segment(name)}"), DETAILS)


@app.command("next")
def next_times(context: typer.Context, name: Name, limit: Count = 10) -> None:
    """Show when a schedule is due next. Example: daemondeck schedule next nightly -n 5"""
    options = options_of(context)
    with options.deck() as deck:
        _print_times(options, deck.get(f"/schedules/{segment(name)}/next", limit=limit))


@app.command("preview")
def preview(
    context: typer.Context,
    expression: Annotated[str, typer.Argument(metavar="CRON|INTERVAL", help="'0 3 * * *' or 15m.")],
    zone: Zone = None,
    limit: Count = 5,
) -> None:
    """Show when a schedule would be due. Example: daemondeck schedule preview '0 3 * * *' --zone Europe/Berlin"""
    options = options_of(context)
    body = {"kind": "cron" if " " in expression.strip() else "interval", "expression": expression, "limit": limit}
    with options.deck() as deck:
        _print_times(options, deck.post("/schedules/preview", {**body, **_given({"zone": zone})}))


@app.command("add")
def add_schedule(
    context: typer.Context,
    name: Name,
    cron: Cron = None,
    every: Every = None,
    zone: Zone = None,
    job: JobType = None,
    args: Args = None,
    wake: Wake = None,
    pause: Pause = None,
    resume: Resume = None,
    length: Length = None,
    missed: Missed = None,
) -> None:
    """Add a schedule. Example: daemondeck schedule add nightly --cron '0 3 * * *' --job demo_fetch"""
    if bool(cron) == bool(every) or sum(map(bool, (job, wake, pause, resume))) != 1:
        message = "Give one of --cron and --every, and one of --job, --wake, --pause and --resume."
        raise typer.BadParameter(message)
    options = options_of(context)
    with options.deck() as deck:
        what = _what_to_do(job, wake, pause, resume, length)
        made = deck.post("/schedules", {"name": name, **what, **_rest(cron, every, zone, args, missed)})
    show_one(options, made, DETAILS)


@app.command("edit")
def edit_schedule(
    context: typer.Context,
    name: Name,
    cron: Cron = None,
    every: Every = None,
    zone: Zone = None,
    job: JobType = None,
    args: Args = None,
    wake: Wake = None,
    pause: Pause = None,
    resume: Resume = None,
    length: Length = None,
    missed: Missed = None,
) -> None:
    """Change what is given. Example: daemondeck schedule edit nightly --every 6h"""
    options = options_of(context)
    with options.deck() as deck:
        body = {**_what_to_do(job, wake, pause, resume, length), **_rest(cron, every, zone, args, missed)}
        show_one(options, deck.patch(f"/schedules/{segment(name)}", body), DETAILS)


@app.command("enable")
def enable_schedule(context: typer.Context, name: Name) -> None:
    """Have a schedule go on. Example: daemondeck schedule enable nightly"""
    _switch(options_of(context), name, enabled=True)


@app.command("disable")
def disable_schedule(context: typer.Context, name: Name) -> None:
    """Have a schedule do nothing for now. Example: daemondeck schedule disable nightly"""
    _switch(options_of(context), name, enabled=False)


@app.command("run")
def run_schedule(context: typer.Context, name: Name) -> None:
    """Do now what a schedule says, beside its times. Example: daemondeck schedule run nightly"""
    options = options_of(context)
    with options.deck() as deck:
        started = deck.post(f"/schedules/{segment(name)}/run")
    show_one(options, started, {"Job": lambda one: one["job_id"] or "none: a daemon was told"}, name="job_id")


@app.command("runs")
def list_runs(context: typer.Context, name: Name, limit: Count = 50) -> None:
    """List what came of a schedule's times, newest first. Example: daemondeck schedule runs nightly"""
    options = options_of(context)
    with options.deck() as deck:
        runs = deck.get(f"/schedules/{segment(name)}/runs", limit=limit)["items"]
    show(options, runs, RUNS, name="due_at")


@app.command("rm")
def remove_schedule(context: typer.Context, name: Name) -> None:
    """Delete a schedule. Example: daemondeck schedule rm nightly"""
    options = options_of(context)
    with options.deck() as deck:
        deck.delete(f"/schedules/{segment(name)}")


def _switch(options: Options, name: str, *, enabled: bool) -> None:
    with options.deck() as deck:
        show_one(options, deck.patch(f"/schedules/{segment(name)}", {"enabled": enabled}), DETAILS)


def _what(one: dict[str, Any]) -> str:
    if one["action"] == "create_job":
        return f"creates {one['job_type']}"
    length = one["pause"] and f" {'until' if ':' in one['pause'] else 'for'} {one['pause']}"
    return f"{one['action']}s {one['daemon_name']}{length or ''}"


def _what_to_do(
    job: str | None, wake: str | None, pause: str | None, resume: str | None, length: str | None
) -> dict[str, Any]:
    named = {"wake": wake, "pause": pause, "resume": resume}
    what: dict[str, Any] = {"action": "create_job", "job_type": job} if job else {}
    for action, daemon in named.items():
        if daemon:
            what = {"action": action, "daemon_name": daemon}
    return {**what, **_given({"pause": length})}


def _rest(
    cron: str | None, every: str | None, zone: str | None, args: str | None, missed: str | None
) -> dict[str, Any]:
    when = {"kind": "cron", "expression": cron} if cron else {"kind": "interval", "expression": every} if every else {}
    return {**when, **_given({"zone": zone, "missed": missed, "args": _parsed(args)})}


def _parsed(args: str | None) -> Any:
    if args is None:
        return None
    try:
        return json.loads(args)
    except ValueError as error:
        raise typer.BadParameter(f"--args is not JSON: {error}") from error


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _print_times(options: Options, times: dict[str, Any]) -> None:
    if options.is_table:
        say(cell(f"{times['in_words']}, {times['zone']}"))
        for at in times["items"]:
            say(cell(at))
    else:
        show_one(options, times, {}, name="in_words")
