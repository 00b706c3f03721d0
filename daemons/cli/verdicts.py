"""One sentence on a daemon or a job: does it work, what does it wait for, did it stop, and what to do."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from daemons.cli.exits import Exit
from daemons.cli.item_lines import failing
from daemons.cli.printing import stamp
from daemons.cli.times import here
from daemons.clock import SystemClock

UNFINISHED = ("queued", "running", "cancelling")
STALE_SECONDS = 600.0
STALE_TIMES = 2
"""How many times as long as the slowest one a thing may take before the work appears to be stopped."""
SOON_SECONDS = 3600.0
AWAITING = "Awaiting input: "
"""Begins the reason of a daemon or job that waits for a person."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is so, in words; `remedy` where a person has to do something."""

    words: str
    remedy: str | None = None
    exit_code: Exit = Exit.DONE


def of_daemon(
    daemon: dict[str, Any], job: dict[str, Any] | None, items: dict[str, Any] | None = None, *, is_live: bool
) -> Verdict:
    """Judge a daemon with the job it watches, and the single things it works on, where there are any."""
    verdict = _of_daemon(daemon, job, items, is_live=is_live)
    if items is None or (told := failing(items)) is None:
        return verdict
    remedy = f"`daemondeck failures {daemon['name']}` lists them by code."
    return replace(verdict, words=f"{verdict.words}; {told}", remedy=verdict.remedy or remedy)


def _of_daemon(
    daemon: dict[str, Any], job: dict[str, Any] | None, items: dict[str, Any] | None, *, is_live: bool
) -> Verdict:
    name, state = daemon["name"], daemon["state"]
    if not is_live:
        return _without_a_deck(daemon)
    match state:
        case "failed" | "stuck":
            error = daemon["last_error"] or {}
            why = error.get("message") or daemon["state_reason"] or "no reason is known"
            remedy = error.get("remedy") or f"`daemondeck logs {name} --level error` tells more, then"
            return Verdict(f"has {_failed(state)}: {why}", f"{remedy} `daemondeck start {name}`.", Exit.NOT_RUNNING)
        case "backoff":
            why = (daemon["last_error"] or {}).get("message") or "no reason is known"
            return Verdict(f"crashed and is started again in a moment: {why}", None, Exit.NOT_RUNNING)
        case "paused":
            until = stamp(daemon["paused_until"], "minutes") or "resumed"
            because = f": {daemon['desired_reason']}" if daemon["desired_reason"] else ""
            return Verdict(f"is paused until {until}{because}", f"`daemondeck resume {name}` ends the pause.")
        case "stopped" | "finished":
            return _at_rest(daemon)
        case "starting" | "stopping":
            return Verdict(f"is {state}")
    return _stale(daemon, job, items) or _running(daemon, job)


def of_job(job: dict[str, Any], *, is_live: bool) -> Verdict:
    """Judge a job on its own."""
    if job["state"] in UNFINISHED and not is_live:
        return Verdict("appears to be stopped: no deck runs", "`daemondeck serve` goes on with it.", Exit.NOT_RUNNING)
    if job["state"] in UNFINISHED and (waits := _wait_of(job)) is not None:
        return waits
    if job["state"] == "failed":
        error = job["error"] or {}
        why = f"{error.get('code')}: {error.get('message')}"
        return Verdict(
            f"has failed: {why}", error.get("remedy") or f"`daemondeck jobs retry {job['id']}`.", Exit.FAILED
        )
    if job["state"] == "running":
        return Verdict("is working")
    return Verdict(f"is {job['state']}")


def _stale(daemon: dict[str, Any], job: dict[str, Any] | None, items: dict[str, Any] | None) -> Verdict | None:
    """Return that a job is worked on and nothing comes of it, None while that is not so."""
    if items is None or job is None or job["state"] != "running" or job["waiting_reason"] or daemon["next_wake_at"]:
        return None
    last = max(filter(None, [job["started_at"], (items["last"] or {}).get("at")]), key=datetime.fromisoformat)
    patience = max(STALE_SECONDS, STALE_TIMES * items["seconds"]["longest"] if items["seconds"] else 0.0)
    if (SystemClock().now() - datetime.fromisoformat(last)).total_seconds() < patience:
        return None
    name = daemon["name"]
    remedy = f"`daemondeck logs {name}` tells more, `daemondeck restart {name}` begins the batch anew."
    words = f"appears to be stopped since {stamp(last, 'seconds')}: its job runs, and nothing comes of it"
    return Verdict(words, remedy, Exit.NOT_RUNNING)


