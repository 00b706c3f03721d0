"""How records climb, cycle by cycle: coloured on a terminal, plain lines else, JSON lines for programs."""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from daemons.cli.options import Options, Output
from daemons.cli.printing import as_json, note, one_line, say
from daemons.cli.times import here
from daemons.clock import Clock

DONE, MOVED = "done", "moved"
COUNTS = ("total", "due", "running", "parked", "awaiting", "complete")

Item = dict[str, Any]


class ClimbingLines:
    """Tells of one run."""

    def __init__(self, options: Options, clock: Clock, interval: float, *, debug: bool) -> None:
        self._options = options
        self._clock = clock
        self._interval = interval
        self._debug = debug
        self._is_rich = sys.stdout.isatty() and options.is_table and not options.quiet
        self.cycles = 0
        self.counts: Counter[str] = Counter()
        """How the records stand, as of the last look."""
        self.done: Counter[str] = Counter()
        """What was done by the cycles that are over: steps, chained, failed."""
        self._before: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()
        self._outcomes: dict[str, bool] = {}
        self._failed = 0
        self._began: float | None = None
        self._is_counted = False

    def begin_after(self, news: list[Item]) -> None:
        """Take what was before for the beginning."""
        self.counts = self._before = _summed(news)

    def hear(self, news: list[Item], daemon: Item) -> None:
        """Take in what a look found, and tell it."""
        self.counts = _summed(news)
        tries = sorted((one for found in news for one in found["tries"]), key=lambda one: one["number"])
        now = self._clock.monotonic()
        if self._began is None:
            self._begin(now)
        is_looked = not any(found["is_expecting"] for found in news)
        is_over = self._began is not None and now - self._began >= self._interval
        self._note(tries)
        if not self._is_counted and (is_looked or tries or is_over):
            self._is_counted = True
            added = self.counts["total"] - self._before["total"]
            to_process = max(0, added) + self._before["due"] + self._before["running"]
            found = self.counts["total"]
            self.line(f"{found:,} record{'' if found == 1 else 's'} found, {to_process:,} to process")
        for code, of_record in groupby(sorted(tries, key=lambda one: str(one["code"])), key=lambda one: one["code"]):
            for text, style in self._told(code, list(of_record)):
                self.line(text, style)
        if is_over:
            if not is_looked and daemon["next_wake_at"] and daemon["current_status"]:
                self.line(str(daemon["current_status"]), "yellow")
            self.end_cycle()

    def end_cycle(self) -> None:
        """Tell what the present cycle came to."""
        if self._began is None:
            return
        steps, failed = self._steps.total(), self._failed
        result = {
            "cycle": self.cycles,
            "seconds": round(self._clock.monotonic() - self._began, 3),
            "steps": steps,
            "chained": steps - len(self._steps),
            "successful": sum(self._outcomes.values()),
            "failed": sum(not went_well for went_well in self._outcomes.values()),
            "failed_tries": failed,
        }
        self.done.update({name: result[name] for name in ("steps", "chained", "failed_tries")})
        self._began, self._before = None, self.counts
        if self._options.output is Output.JSONL:
            say(as_json({"event": "cycle", "at": self._clock.now().isoformat(), **result, **self.counts}))
            return
        self.line(
            f"Cycle {self.cycles} complete ({result['seconds']:.1f} s): {steps:,} steps, {result['chained']:,} chained"
        )
        style = "red" if result["failed"] else "green"
        self.line(f"Cycle results: {result['successful']:,} successful, {result['failed']:,} failed", style)

    def line(self, text: str, style: str = "") -> None:
        """Tell one thing, with its time."""
        moment = here(self._clock.now())
        self._say(f"[{moment:%H:%M:%S}.{moment.microsecond // 1000:03}] {text}", style)

    def _begin(self, now: float) -> None:
        self.cycles += 1
        self._began, self._is_counted = now, False
        self._steps, self._outcomes, self._failed = Counter(), {}, 0
        if self._options.output is not Output.JSONL:
            self._say(f"=== CYCLE {self.cycles} ===", "bold")

    def _note(self, tries: list[Item]) -> None:
        for one in tries:
            if one["outcome"] == DONE:
                self._steps[one["code"]] += 1
            if one["outcome"] != MOVED:
                self._outcomes[one["code"]] = one["outcome"] == DONE
                self._failed += one["outcome"] != DONE

    def _told(self, code: str, tries: list[Item]) -> Iterator[tuple[str, str]]:
        for one in tries:
            error = one["error"] or {}
            why = f": {error['code']}: {error['message']}" if error else ""
            if self._debug and one["step"]:
                tried = f", try {one['attempt']}" if one["attempt"] > 1 else ""
                yield f"{code}: {one['step']} {one['outcome']} in {one['seconds']:.3f} s{tried}{why}", "dim"
            elif error:
                yield f"{code}: {one['step']} {one['outcome']}{why}", "red"
        moves = [one for one in tries if one["outcome"] in (DONE, MOVED)]
        if not moves:
            return
        old, new, steps = moves[0]["old"], moves[-1]["new"], sum(one["outcome"] == DONE for one in moves)
        chained = f" ({steps} steps in a row)" if steps > 1 else ""
        yield (
            (f"{code}: {old} -> {new}" if old != new else f"{code}: {new}: {moves[-1]['step']} done") + chained,
            "cyan",
        )

    def _say(self, text: str, style: str) -> None:
        text = one_line(text)
        if self._is_rich:
            from rich.console import Console
            from rich.text import Text

            # As Text, so that brackets in a title are not taken for markup.
            Console(no_color=self._options.no_color or None, highlight=False).print(Text(text, style), soft_wrap=True)
        elif self._options.is_table and not self._options.quiet:
            say(text)
        elif self._options.output is not Output.JSONL:
            note(self._options, text)


def _summed(news: list[Item]) -> Counter[str]:
    return Counter({name: sum(found[name] for found in news) for name in COUNTS})
