"""What a run of `autolog` came to: in words for people, whole for programs, and as its exit code."""

from dataclasses import dataclass
from typing import Any

from daemons.cli.climbing_lines import ClimbingLines
from daemons.cli.exits import Exit
from daemons.cli.options import Options
from daemons.cli.printing import note, one_line, say, show_one

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClimbingEnd:
    """How a run ended: `settled`, `over` its time, `stopped` by the user, `detached` from a deck, or `failed`."""

    state: str
    daemon: Item
    lines: ClimbingLines
    is_in_deck: bool

    @property
    def exit_code(self) -> Exit:
        counts = self.lines.counts
        if self.state in ("stopped", "detached"):
            return Exit.INTERRUPTED
        if self.state == "failed" or counts["parked"]:
            return Exit.FAILED
        if self.state == "over" and counts["due"] + counts["running"]:
            return Exit.TIMED_OUT
        if counts["awaiting"]:
            return Exit.AWAITING
        return Exit.DONE if counts["complete"] == counts["total"] else Exit.FAILED

    def tell(self, options: Options) -> Exit:
        """Print it and return the exit code."""
        name = self.daemon["name"]
        if options.is_table:
            say(one_line(self._sentence()))
        else:
            show_one(options, self._as_dict(), {})
        counts = self.lines.counts
        if counts["awaiting"]:
            note(options, "`daemondeck records ls --state awaiting` lists what a person is asked for.")
        if counts["parked"]:
            note(options, "`daemondeck records ls --state parked` says why; with a running deck they can be retried.")
        if self.is_in_deck and self.state in ("detached", "over"):
            note(options, f"The work goes on in the deck; `daemondeck stop {name}` ends it.")
        return self.exit_code

    def _as_dict(self) -> Item:
        counts, done = self.lines.counts, self.lines.done
        return {
            "name": self.daemon["name"],
            "state": self.state,
            "cycles": self.lines.cycles,
            **{name: counts[name] for name in ("total", "complete", "awaiting", "parked")},
            "left": counts["due"] + counts["running"],
            **{name: done[name] for name in ("steps", "chained", "failed_tries")},
        }

    def _sentence(self) -> str:
        if self.state == "failed":
            error = self.daemon["last_error"] or {}
            why = error.get("message") or self.daemon["state_reason"] or "no reason is known"
            return f"{self.daemon['name']} ended: {why} {error.get('remedy') or ''}".rstrip()
        word = {"settled": "Nothing is left to do", "over": "The time is over", "detached": "Left"}
        told = self._as_dict()
        parts = [f"{told['complete']:,} of {told['total']:,} records complete"]
        parts += [f"{told['awaiting']:,} await{'s' if told['awaiting'] == 1 else ''} input"] if told["awaiting"] else []
        parts += [f"{told['parked']:,} parked"] if told["parked"] else []
        parts += [f"{told['left']:,} left"] if told["left"] else []
        held_up = told["total"] - sum(told[name] for name in ("complete", "awaiting", "parked", "left"))
        parts += [f"{held_up:,} held up by what is below {'it' if held_up == 1 else 'them'}"] if held_up > 0 else []
        return f"{word.get(self.state, 'Stopped')}: {', '.join(parts)}."