def _running(daemon: dict[str, Any], job: dict[str, Any] | None) -> Verdict:
    name = daemon["name"]
    if daemon["silent"]:
        since = stamp(daemon["last_heartbeat"] or daemon["started_at"], "seconds")
        remedy = f"`daemondeck stack {name}` shows where it stands, `daemondeck restart {name}` begins anew."
        return Verdict(f"appears to be stopped since {since}", remedy, Exit.NOT_RUNNING)
    reason = daemon["wait_reason"] or daemon["current_status"]
    if daemon["next_wake_at"]:
        asleep = f"is sleeping, {_wakes(daemon['next_wake_at'])}"
        return Verdict(f"{asleep}: {reason}" if reason else asleep)
    if job is not None and job["state"] in UNFINISHED:
        return _wait_of(job) or Verdict("is working")
    if (daemon["wait_reason"] or "").startswith(AWAITING):
        return _asks(daemon["wait_reason"])
    return Verdict(f"is waiting for {_of_waiting(reason)}" if daemon["wait_reason"] else "is working")


def _wakes(at: str) -> str:
    """Return when a daemon wakes: in how long, or at what time where that would be hard to add up."""
    seconds = (datetime.fromisoformat(at) - SystemClock().now()).total_seconds()
    if seconds >= SOON_SECONDS:
        return f"wakes at {here(datetime.fromisoformat(at)):%Y-%m-%d %H:%M}"
    if seconds < 1:
        return "wakes now"
    return f"wakes in {seconds:.0f} s" if seconds < 100 else f"wakes in {round(seconds / 60)} min"


def _wait_of(job: dict[str, Any]) -> Verdict | None:
    """Return what an unfinished job waits for, None if it is worked on."""
    reason = job["waiting_reason"]
    if reason and reason.startswith(AWAITING):
        return _asks(reason)
    if job["state"] == "queued":
        return Verdict(f"is waiting for {_of_waiting(reason or 'a free worker')}")
    return None


def _asks(reason: str) -> Verdict:
    return Verdict(
        f"is waiting for an answer: {reason.removeprefix(AWAITING)}", "`daemondeck inbox ls`.", Exit.AWAITING
    )


def _at_rest(daemon: dict[str, Any]) -> Verdict:
    name = daemon["name"]
    if daemon["enabled"] and daemon["desired"] == "on" and daemon["state"] != "finished":
        remedy = f"`daemondeck logs {name}` tells why, `daemondeck start {name}` tries again."
        return Verdict("should run and does not", remedy, Exit.NOT_RUNNING)
    if not daemon["enabled"]:
        return Verdict("is disabled", f"`daemondeck enable {name} --now` starts it.")
    word = "has finished" if daemon["state"] == "finished" else "is off"
    return Verdict(word, f"`daemondeck start {name}` starts it.")


def _without_a_deck(daemon: dict[str, Any]) -> Verdict:
    if not daemon["enabled"] or daemon["desired"] == "off":
        return Verdict("is off, and no deck runs")
    times = [daemon[field] for field in ("last_heartbeat", "status_updated_at", "started_at") if daemon[field]]
    since = f" since {stamp(max(times), 'seconds')}" if times else ""
    words = f"appears to be stopped{since}: no deck runs"
    return Verdict(words, "`daemondeck serve` goes on where it stopped.", Exit.NOT_RUNNING)


def _failed(state: str) -> str:
    return "failed" if state == "failed" else "ignored being stopped"


def _of_waiting(reason: str) -> str:
    """Return a reason so that it reads after "waiting for"."""
    return reason.removeprefix("Waiting for ").removeprefix("waiting for ").rstrip(".")
