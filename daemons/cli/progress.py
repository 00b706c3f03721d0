"""`daemondeck progress`: how far the work is, how fast it goes, when it will be done, and whether it goes on at all."""

import asyncio
import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from daemons.cli import item_lines, verdicts
from daemons.cli.daemons import CLEAR
from daemons.cli.exits import CommandError, Exit
from daemons.cli.item_lines import percent
from daemons.cli.names import complete_daemons_and_jobs
from daemons.cli.options import Options, options_of
from daemons.cli.pacing import Pace, pace_of
from daemons.cli.printing import age, note, one_line, progress, say, show
from daemons.cli.records import Item, Records, records
from daemons.cli.times import earlier
from daemons.cli.verdicts import UNFINISHED, Verdict
from daemons.clock import SystemClock

BAR_CHARACTERS = 40
ITEMS_SINCE = "7d"
"""Over which time rates of single things are told."""
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_JOB_ID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")


def show_progress(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|JOB]",
            help="A daemon or a job; default: every daemon that should run, and jobs made by hand.",
            autocompletion=complete_daemons_and_jobs,
        ),
    ] = None,
    watch: Annotated[float | None, typer.Option("--watch", "-w", min=0.2, help="Again every so many seconds.")] = None,
) -> None:
    """Show how far the work is: done of total, rate, time left, last item, and whether it goes on at all.

    Without a running deck the data tells how far it was. Exit code 3 when something that should run does not.

    Example: daemondeck progress describe_images --watch 30
    """
    options = options_of(context)
    if watch is not None:
        asyncio.run(_watch(options, target, watch))
    reports = _look(options, target)
    _print(options, reports)
    raise typer.Exit(max((report["exit_code"] for report in reports), default=Exit.DONE))


def _look(options: Options, target: str | None) -> list[Item]:
    with records(options) as source:
        if target is None:
            daemons = source.daemons()
            chosen = [daemon for daemon in daemons if daemon["enabled"] and daemon["desired"] != "off"]
            reports = [_of_daemon(source, daemon) for daemon in chosen]
            # What was done without a deck is off by now, and still what somebody asks for.
            rest = [] if source.is_live else [daemon for daemon in daemons if daemon not in chosen]
            reports += [report for daemon in rest if (report := _of_daemon(source, daemon))["items"]]
            return reports + [_of_job(source, job) for job in source.jobs_by_hand()]
        job = source.job(target)
        return [_of_job(source, job) if job else _of_daemon(source, source.daemon(target))]


async def _watch(options: Options, target: str | None, seconds: float) -> None:
    """Print again and again until interrupted; what cannot be answered now may be answered the next time."""
    clock = SystemClock()
    redraws = sys.stdout.isatty() and options.is_table
    last: list[Item] | None = None
    while True:
        try:
            # In a thread: reading the data alone runs an event loop of its own.
            reports = await asyncio.to_thread(_look, options, target)
            if redraws:
                say(CLEAR, end="")
            if redraws or _without_ages(reports) != last:
                _print(options, reports)
            last = _without_ages(reports)
        except CommandError as error:
            if error.exit_code not in (Exit.UNREACHABLE, Exit.BUSY):
                raise
            note(options, one_line(f"{error.message} Trying again in {seconds:g} seconds."))
        await clock.sleep(seconds)


def _without_ages(reports: list[Item]) -> list[Item]:
    return [
        {name: value for name, value in report.items() if name not in ("rate", "eta", "items")}
        | {"settled": (report["items"] or {}).get("settled")}
        for report in reports
    ]


def _of_daemon(source: Records, daemon: Item) -> Item:
    job_id = daemon["current_job_id"] or _awaited(daemon["wait_reason"])
    job = source.job(job_id) if job_id else None
    items = source.statistics(daemon["name"], earlier(ITEMS_SINCE).isoformat())["items"]
    far = _far(daemon["progress"] or (job["progress"] if job else None), items)
    verdict = verdicts.of_daemon(daemon, job, items, is_live=source.is_live)
    last = items["last"]["name"] if items and items["last"] else ((job and job["progress"]) or {}).get("message")
    told = {
        "name": daemon["name"],
        "state": daemon["state"],
        "status": daemon["current_status"],
        "status_at": daemon["status_updated_at"],
        "last_item": last or (far or {}).get("message"),
        "job": _shown_job(job),
        "items": items,
    }
    pace = pace_of(daemon, job, far, items) if source.is_live else None
    return told | _measured(far, pace) | _judged(verdict)


def _far(told: Item | None, items: Item | None) -> Item | None:
    """Return how far it is: where single things are known, to the last of them."""
    total = (told or {}).get("total") or (items or {}).get("total")
    if items and not total and not told and items["done"] + items["failed"]:
        return {"done": items["done"] + items["failed"], "total": None, "fraction": None, "message": None}
    if not items or not total:
        return told
    done = max((told or {}).get("done") or 0, min(items["done"] + items["failed"], total))
    return {**(told or {}), "done": done, "total": total, "fraction": done / total}


