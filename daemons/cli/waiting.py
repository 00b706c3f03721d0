"""`daemondeck wait`: return once a daemon is as a script needs it."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck, Frame
from daemons.cli.exits import Exit
from daemons.cli.names import complete_daemons
from daemons.cli.options import options_of
from daemons.cli.printing import note, one_line, say, show_one
from daemons.cli.switching import Daemon, has_failed, segment
from daemons.cli.verdicts import AWAITING, UNFINISHED


class Goal(StrEnum):
    """What to wait for."""

    RUNNING = "running"  #: it runs
    IDLE = "idle"  #: it sleeps or does not run, and none of its jobs is unfinished
    DRAINED = "drained"  #: none of its jobs is unfinished
    DONE = "done"  #: it does not run any more, and none of its jobs is unfinished


@dataclass
class Watched:
    """One daemon and its unfinished jobs, as the events tell of them."""

    daemon: Daemon
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, frame: Frame) -> None:
        """Learn from one frame."""
        if frame.topic == "jobs" and frame.type in ("snapshot", "job"):
            for job in frame.items:
                if job["daemon_id"] == self.daemon["id"]:
                    self._take_job(job)
        elif frame.topic == "jobs" and frame.type == "removed":
            self.jobs.pop(str(frame.data["id"]), None)
        elif frame.topic == "daemons" and frame.type in ("snapshot", "daemon"):
            self.daemon = next((one for one in frame.items if one["id"] == self.daemon["id"]), self.daemon)

    def _take_job(self, job: dict[str, Any]) -> None:
        if job["state"] in UNFINISHED:
            self.jobs[job["id"]] = job
        else:
            self.jobs.pop(job["id"], None)

    @property
    def asks(self) -> bool:
        """Whether it, or one of its unfinished jobs, waits for a person's answer."""
        reasons = [self.daemon["wait_reason"], *(job["waiting_reason"] for job in self.jobs.values())]
        return any((reason or "").startswith(AWAITING) for reason in reasons)

    @property
    def is_awake(self) -> bool:
        """Whether a run of it is at work, not asleep."""
        return self.daemon["state"] in ("starting", "stopping") or (
            self.daemon["state"] == "running" and not self.daemon["next_wake_at"]
        )

    def is_at(self, goal: Goal) -> bool:
        """Whether what was waited for is so."""
        state = self.daemon["state"]
        match goal:
            case Goal.RUNNING:
                return bool(state == "running")
            case Goal.IDLE:
                return not self.is_awake and not self.jobs
            case Goal.DRAINED:
                return not self.jobs
            case Goal.DONE:
                return state in ("stopped", "finished", "paused") and not self.jobs

    def cannot_reach(self, goal: Goal) -> bool:
        """Whether waiting on is hopeless: a person has to do something first."""
        return goal in (Goal.RUNNING, Goal.DONE) and has_failed(self.daemon) and self.daemon["state"] != "backoff"


def wait(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_daemons)],
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.IDLE,
) -> None:
    """Return once a daemon is as asked: running, idle, drained (no unfinished job) or done.

    Exit code 8 when --timeout passes first, 9 when it waits for a person's answer, 1 when it failed.

    Example: daemondeck wait night_watch --for drained --timeout 600
    """
    options = options_of(context)
    with options.deck() as deck:
        watched = Watched(deck.get(f"/daemons/{segment(name)}"))
        code = asyncio.run(follow(deck, watched, options.timeout, lambda: _verdict(watched, goal)))
    if options.is_table:
        say(one_line(str(watched.daemon["state"])))
    else:
        show_one(options, watched.daemon, {})
    if code is Exit.AWAITING:
        note(options, "It waits for an answer: `daemondeck inbox`.")
    raise typer.Exit(code)


async def follow(deck: Deck, watched: Watched, seconds: float | None, verdict: Callable[[], Exit | None]) -> Exit:
    """Let `watched` learn until there is a verdict; TIMED_OUT after `seconds`."""
    try:
        async with (
            asyncio.timeout(seconds),
            aclosing(deck.frames("daemons,jobs", daemon=watched.daemon["name"])) as frames,
        ):
            is_told = False
            async for frame in frames:
                if frame is None:
                    is_told = False
                    continue
                watched.take(frame)
                # Before the first heartbeat not all is told: jobs may be missing.
                is_told = is_told or frame.type == "heartbeat"
                if is_told and (found := verdict()) is not None:
                    return found
    except TimeoutError:
        pass
    return Exit.TIMED_OUT


def _verdict(watched: Watched, goal: Goal) -> Exit | None:
    if watched.is_at(goal):
        return Exit.DONE
    if watched.cannot_reach(goal):
        return Exit.FAILED
    return Exit.AWAITING if watched.asks else None
