"""`daemondeck run`: one cycle of a daemon now, and the jobs that come of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck, Frame
from daemons.cli.exits import Exit
from daemons.cli.logs import written
from daemons.cli.names import complete_daemons
from daemons.cli.options import Options, options_of
from daemons.cli.printing import note, one_line, progress, say, show_one
from daemons.cli.switching import has_failed, segment
from daemons.cli.waiting import Watched

LOG_SECONDS = 0.3
"""How long log lines may take to arrive after the end that they tell of."""


def run_now(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_daemons)],
    wait: Annotated[bool, typer.Option("--wait", help="Return when its jobs are finished and it rests again.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait, and show progress and log meanwhile.")] = False,
) -> None:
    """Have a daemon look now: start it if it is off, else wake it, and print the id of the job it makes.

    Exit code 1 when the job or the daemon failed, 8 when --timeout passed, 9 when it waits for a person's answer.

    Example: daemondeck run night_watch --follow
    """
    options = options_of(context)
    with options.deck() as deck:
        cycle = Cycle(options, deck, Watched(deck.get(f"/daemons/{segment(name)}")), waits=wait or follow)
        code = asyncio.run(cycle.follow(show=follow))
    cycle.tell()
    raise typer.Exit(code)


@dataclass
class Cycle:
    """One cycle of a daemon: from the command to its next rest."""

    options: Options
    deck: Deck
    watched: Watched
    waits: bool
    before: set[str] = field(default_factory=set)
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The jobs that came of it, by id."""
    started_from: tuple[Any, ...] | None = None
    """What it was before it was started: an end is this run's only once that has changed."""
    slept_until: str | None = None
    is_sent: bool = False
    said: str = ""

    async def follow(self, *, show: bool) -> Exit:
        """Send the command once all is told that was before, then look on until there is a verdict."""
        topics = "daemons,jobs,logs" if show else "daemons,jobs"
        try:
            async with (
                asyncio.timeout(self.options.timeout),
                aclosing(self.deck.frames(topics, daemon=self.watched.daemon["name"])) as frames,
            ):
                async for frame in frames:
                    if frame is None:
                        note(self.options, "-- connected again --")
                        continue
                    self._take(frame, show=show)
                    if frame.type == "heartbeat" and not self.is_sent:
                        self._send()
                    elif self.is_sent and (verdict := self._verdict()) is not None:
                        if show:
                            await self._hear_out(frames)
                        return verdict
        except TimeoutError:
            pass
        return Exit.TIMED_OUT

    async def _hear_out(self, frames: AsyncGenerator[Frame | None, None]) -> None:
        """Print the lines that are still on their way: a log is written a moment after what it tells of."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOG_SECONDS):
                async for frame in frames:
                    if frame is not None:
                        self._take(frame, show=True)

    def tell(self) -> None:
        """Print what programs want to know, and tell people when no job was made."""
        daemon = self.watched.daemon
        if not self.options.is_table:
            show_one(
                self.options, {"name": daemon["name"], "state": daemon["state"], "jobs": [*self.made.values()]}, {}
            )
        elif not self.made:
            said = daemon["current_status"] or daemon["wait_reason"] or daemon["state"]
            note(self.options, one_line(f"{daemon['name']} made no job: {said}"))

    def _send(self) -> None:
        daemon = self.watched.daemon
        runs = daemon["desired"] == "on" and daemon["state"] in ("starting", "running")
        if runs and self.watched.is_awake:
            note(self.options, one_line(f"{daemon['name']} is at work already: {daemon['current_status'] or '-'}"))
        self.slept_until = daemon["next_wake_at"]
        self.started_from = None if runs else _run_of(daemon)
        self.watched.daemon = self.deck.post(f"/daemons/{segment(daemon['name'])}/{'wake' if runs else 'start'}")
        self.is_sent = True

    def _take(self, frame: Frame, *, show: bool) -> None:
        self.watched.take(frame)
        if frame.topic == "jobs" and frame.type in ("snapshot", "job"):
            for job in frame.items:
                self._take_job(job, show=show)
        elif frame.topic == "logs" and frame.type == "log" and self.is_sent:
            note(self.options, written(self.options, frame.data))

    def _take_job(self, job: dict[str, Any], *, show: bool) -> None:
        if not self.is_sent:
            self.before.add(job["id"])
        if job["id"] in self.before or job["daemon_id"] != self.watched.daemon["id"]:
            return
        if job["id"] not in self.made and self.options.is_table:
            say(one_line(job["id"]))
        self.made[job["id"]] = job
        words = (job["type"], job["state"], progress(job["progress"]), (job["progress"] or {}).get("message"))
        far = " ".join(word for word in words if word)
        if show and far != self.said:
            note(self.options, one_line(far))
            self.said = far

    def _verdict(self) -> Exit | None:
        daemon = self.watched.daemon
        if self.started_from == _run_of(daemon):
            return None
        if has_failed(daemon):
            return Exit.FAILED
        open_jobs = self.made.keys() & self.watched.jobs.keys()
        rests = daemon["state"] in ("finished", "stopped", "paused") or (
            daemon["state"] == "running" and daemon["next_wake_at"] not in (None, self.slept_until)
        )
        if self.waits and self.watched.asks:
            return Exit.AWAITING
        if (rests and not open_jobs) or (self.made and not self.waits):
            return (
                Exit.FAILED if any(job["state"] in ("failed", "cancelled") for job in self.made.values()) else Exit.DONE
            )
        return None


def _run_of(daemon: dict[str, Any]) -> tuple[Any, ...]:
    return daemon["started_at"], daemon["last_error"]