def _awaited(reason: str | None) -> str | None:
    """Return the id of the job that a daemon says it waits for."""
    found = _JOB_ID.search(reason or "")
    return found[0] if found else None


def _of_job(source: Records, job: Item) -> Item:
    far = job["progress"]
    told = {
        "name": job["id"],
        "state": job["state"],
        "status": None,
        "status_at": job["started_at"],
        "last_item": (far or {}).get("message"),
        "job": _shown_job(job),
        "items": None,
    }
    pace = pace_of(None, job, far) if source.is_live and job["state"] in UNFINISHED else None
    return told | _measured(far, pace) | _judged(verdicts.of_job(job, is_live=source.is_live))


def _shown_job(job: Item | None) -> Item | None:
    return {name: job[name] for name in ("id", "type", "state", "progress")} if job else None


def _measured(far: dict[str, Any] | None, pace: Pace | None) -> Item:
    far = far or {}
    return {
        "done": far.get("done"),
        "total": far.get("total"),
        "fraction": far.get("fraction"),
        "rate": pace.per_hour if pace else None,
        "eta": list(pace.seconds_left) if pace and pace.seconds_left else None,
    }


def _judged(verdict: Verdict) -> Item:
    return {"verdict": verdict.words, "remedy": verdict.remedy, "exit_code": int(verdict.exit_code)}


def _print(options: Options, reports: list[Item]) -> None:
    if not options.is_table:
        show(options, reports, {})
        return
    for number, report in enumerate(reports):
        if number:
            say("")
        for line in _panel(report):
            say(one_line(line))
    if not reports:
        note(options, "Nothing should run now. `daemondeck status` lists the daemons.")


def _panel(report: Item) -> Iterator[str]:
    """Yield the lines that a person reads."""
    yield f"{report['name']} {report['verdict']}"
    if report["done"] is not None:
        yield f"  Done      {_done(report)}"
    if report["fraction"] is not None:
        yield f"  Progress  {_bar(report['fraction'])}"
    if report["rate"] is not None:
        yield f"  Rate      {item_lines.rate(report['rate'])}{time_left(report['eta'])}"
    yield from _of_items(report["items"])
    if report["last_item"]:
        yield f"  Last      {report['last_item']}"
    if report["status"] and report["status"] not in report["verdict"]:
        yield f"  Said      {report['status']} ({age(report['status_at']) or '-'} ago)"
    if job := report["job"]:
        yield f"  Job       {job['id']} {job['type']} {job['state']} {progress(job['progress']) or ''}".rstrip()
    if report["remedy"]:
        yield f"  Do        {report['remedy']}"


def _of_items(items: Item | None) -> Iterator[str]:
    if items is None:
        return
    if told := item_lines.rates(items):
        yield f"  Measured  {told}"
    if told := item_lines.codes(items):
        yield f"  Failed    {told}"
    yield from (f"  {heading:<9} {words}" for heading, words in item_lines.answers(items))
    if last := items["last"]:
        yield f"  Updated   {age(last['at'])} ago"


def _done(report: Item) -> str:
    done, total = report["done"], report["total"]
    if not total:
        return f"{done:,.10g}"
    return f"{done:,.10g} / {total:,.10g} ({percent(report['fraction'])}), {max(0, total - done):,.10g} left"


def _bar(fraction: float) -> str:
    full, empty = "█░" if (sys.stdout.encoding or "").lower().startswith("utf") else "#."
    filled = int(BAR_CHARACTERS * fraction)
    return f"[{full * filled}{empty * (BAR_CHARACTERS - filled)}]"


def rate_and_end(pace: Pace | None) -> str:
    """Return how fast it goes and when it will end, nothing while that is not known."""
    return "" if pace is None else f"{item_lines.rate(pace.per_hour)}{time_left(list(pace.seconds_left or ()))}"


def time_left(seconds: list[float] | None) -> str:
    """Return between which times the work will end, as is printed behind the rate."""
    if not seconds:
        return ""
    low, high = _rounded(seconds[0], math.floor), _rounded(seconds[1], math.ceil)
    if low == high:
        return f", {' '.join(high)} left"
    begin = low[0] if low[1] == high[1] else " ".join(low)
    return f", {begin} to {' '.join(high)} left"


def _rounded(seconds: float, towards: Callable[[float], int]) -> tuple[str, str]:
    """Return a time with two digits and its unit; rounded outwards, a range is never narrower than what it says."""
    size, unit = next((one for one in _SPANS if seconds >= one[0]), (1, "s"))
    value = seconds / size
    return (f"{towards(value)}" if value >= 10 or size == 1 else f"{towards(value * 10) / 10:g}"), unit
