"""How describing goes, while it goes: a bar on a terminal, else a line now and then, JSON lines for programs."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from daemons.cli.item_lines import percent
from daemons.cli.options import Options, Output
from daemons.cli.pacing import pace_of
from daemons.cli.printing import as_json, note, one_line, say
from daemons.cli.progress import rate_and_end
from daemons.cli.times import here
from daemons.clock import Clock
from daemons.values import Live

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0
"""Seconds between two lines where nobody looks at a bar."""

Item = dict[str, Any]


class RunLines:
    """Tells how a daemon's work goes, from enter to exit."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._told_at = clock.monotonic()
        self._told = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty() and self._options.is_table and not self._options.quiet:
            self._bar = _bar(self._options)
            self._bar.start()
            self._task = self._bar.add_task("", total=None, far="", pace="", last="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def hear(self, daemon: Item) -> None:
        """Tell what is new of the daemon."""
        what = _doing(daemon)
        if what and what != self._told:
            self._told = what
            self.line(what)
        if self._bar is not None:
            self._move(self._bar, daemon)
        elif daemon["progress"] and self._clock.monotonic() - self._told_at >= LINE_SECONDS:
            self._told_at = self._clock.monotonic()
            self._tell_progress(daemon)

    def hear_status(self, live: Live) -> None:
        """Tell of a new batch at once."""
        if live.current_job_id and live.current_status and live.current_status != self._told:
            self._told = live.current_status
            self.line(live.current_status)

    def line(self, text: str) -> None:
        """Tell one thing, with its time."""
        stamped = one_line(f"{here(self._clock.now()):%Y-%m-%d %H:%M:%S} {text}")
        if self._bar is not None:
            from rich.text import Text

            # As Text, so that brackets in a path are not taken for markup.
            self._bar.console.print(Text(stamped))
        elif self._options.is_table and not self._options.quiet:
            say(stamped)
        elif self._options.output is not Output.JSONL:
            note(self._options, stamped)

    def _tell_progress(self, daemon: Item) -> None:
        far = daemon["progress"]
        if self._options.output is Output.JSONL:
            pace = daemon["pace"] or {}
            told = {name: pace.get(name) for name in ("rate_per_hour", "ends_earliest", "ends_latest")}
            say(as_json({"event": "progress", "at": self._clock.now().isoformat(), **far, **told}))
            return
        self.line(progress_words(daemon))

    def _move(self, bar: "Progress", daemon: Item) -> None:
        far = daemon["progress"] or {}
        words = _far(far) if far else ""
        assert self._task is not None
        bar.update(
            self._task,
            completed=far.get("done") or 0,
            total=far.get("total"),
            far=words,
            pace=rate_and_end(pace_of(daemon, None, far)),
            last=one_line(far.get("message") or "")[:60],
        )


def progress_words(daemon: Item) -> str:
    """Return how far it is in one sentence: "Progress: 5,400 / 31,841 (17.0%) - 26,441 remaining, …"."""
    pace = rate_and_end(pace_of(daemon, None, daemon["progress"]))
    return f"Progress: {_far(daemon['progress'])}" + (f", {pace}" if pace else "")


def _far(far: Item) -> str:
    done, total = far["done"], far.get("total")
    if not total:
        return f"{done:,.0f}"
    return f"{done:,.0f} / {total:,.0f} ({percent(done / total)}) - {max(0, total - done):,.0f} remaining"


def _doing(daemon: Item) -> str | None:
    """Return what it does as far as that is news: a new batch, or what it waits for."""
    if daemon["next_wake_at"]:
        return str(daemon["wait_reason"] or daemon["current_status"] or "") or None
    return str(daemon["current_status"]) if daemon["current_job_id"] else None


def _bar(options: Options) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(no_color=options.no_color or None, highlight=False)
    texts = [TextColumn("{task.fields[" + name + "]}", markup=False) for name in ("far", "pace", "last")]
    return Progress(BarColumn(), *texts, console=console)
